"""What the policy looked at when a failed trial first went wrong, as images for the report."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from vla_contract.files import own_folder, write_bytes
from vla_contract.observation import VLAObservation
from vla_trials.trials.errors import named_errors
from vla_trials.trials.result import TrialResult

FOLDER = "frames"


class DecisionFrames:
    """Keeps the images of one trial's decisions. ``at`` gives those of one instant."""

    def __init__(self) -> None:
        self._seen: list[VLAObservation] = []

    def see(self, observation: VLAObservation, actions: np.ndarray) -> None:
        """An observation and the actions decided on it."""
        self._seen.append(observation)

    def at(self, stamp_ns: int) -> dict[str, bytes]:
        """By camera, the newest image that was decided from and is not after this instant, as PNG; else the first."""
        if not self._seen:
            return {}
        before = [seen for seen in self._seen if seen.stamp_ns <= stamp_ns]
        return {name: _png(image) for name, image in (before or self._seen)[-1 if before else 0].images.items()}


def keep_frames(folder: Path, result: TrialResult, frames: Mapping[str, bytes]) -> None:
    """Writes TASK_SEED_CAMERA.png into ``frames/`` of a run folder. OSError names the file."""
    for camera, data in frames.items():
        path = own_folder(folder, FOLDER) / f"{result.task}_{result.seed}_{camera}.png"
        with named_errors(path):
            write_bytes(path, data)


def _png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()
