from setuptools import find_packages, setup

PACKAGE = "vla_bags"

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
    description="Standard rosbag2 folders: recording, reading, writing.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": ["recorder = vla_bags.ros.entry:main"],
        "vla.verbs": [
            "record = vla_bags.verbs.record",
        ],
    },
)
