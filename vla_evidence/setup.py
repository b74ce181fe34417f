from setuptools import find_packages, setup

PACKAGE = "vla_evidence"

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
    description="What a run shows: rows, labels, ledger, statistics, report.",
    license="Apache-2.0",
    entry_points={
        "vla.verbs": [
            "evidence = vla_evidence.verbs.evidence",
            "label = vla_evidence.verbs.label",
            "ledger = vla_evidence.verbs.ledger",
            "report = vla_evidence.verbs.report",
        ],
    },
)
