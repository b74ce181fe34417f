"""What training reads: episodes, from whatever holds them. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from vla_contract.card import InterfaceCard


class ImageSource(Protocol):
    """Images of one episode, decoded when they are asked for."""

    def __call__(self, camera: str, frames: Sequence[int]) -> Iterator[np.ndarray]:
        """One camera's images of these frames, which ascend. Each as the camera sends it, (height, width, 3) uint8
        RGB, not cropped or resized: the training does that as the card says. Raises DatasetError."""
        ...


@dataclass(frozen=True, eq=False)
class Episode:
    """One episode of T frames, with S state fields and plans of H steps by D columns, in the card's order and units."""

    state: np.ndarray
    """Shape (T, S), float32."""
    actions: np.ndarray
    """What is to be done from each frame on, in the card's action space. Shape (T, H, D), float32."""
    mask: np.ndarray
    """Frames to train on. Shape (T,), bool."""
    instruction: str
    success: bool
    cameras: tuple[str, ...]
    images: ImageSource
    points: np.ndarray | None = None
    """Where the instruction's objects are in each image, see ``Demonstration``. Shape (T, cameras, 2, 2), float32."""

    def __len__(self) -> int:
        return len(self.state)


class EpisodeReader(Protocol):
    """A data set in some format. One reader is one file here, or in a lab's package; ``Mixture`` takes any of them.

    It is given to other processes, so it holds paths and no open files.
    """

    kind: str
    """Names the format and its version: decoded images are kept under it."""
    folder: Path
    """Where the data set lies, and where its decoded images are kept."""

    def check(self, card: InterfaceCard) -> None:
        """Raises DatasetError naming the field in which data set and card disagree."""
        ...

    def names(self) -> list[str]:
        """Of all episodes, in a lasting order; each is good for a file's name."""
        ...

    def digest(self, name: str) -> str:
        """Changes with the content of an episode, whatever its files are called and dated. Hexadecimal."""
        ...

    def read(self, name: str) -> Episode:
        """All of an episode but its pixels. Raises DemonstrationError or DatasetError."""
        ...
