"""The recorder node's parameters: declared, described, and read as its settings."""

from __future__ import annotations

from pathlib import Path

from rclpy.node import Node

from vla_bags.entries import BagError
from vla_bags.image_packer import ImageKeeping
from vla_bags.recorder_settings import RecorderSettings, default_out
from vla_contract.recording import MIN_FREE_MIB, QUALITY
from vla_contract.ros.parameters import declare

PARAMETERS = (
    ("out", "", "folder of the bag, which must not exist; empty: one under out/bags named after the time"),
    ("card", "", "path of the interface card (YAML)"),
    ("checkpoint", "", "path of the checkpoint, where no policy node tells it"),
    ("topics", [""], "topics to record; empty: all of the card and of the suite"),
    ("duration", 0.0, "ends by itself after this time [s]; 0: does not"),
    ("compression", "none", "of the bag's chunks: none, lz4 or zstd"),
    ("images", "raw", "how raw images of the card's cameras are kept: raw, jpeg (16 bits and mosaics as png), png or h264"),
    ("jpeg_quality", QUALITY, "of images:=jpeg, 1 to 100"),
    ("min_free_mib", MIN_FREE_MIB, "free space on the disk below which recording ends [MiB]"),
)
"""Name, default and meaning of each parameter of the node."""


def declare_parameters(node: Node) -> RecorderSettings:
    """Declares and reads all parameters. Raises BagError where no card is named, or a value is out of range."""
    value = {name: declare(node, name, default, words) for name, default, words in PARAMETERS}
    if not value["card"]:
        raise BagError("parameter 'card' is empty; the path of a card is needed")
    return RecorderSettings(
        out=Path(value["out"]) if value["out"] else default_out(),
        card=Path(value["card"]),
        checkpoint=Path(value["checkpoint"]) if value["checkpoint"] else None,
        topics=tuple(name for name in value["topics"] if name),
        duration=value["duration"],
        compression=value["compression"],
        images=ImageKeeping(value["images"], value["jpeg_quality"]),
        min_free_mib=value["min_free_mib"],
    )
