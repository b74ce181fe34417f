"""One demonstration on disk: what the expert saw, and what it planned from each frame."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from vla_contract.files import fresh, read_bytes, write_text
from vla_contract.files.arrays import NpzFile, open_npz
from vla_contract.files.json_text import parse_json
from vla_contract.files.limits import DEMONSTRATION, FIGURES
from vla_contract.printing import kind_of

DATASET_FILE = "dataset.json"
MOST_FRAMES = 20_000
"""Of an episode: at 20 Hz a quarter of an hour."""


class DemonstrationError(ValueError):
    """A demonstration or data set that cannot be used. The message names the file and the part."""


@dataclass(eq=False)
class Demonstration:
    """One episode of T frames, with S state fields and plans of H steps by D columns.

    Raises DemonstrationError where lengths or shapes disagree.
    """

    images: dict[str, list[bytes]]
    """Camera name to T PNG files, each of the whole image as the camera sends it, neither cropped nor resized."""
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
    cameras: tuple[str, ...] = ()
    """Names of the cameras in the file, also where it was read without images; else those of ``images``."""

    def __post_init__(self) -> None:
        self.state = np.asarray(self.state, dtype=np.float32)
        self.actions = np.asarray(self.actions, dtype=np.float32)
        self.mask = np.asarray(self.mask, dtype=bool)
        if self.state.ndim != 2:
            raise DemonstrationError(f"state: shape {self.state.shape}, allowed is (frames, fields)")
        frames = len(self.state)
        if frames > MOST_FRAMES:
            raise DemonstrationError(f"state: {frames} frames, at most {MOST_FRAMES} are allowed in an episode")
        if self.actions.ndim != 3 or len(self.actions) != frames:
            raise DemonstrationError(f"actions: shape {self.actions.shape}, allowed is ({frames}, horizon, columns)")
        if self.mask.shape != (frames,):
            raise DemonstrationError(f"mask: shape {self.mask.shape}, allowed is ({frames},)")
        if self.points is not None:
            self.points = np.asarray(self.points, dtype=np.float32)
            if self.points.ndim != 4 or self.points.shape[0] != frames or self.points.shape[2:] != (2, 2):
                raise DemonstrationError(f"points: shape {self.points.shape}, allowed is ({frames}, cameras, 2, 2)")
        self.cameras = tuple(self.images) or tuple(self.cameras)
        for camera, images in self.images.items():
            if len(images) != frames:
                raise DemonstrationError(f"images.{camera}: {len(images)} frames, the state has {frames}")

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
        for index, images in enumerate(self.images.values()):
            arrays[f"png_{index}"] = np.frombuffer(b"".join(images), dtype=np.uint8)
            arrays[f"offsets_{index}"] = np.cumsum([0, *map(len, images)], dtype=np.int64)
        path.parent.mkdir(parents=True, exist_ok=True)
        with fresh(path) as draft, open(draft, "wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        return path

    @classmethod
    def load(cls, path: str | Path, *, with_images: bool = True) -> Demonstration:
        """Reads what ``save`` wrote; frames stay encoded. ``with_images=False`` leaves ``images`` empty and reads no pixels.

        DemonstrationError names a file that is missing, broken or something else.
        """
        path = Path(path)
        try:
            with open_npz(path, DEMONSTRATION) as file:
                header = _header(file)
                images = {
                    camera: _images(file, index, camera) for index, camera in enumerate(header["cameras"] if with_images else ())
                }
                arrays = {name: file.read(name) for name in ("state", "actions", "mask")}
                points = file.read("points") if "points" in file.names else None
                return cls(images=images, points=points, **arrays, **header)
        except FileNotFoundError:
            raise DemonstrationError(f"{path}: no such file") from None
        except (OSError, KeyError, TypeError, ValueError) as error:
            words = str(error).removeprefix(f"{path}: ")
            raise DemonstrationError(f"{path}: not a demonstration ({words})") from None


_HEADER = {
    "cameras": list, "instruction": str, "task": str, "seed": int, "success": bool, "step_period_ns": int, "meta": dict,
}  # fmt: skip


def _header(file: NpzFile) -> dict:
    header = parse_json(file.read("header").tobytes())
    if not isinstance(header, dict):
        raise DemonstrationError(f"header: {kind_of(header)}, allowed is a mapping")
    for key, kind in _HEADER.items():
        value = header[key] if key != "meta" else header.get(key, {})
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise DemonstrationError(f"header: {key} is {str(value)[:60]!r}, allowed is {_KINDS[kind]}")
    if not all(isinstance(camera, str) for camera in header["cameras"]):
        raise DemonstrationError("header: cameras are no texts")
    return header


_KINDS = {list: "a list", str: "text", int: "a whole number", bool: "true or false", dict: "a mapping"}


def _images(file: NpzFile, index: int, camera: str) -> list[bytes]:
    """Encoded images of a camera, each once: they lie one behind the other."""
    data, offsets = memoryview(file.read(f"png_{index}")).cast("B"), file.read(f"offsets_{index}").tolist()
    if not offsets or offsets[0] != 0 or offsets[-1] != len(data) or any(a > b for a, b in pairwise(offsets)):
        raise DemonstrationError(f"images.{camera}: their offsets do not divide {len(data)} bytes into images")
    return [bytes(data[a:b]) for a, b in pairwise(offsets)]


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
        write_text(path, json.dumps(asdict(self), indent=2) + "\n")
        return path

    @classmethod
    def load(cls, folder: str | Path) -> DatasetInfo:
        """DemonstrationError where ``dataset.json`` is missing, broken, or has other keys."""
        path = Path(folder) / DATASET_FILE
        try:
            data = parse_json(read_bytes(path, FIGURES))
            for key in ("state_names", "action_names", "camera_names"):
                if not isinstance(data[key], list) or not all(isinstance(name, str) for name in data[key]):
                    raise DemonstrationError(f"{key} is no list of texts")
                data[key] = tuple(data[key])
            return cls(**data)
        except FileNotFoundError:
            raise DemonstrationError(f"{path}: no such file; a data set has one beside its episodes") from None
        except (KeyError, TypeError, ValueError) as error:
            words = str(error).removeprefix(f"{path}: ")
            raise DemonstrationError(f"{path}: not the description of a data set ({words})") from None


def dataset_index(folder: str | Path) -> list[Path]:
    """Paths of the finished episodes in ``folder``, by name. DemonstrationError where the folder is missing."""
    folder = Path(folder)
    if not folder.is_dir():
        raise DemonstrationError(f"{folder}: no such folder")
    return sorted(path for path in folder.glob("*.npz") if not path.name.startswith("."))
