"""Small images of the demonstrations that a checkpoint keeps: what its cameras should show. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vla_policy.checkpoint_layout import SIDE
from vla_policy.training.demonstrations import DemonstrationReader
from vla_policy.training.episode import EpisodeReader

EPISODES, FRAMES = 12, 4
"""Demonstrations that are read, and images of each."""


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """Means of 32 x 32 areas of (H, W, 3) uint8. Shape (32, 32, 3) float32. Smaller images are repeated first."""
    height, width = pixels.shape[:2]
    grow = max(-(-SIDE // height), -(-SIDE // width))
    if grow > 1:
        pixels = pixels.repeat(grow, 0).repeat(grow, 1)
        height, width = pixels.shape[:2]
    rows, columns = (np.arange(SIDE + 1) * side // SIDE for side in (height, width))
    sums = np.add.reduceat(np.add.reduceat(pixels.astype(np.float32), rows[:-1], 0), columns[:-1], 1)
    areas = np.diff(rows)[:, None, None] * np.diff(columns)[None, :, None]
    return (sums / areas).astype(np.float32)


def images_of(episodes: Sequence[tuple[EpisodeReader, str]], cameras: Sequence[str]) -> dict[str, np.ndarray]:
    """Camera -> (k, 32, 32, 3) uint8, from some episodes and some moments of each, evenly chosen.

    Cameras without an image are left out. Raises DemonstrationError or DatasetError for an episode that cannot be read.
    """
    found: dict[str, list[np.ndarray]] = {camera: [] for camera in cameras}
    for reader, name in _evenly(episodes, EPISODES):
        episode = reader.read(name)
        for camera, kept in found.items():
            if camera in episode.cameras:
                kept += [thumbnail(image) for image in episode.images(camera, _evenly(range(len(episode)), FRAMES))]
    return {camera: np.rint(kept).astype(np.uint8) for camera, kept in found.items() if kept}


def small_images(paths: Sequence[Path], cameras: Sequence[str]) -> dict[str, np.ndarray]:
    """As ``images_of``, from the files of our own demonstrations."""
    return images_of([(DemonstrationReader(path.parent), path.stem) for path in paths], cameras)


def _evenly(items: Sequence, count: int) -> Sequence:
    return items[:: max(1, len(items) // count)][:count]
