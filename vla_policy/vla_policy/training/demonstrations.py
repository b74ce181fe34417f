"""Reads our own demonstrations: a folder of `vla demos`, one .npz an episode and a dataset.json beside them. No torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.demonstration import DatasetInfo, Demonstration, dataset_index
from vla_contract.files import open_file
from vla_contract.files.limits import DEMONSTRATION
from vla_contract.image_encodings import ImageError
from vla_contract.image_files import rgb_of_file
from vla_policy.errors import DatasetError
from vla_policy.training.episode import Episode


class DemonstrationReader:
    """See EpisodeReader."""

    kind = "demonstration 1"

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def check(self, card: InterfaceCard) -> None:
        """See EpisodeReader. Raises DemonstrationError where there is no dataset.json."""
        info = DatasetInfo.load(self.folder)
        for what, given, wanted in (
            ("state_names", list(info.state_names), list(card.state.fields)),
            ("camera_names", list(info.camera_names), list(card.camera_names)),
            ("action_space", info.action_space, card.action.space),
            ("action_names", list(info.action_names), list(card.action.names)),
            ("step_period_ns", info.step_period_ns, card.step_period_ns),
            ("horizon", info.horizon, card.action.horizon),
            ("policy_hash", info.policy_hash, card.policy_hash),
        ):
            if given != wanted:
                raise DatasetError(f"{self.folder}: {what} is {given}, card {card.name} has {wanted}")

    def names(self) -> list[str]:
        """See EpisodeReader. Raises DemonstrationError where the folder is missing."""
        return [path.stem for path in dataset_index(self.folder)]

    def path(self, name: str) -> Path:
        """The file of an episode."""
        return self.folder / f"{name}.npz"

    def digest(self, name: str) -> str:
        """See EpisodeReader. Of the file's bytes."""
        with open_file(self.path(name), DEMONSTRATION) as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()

    def read(self, name: str) -> Episode:
        """See EpisodeReader."""
        return episode_of(self.path(name))


def episode_of(path: Path) -> Episode:
    """One demonstration's file as an episode. Raises DemonstrationError."""
    d = Demonstration.load(path, with_images=False)
    return Episode(d.state, d.actions, d.mask, d.instruction, d.success, d.cameras, _Images(path), d.points)


class _Images:
    """See ImageSource. The file's encoded images are read once, when the first one is asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._encoded: dict[str, list[bytes]] | None = None

    def __call__(self, camera: str, frames: Sequence[int]) -> Iterator[np.ndarray]:
        import cv2

        if self._encoded is None:
            cv2.setNumThreads(1)
            self._encoded = Demonstration.load(self._path).images
        if camera not in self._encoded:
            raise DatasetError(f"{self._path}: no camera {camera}, it has {', '.join(self._encoded)}")
        for frame in frames:
            try:
                yield rgb_of_file(self._encoded[camera][frame])
            except ImageError as error:
                raise DatasetError(f"{self._path}: frame {frame} of camera {camera}: {error}") from None
