from setuptools import find_packages, setup

PACKAGE = "vla_trials"

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
    description="Closed loop: lockstep, demonstrations, trials, trials through the graph.",
    license="Apache-2.0",
    entry_points={
        "vla.verbs": [
            "agree = vla_trials.verbs.agree",
            "demo = vla_trials.verbs.demo",
            "demos = vla_trials.verbs.demos",
            "eval = vla_trials.verbs.eval",
        ],
    },
)
