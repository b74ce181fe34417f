from setuptools import find_packages, setup

PACKAGE = "vla_contract"

setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
    ],
    install_requires=["numpy", "opencv-python-headless", "pydantic>=2", "PyYAML"],
    extras_require={"test": ["pytest"]},
    zip_safe=False,
    maintainer="VLA ROS maintainers",
    maintainer_email="maintainers@vla-ros.invalid",
    description="The contract between policies and robots: interface card, observation, "
    "action spaces, action chunk, normalisation.",
    license="Apache-2.0",
)
