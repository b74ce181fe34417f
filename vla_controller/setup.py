from setuptools import find_packages, setup

PACKAGE = "vla_controller"

setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    extras_require={"test": ["pytest"]},
    zip_safe=False,
    maintainer="VLA ROS maintainers",
    maintainer_email="maintainers@vla-ros.invalid",
    description="Turns action chunks into joint trajectories that obey the card's limits, "
    "join the motion under way and end at rest.",
    license="Apache-2.0",
    entry_points={"console_scripts": ["controller = vla_controller.ros.entry:main"]},
)
