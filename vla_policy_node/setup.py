from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = "vla_policy_node"


def shared(folder: str, pattern: str) -> tuple[str, list[str]]:
    """Files of a folder that are installed beside the package, for ament_index."""
    return f"share/{PACKAGE}/{folder}", sorted(str(path) for path in Path(folder).glob(pattern) if path.is_file())


setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
        shared("checkpoints", "*"),
    ],
    install_requires=["setuptools"],
    extras_require={"test": ["pytest"]},
    zip_safe=False,
    maintainer="VLA ROS maintainers",
    maintainer_email="maintainers@vla-ros.invalid",
    description="The policy node: observations in, action chunks out, during a goal of vla/run_task.",
    license="Apache-2.0",
    entry_points={"console_scripts": ["policy = vla_policy_node.ros.entry:main"]},
)
