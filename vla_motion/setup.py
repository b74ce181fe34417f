from setuptools import find_packages, setup

PACKAGE = "vla_motion"

setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
    ],
    install_requires=["vla_contract", "numpy", "scipy", "numba", "pin", "coal"],
    extras_require={"mjcf": ["mujoco"], "test": ["pytest", "mujoco"]},
    zip_safe=False,
    maintainer="VLA ROS maintainers",
    maintainer_email="maintainers@vla-ros.invalid",
    description="Robot mathematics: kinematics, splines as the joint trajectory controller "
    "samples them, conversions between action spaces.",
    license="Apache-2.0",
)
