"""Small pictures of the demonstrations that a checkpoint keeps: what its cameras should show. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vla_contract.demonstration import Demonstration

PREFIX = "pictures."
"""Of the tensors in a checkpoint that hold them, before the camera's name."""
SIDE = 32
EPISODES, FRAMES = 12, 4
"""Demonstrations that are read, and pictures of each."""


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """Means of 32 x 32 areas of (H, W, 3) uint8. Shape (32, 32, 3) float32. Smaller pictures are repeated first."""
    height, width = pixels.shape[:2]
    grow = max(-(-SIDE // height), -(-SIDE // width))
    if grow > 1:
        pixels = pixels.repeat(grow, 0).repeat(grow, 1)
        height, width = pixels.shape[:2]
    rows, columns = (np.arange(SIDE + 1) * side // SIDE for side in (height, width))
    sums = np.add.reduceat(np.add.reduceat(pixels.astype(np.float32), rows[:-1], 0), columns[:-1], 1)
    areas = np.diff(rows)[:, None, None] * np.diff(columns)[None, :, None]
    return (sums / areas).astype(np.float32)


def small_pictures(paths: Sequence[Path], cameras: Sequence[str]) -> dict[str, np.ndarray]:
    """Camera -> (k, 32, 32, 3) uint8, from some demonstrations and some moments of each, evenly chosen.

    Cameras without a picture are left out. Raises DemonstrationError for a file that is none.
    """
    import cv2

    found: dict[str, list[np.ndarray]] = {camera: [] for camera in cameras}
    for path in _evenly(paths, EPISODES):
        episode = Demonstration.load(path)
        for camera, kept in found.items():
            for png in _evenly(episode.images.get(camera, []), FRAMES):
                bgr = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
                if bgr is not None:
                    kept.append(thumbnail(np.ascontiguousarray(bgr[..., ::-1])))
    return {camera: np.rint(kept).astype(np.uint8) for camera, kept in found.items() if kept}


def _evenly(items: Sequence, count: int) -> Sequence:
    return items[:: max(1, len(items) // count)][:count]
