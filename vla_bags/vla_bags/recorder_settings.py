"""What a recorder is asked for, by `vla record` or by parameters of its node."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

from vla_bags.entries import BagError
from vla_bags.image_packer import ImageKeeping
from vla_contract.recording import MIN_FREE_MIB


@dataclass(frozen=True)
class RecorderSettings:
    """What to record, where to, and how.

    Args:
        out: Folder of the bag; must not exist.
        card: Path of the card.
        checkpoint: Path of the checkpoint that is said to run.
        topics: Relative or absolute names; empty: all of the card and the suite.
        duration: Ends by itself after this time [s]; 0: never.
        compression: "none", "lz4" or "zstd".
        images: How raw images of the card's cameras are kept.
        min_free_mib: Recording ends when the disk has less left [MiB].

    Raises:
        BagError: A duration or free space below 0.
    """

    out: Path
    card: Path
    checkpoint: Path | None = None
    topics: tuple[str, ...] = ()
    duration: float = 0.0
    compression: str = "none"
    images: ImageKeeping = ImageKeeping()
    min_free_mib: int = MIN_FREE_MIB

    def __post_init__(self) -> None:
        for name, value in (("duration", self.duration), ("min_free_mib", self.min_free_mib)):
            if not 0 <= value < math.inf:
                raise BagError(f"{name} {value}, allowed are 0 and above")


def default_out() -> Path:
    """A folder under out/bags named after the time."""
    return Path("out/bags") / time.strftime("%Y-%m-%d_%H-%M-%S")
