"""What the pictures of a cell should look like: from a bag of a good run, or from the demonstrations of the training."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.demonstration import Demonstration, dataset_index
from vla_eval.preflight.finding import PreflightError
from vla_eval.preflight.sampler import thumbnail

EPISODES, FRAMES = 12, 4
"""Demonstrations that are read, and pictures of each."""


def reference_pictures(path: str | Path, card: InterfaceCard, *, namespace: str | None = None) -> dict[str, np.ndarray]:
    """Camera -> (k, 32, 32, 3) float32.

    Args:
        namespace: Of the robot in a bag; None: the bag's own, or none. Demonstrations have none.

    Raises:
        BagError, DemonstrationError: What is there cannot be read.
        PreflightError: It has no picture of a camera of the card.
    """
    path = Path(path)
    if path.is_dir() and (path / "dataset.json").exists():
        pictures = _of_demonstrations(path, card)
    else:
        from vla_eval.preflight.from_bag import sample_of_bag

        sample = sample_of_bag(path, card, namespace=namespace)
        pictures = {name: camera.thumbnails for name, camera in sample.cameras.items()}
    missing = [camera.name for camera in card.cameras if not len(pictures.get(camera.name, ()))]
    if missing:
        raise PreflightError(
            f"--reference {path}: no pictures of camera {', '.join(missing)}; a bag of a good run of this card is needed, "
            "or the folder of its demonstrations"
        )
    return pictures


def _of_demonstrations(folder: Path, card: InterfaceCard) -> dict[str, np.ndarray]:
    import cv2

    paths = dataset_index(folder)
    pictures: dict[str, list[np.ndarray]] = {camera.name: [] for camera in card.cameras}
    for path in paths[:: max(1, len(paths) // EPISODES)][:EPISODES]:
        episode = Demonstration.load(path)
        for name, kept in pictures.items():
            frames = episode.images.get(name, [])
            for png in frames[:: max(1, len(frames) // FRAMES)][:FRAMES]:
                bgr = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
                if bgr is not None:
                    kept.append(thumbnail(np.ascontiguousarray(bgr[..., ::-1])))
    return {name: np.stack(kept) for name, kept in pictures.items() if kept}
