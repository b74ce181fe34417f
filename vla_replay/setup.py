from setuptools import find_packages, setup

PACKAGE = "vla_replay"

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
    description="What a bag says of a policy: offline replay, preflight, shadow.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": ["shadow = vla_replay.ros.shadow_entry:main"],
        "vla.verbs": [
            "replay = vla_replay.verbs.replay",
            "card = vla_replay.verbs.card",
        ],
    },
)
