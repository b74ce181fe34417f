from setuptools import find_packages, setup

PACKAGE = "vla_graph"

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
    description="Starts a graph of nodes from a launch file, and talks to it: launch runner, processes, clients.",
    license="Apache-2.0",
    entry_points={
        "vla.verbs": [
            "up = vla_graph.verbs.up",
            "run = vla_graph.verbs.run",
            "stop = vla_graph.verbs.stop",
            "resume = vla_graph.verbs.resume",
            "home = vla_graph.verbs.home",
            "reset = vla_graph.verbs.reset",
        ],
    },
)
