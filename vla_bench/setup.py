from setuptools import find_packages, setup

PACKAGE = "vla_bench"

setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    package_data={PACKAGE: ["behaviour/recorded.json"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    extras_require={"test": ["pytest"]},
    zip_safe=False,
    maintainer="VLA ROS maintainers",
    maintainer_email="maintainers@vla-ros.invalid",
    description="The developers' own measurements: fuzz, faults, seams, cost, kills, speed.",
    license="Apache-2.0",
    entry_points={
        "vla.verbs": [
            "behaviour = vla_bench.verbs.behaviour",
            "bench = vla_bench.verbs.bench",
            "figures = vla_bench.verbs.figures",
            "fuzz = vla_bench.verbs.fuzz",
            "hostile = vla_bench.verbs.hostile",
        ],
    },
)
