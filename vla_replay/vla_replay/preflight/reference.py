"""What the images of a cell should look like: from a bag of a good run, or from the demonstrations of the training."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.demonstration import dataset_index
from vla_policy.training.reference_images import small_images
from vla_replay.preflight.finding import PreflightError


def reference_images(path: str | Path, card: InterfaceCard, *, namespace: str | None = None) -> dict[str, np.ndarray]:
    """Camera -> (k, 32, 32, 3), grey levels.

    Args:
        namespace: Of the robot in a bag; None: the bag's own, or none. Demonstrations have none.

    Raises:
        BagError, DemonstrationError: What is there cannot be read.
        PreflightError: It has no image of a camera of the card.
    """
    path = Path(path)
    if path.is_dir() and (path / "dataset.json").exists():
        images = small_images(dataset_index(path), card.camera_names)
    else:
        from vla_replay.preflight.from_bag import sample_of_bag

        sample = sample_of_bag(path, card, namespace=namespace)
        images = {name: camera.thumbnails for name, camera in sample.cameras.items()}
    missing = [camera.name for camera in card.cameras if not len(images.get(camera.name, ()))]
    if missing:
        raise PreflightError(
            f"--reference {path}: no images of camera {', '.join(missing)}; a bag of a good run of this card is needed, "
            "or the folder of its demonstrations"
        )
    return images
