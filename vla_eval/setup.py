from setuptools import find_packages, setup

PACKAGE = "vla_eval"

setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    package_data={PACKAGE: ["report/templates/*"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    extras_require={"test": ["pytest"]},
    zip_safe=False,
    maintainer="VLA ROS maintainers",
    maintainer_email="maintainers@vla-ros.invalid",
    description="Lockstep driver, demonstrations, closed-loop trials and benchmarks.",
    license="Apache-2.0",
    entry_points={"console_scripts": ["recorder = vla_eval.bags.entry:main", "shadow = vla_eval.shadow.entry:main"]},
)
