from setuptools import find_packages, setup

PACKAGE = "vla_sim"

setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    package_data={PACKAGE: ["assets/*"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    extras_require={"test": ["pytest"]},
    zip_safe=False,
    maintainer="VLA ROS maintainers",
    maintainer_email="maintainers@vla-ros.invalid",
    description="MuJoCo cell with tasks, ground truth, a scripted expert and the joint trajectory controller's topics.",
    license="Apache-2.0",
    entry_points={"console_scripts": ["sim = vla_sim.ros.entry:main", "mock = vla_sim.ros.mock_entry:main"]},
)
