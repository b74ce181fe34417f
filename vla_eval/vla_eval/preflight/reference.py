"""What the pictures of a cell should look like: from a bag of a good run, or from the demonstrations of the training."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.demonstration import dataset_index
from vla_eval.preflight.finding import PreflightError
from vla_policy_node.pictures import small_pictures


def reference_pictures(path: str | Path, card: InterfaceCard, *, namespace: str | None = None) -> dict[str, np.ndarray]:
    """Camera -> (k, 32, 32, 3), grey levels.

    Args:
        namespace: Of the robot in a bag; None: the bag's own, or none. Demonstrations have none.

    Raises:
        BagError, DemonstrationError: What is there cannot be read.
        PreflightError: It has no picture of a camera of the card.
    """
    path = Path(path)
    if path.is_dir() and (path / "dataset.json").exists():
        pictures = small_pictures(dataset_index(path), card.camera_names)
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
