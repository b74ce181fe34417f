"""One demonstration on disk: what the expert saw, and what it planned from each frame."""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

DATASET_FILE = "dataset.json"


class DemonstrationError(ValueError):
    """A demonstration or data set that cannot be used. The message names the file and the part."""


@dataclass(eq=False)
class Demonstration:
    """One episode of T frames, with S state fields and plans of H steps by D columns.

    Raises DemonstrationError where lengths or shapes disagree.
    """

    images: dict[str, list[bytes]]
    """Camera name to T PNG files."""
    state: np.ndarray
    """Shape (T, S), float32, in card order."""
    actions: np.ndarray
    """Shape (T, H, D), float32: the expert's plan from each frame, in the card's action space."""
    mask: np.ndarray
    """Shape (T,), bool: frames to train on."""
    instruction: str
    task: str
    seed: int
    success: bool
    step_period_ns: int
    meta: dict = field(default_factory=dict)
    """Anything else worth keeping, as JSON has it."""
    points: np.ndarray | None = None
    """Where the instruction's objects are in each image, where somebody knows: (T, cameras, 2, 2), float32, in the order of
    ``images``; first what is to be grasped, then where it goes; x to the right and y down, -1 to 1 from edge to edge; NaN:
    not known, or out of view."""

    def __post_init__(self) -> None:
        self.state = np.asarray(self.state, dtype=np.float32)
        self.actions = np.asarray(self.actions, dtype=np.float32)
        self.mask = np.asarray(self.mask, dtype=bool)
        if self.state.ndim != 2:
            raise DemonstrationError(f"state: shape {self.state.shape}, allowed is (frames, fields)")
        frames = len(self.state)
        if self.actions.ndim != 3 or len(self.actions) != frames:
            raise DemonstrationError(f"actions: shape {self.actions.shape}, allowed is ({frames}, horizon, columns)")
        if self.mask.shape != (frames,):
            raise DemonstrationError(f"mask: shape {self.mask.shape}, allowed is ({frames},)")
        if self.points is not None:
            self.points = np.asarray(self.points, dtype=np.float32)
            if self.points.ndim != 4 or self.points.shape[0] != frames or self.points.shape[2:] != (2, 2):
                raise DemonstrationError(f"points: shape {self.points.shape}, allowed is ({frames}, cameras, 2, 2)")
        for camera, pictures in self.images.items():
            if len(pictures) != frames:
                raise DemonstrationError(f"images.{camera}: {len(pictures)} frames, the state has {frames}")

    def __len__(self) -> int:
        return len(self.state)

    def save(self, path: str | Path) -> Path:
        """Writes one .npz, whole or not at all: a reader never meets half a file. Returns the path."""
        path = Path(path)
        if path.suffix != ".npz":
            raise DemonstrationError(f"{path}: the name of a demonstration ends in .npz")
        header = {
            "cameras": list(self.images),
            "instruction": self.instruction,
            "task": self.task,
            "seed": int(self.seed),
            "success": bool(self.success),
            "step_period_ns": int(self.step_period_ns),
            "meta": self.meta,
        }
        arrays = {"header": np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)}
        for name in ("state", "actions", "mask"):
            arrays[name] = getattr(self, name)
        if self.points is not None:
            arrays["points"] = self.points
        for index, pictures in enumerate(self.images.values()):
            arrays[f"png_{index}"] = np.frombuffer(b"".join(pictures), dtype=np.uint8)
            arrays[f"offsets_{index}"] = np.cumsum([0, *map(len, pictures)], dtype=np.int64)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            with open(partial, "wb") as file:
                np.savez(file, **arrays)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
        return path

    @classmethod
    def load(cls, path: str | Path, *, with_images: bool = True) -> Demonstration:
        """Reads what ``save`` wrote; frames stay encoded. ``with_images=False`` leaves ``images`` empty and reads no pixels.

        DemonstrationError names a file that is missing, broken or something else.
        """
        path = Path(path)
        try:
            with np.load(path, allow_pickle=False) as file:
                header = json.loads(file["header"].tobytes())
                images = {}
                for index, camera in enumerate(header.pop("cameras") if with_images else ()):
                    data, offsets = file[f"png_{index}"].tobytes(), file[f"offsets_{index}"].tolist()
                    images[camera] = [data[a:b] for a, b in pairwise(offsets)]
                header.pop("cameras", None)
                arrays = {name: file[name] for name in ("state", "actions", "mask")}
                points = file["points"] if "points" in file.files else None
                return cls(images=images, points=points, **arrays, **header)
        except FileNotFoundError:
            raise DemonstrationError(f"{path}: no such file") from None
        except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise DemonstrationError(f"{path}: not a demonstration ({error})") from None


@dataclass(frozen=True)
class DatasetInfo:
    """What holds for every episode of a folder; ``dataset.json`` beside them."""

    card_name: str
    policy_hash: str
    state_names: tuple[str, ...]
    action_space: str
    action_names: tuple[str, ...]
    camera_names: tuple[str, ...]
    horizon: int
    step_period_ns: int
    command: str
    """What regenerates the data."""
    licence: str
    meta: dict = field(default_factory=dict)

    def save(self, folder: str | Path) -> Path:
        """Writes ``folder/dataset.json``, whole or not at all."""
        path = Path(folder) / DATASET_FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        partial.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        os.replace(partial, path)
        return path

    @classmethod
    def load(cls, folder: str | Path) -> DatasetInfo:
        """DemonstrationError where ``dataset.json`` is missing, broken, or has other keys."""
        path = Path(folder) / DATASET_FILE
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            for key in ("state_names", "action_names", "camera_names"):
                data[key] = tuple(data[key])
            return cls(**data)
        except FileNotFoundError:
            raise DemonstrationError(f"{path}: no such file; a data set has one beside its episodes") from None
        except (KeyError, TypeError, ValueError) as error:
            raise DemonstrationError(f"{path}: not the description of a data set ({error})") from None


def dataset_index(folder: str | Path) -> list[Path]:
    """Paths of the finished episodes in ``folder``, by name. DemonstrationError where the folder is missing."""
    folder = Path(folder)
    if not folder.is_dir():
        raise DemonstrationError(f"{folder}: no such folder")
    return sorted(path for path in folder.glob("*.npz") if not path.name.startswith("."))
