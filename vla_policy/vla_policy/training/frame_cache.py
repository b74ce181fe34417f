"""Episodes as the model takes them, on disk and memory-mapped: images decoded and shrunk once, numbers beside them. No torch.

A kept episode goes by what it was made from: the content of the episode, the reader, the cameras, the size. One that was
replaced, under whatever name and date, is decoded anew, and so is one of which a card lets the policy see another part.
"""

from __future__ import annotations

import errno
import hashlib
import json
import multiprocessing
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from vla_contract.camera_view import CameraView
from vla_contract.card import InterfaceCard
from vla_contract.files import FileError, fresh, open_file, own_folder
from vla_policy.errors import DatasetError, PreprocessError
from vla_policy.native.preprocess import MODEL_SIZE, model_image
from vla_policy.training.episode import Episode, EpisodeReader

FOLDER = f".cache{MODEL_SIZE}"
"""Beside the episodes."""
_COLUMNS = ("state", "points", "goal", "actions")
OPEN_FILES = 256
"""Memory-mapped at a time, in each process: a bound on memory and on open files, however large the data set is."""


@dataclass(frozen=True)
class Recipe:
    """What decides how an episode is kept, beside itself."""

    views: tuple[CameraView, ...]
    gripper_columns: tuple[int, ...]
    """Whose next change of mind is a frame's goal."""

    @classmethod
    def of(cls, card: InterfaceCard) -> Recipe:
        """For a card's episodes."""
        return cls(tuple(CameraView.of(camera) for camera in card.cameras), tuple(card.gripper_columns))

    @property
    def cameras(self) -> tuple[str, ...]:
        """In the order of the card."""
        return tuple(view.camera for view in self.views)


@dataclass(frozen=True)
class KeptEpisode:
    """Where an episode of K frames lies, those that are not to be trained on left out."""

    stem: str
    """Of its two files: what comes before ``.images.npy`` and ``.columns.npy``."""

    def images(self) -> np.ndarray:
        """Shape (K, C, 112, 112, 3), uint8, memory-mapped."""
        return _mapped(f"{self.stem}.images.npy")

    def columns(self) -> np.ndarray:
        """``state`` (S,), ``points`` (C, 2, 2), ``goal`` (S,), ``actions`` (H, D) of each. Shape (K,), float32, memory-mapped."""
        return _mapped(f"{self.stem}.columns.npy")


@lru_cache(maxsize=OPEN_FILES)
def _mapped(path: str) -> np.ndarray:
    open_file(path).close()
    return np.load(path, mmap_mode="r", allow_pickle=False)


def keep_episode(reader: EpisodeReader, name: str, recipe: Recipe) -> KeptEpisode:
    """The kept form of an episode, made unless it is there. Raises DatasetError or DemonstrationError."""
    key = hashlib.blake2b(digest_size=12)
    seen = [astuple(view) for view in recipe.views]
    key.update(json.dumps([reader.kind, reader.digest(name), MODEL_SIZE, seen, recipe.gripper_columns]).encode())
    beside = KeptEpisode(str(reader.folder / FOLDER / name / key.hexdigest()))
    if _is_kept(beside, recipe):
        return beside
    folder = _folder(reader.folder) / name
    kept = KeptEpisode(str(folder / key.hexdigest()))
    if not _is_kept(kept, recipe):
        _mapped.cache_clear()
        own_folder(folder.parent, name)
        older = [path for path in folder.iterdir() if not path.name.startswith(key.hexdigest())]
        for path in (*older, folder.with_name(f"{name}.npy")):  # of an episode that was replaced; of an older version
            path.unlink(missing_ok=True)
        _write(kept, reader.read(name), recipe, f"{reader.folder}: {name}")
    return kept


def _folder(data: Path) -> Path:
    """Where frames of a data set are kept: beside it, or for one that cannot be written to, in the user's cache.

    Raises:
        DatasetError: Neither can be. OSError: The disk is full, say.
    """
    try:
        with tempfile.TemporaryFile(dir=own_folder(data, FOLDER)):
            return data / FOLDER
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    named = hashlib.blake2b(str(data.resolve()).encode(errors="surrogateescape"), digest_size=8).hexdigest()
    try:
        (cache / "vla" / "frames" / named).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(
            f"{data}: cannot be written to, nor can {cache} ({error.strerror}); the frames to train on have to be kept: set "
            "XDG_CACHE_HOME to a folder that can"
        ) from None
    return cache / "vla" / "frames" / named


def _is_kept(kept: KeptEpisode, recipe: Recipe) -> bool:
    """Whether both files are there, and hold what a training reads: the folder may have come with the data."""
    try:
        images, columns = kept.images(), kept.columns()
        sizes = (len(columns), len(recipe.cameras), MODEL_SIZE, MODEL_SIZE, 3)
        return images.shape == sizes and images.dtype == np.uint8 and columns.ndim == 1 and columns.dtype.names == _COLUMNS
    except (OSError, FileError, ValueError, TypeError, SyntaxError, EOFError, RecursionError):
        return False


def keep_episodes(
    reader: EpisodeReader, names: list[str], recipe: Recipe, processes: int = 2, quiet: bool = False
) -> list[KeptEpisode]:
    """As ``keep_episode``, for many; interrupted, it goes on where it was."""
    job = partial(keep_episode, reader, recipe=recipe)
    shown = {"total": len(names), "desc": "decoding", "unit": "episode", "disable": quiet}
    if processes <= 1 or len(names) < 16:
        return list(tqdm(map(job, names), **shown))
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(tqdm(pool.map(job, names, chunksize=4), **shown))


def _write(kept: KeptEpisode, episode: Episode, recipe: Recipe, what: str) -> None:
    missing = [camera for camera in recipe.cameras if camera not in episode.cameras]
    if missing:
        raise DatasetError(f"{what}: no camera {missing[0]}, it has {', '.join(episode.cameras)}")
    rows = np.flatnonzero(episode.mask)
    _save_images(f"{kept.stem}.images.npy", episode, recipe, rows.tolist(), what)
    with fresh(f"{kept.stem}.columns.npy") as draft, open(draft, "wb") as file:  # last: it says that the episode is there
        np.save(file, _columns(episode, recipe)[rows])


def _columns(episode: Episode, recipe: Recipe) -> np.ndarray:
    points = episode.points
    if points is None:
        points = np.full((len(episode), len(recipe.views), 2, 2), np.nan, np.float32)
    points = np.stack([view.points(points[:, c]) for c, view in enumerate(recipe.views)], axis=1)
    parts = {
        "state": episode.state,
        "points": points,
        "goal": next_goals(episode, recipe.gripper_columns),
        "actions": episode.actions,
    }
    columns = np.empty(len(episode), [(name, np.float32, values.shape[1:]) for name, values in parts.items()])
    for name, values in parts.items():
        columns[name] = values
    return columns


def next_goals(episode: Episode, gripper_columns: tuple[int, ...]) -> np.ndarray:
    """For each frame the state at the first later frame whose command to a gripper differs, else the last one. (T, S)."""
    commands = episode.actions[:, 0, list(gripper_columns)]
    goals = np.empty_like(episode.state)
    goal = len(episode) - 1
    for frame in reversed(range(len(episode))):
        if frame + 1 < len(episode) and not np.array_equal(commands[frame], commands[frame + 1]):
            goal = frame + 1
        goals[frame] = episode.state[goal]
    return goals


def _save_images(path: str, episode: Episode, recipe: Recipe, rows: list[int], what: str) -> None:
    """Frame by frame, so that no more than one is in memory. Whole or not at all; two trainings may do it at once."""
    shape = (len(rows), len(recipe.cameras), MODEL_SIZE, MODEL_SIZE, 3)
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.uint8)), "fortran_order": False, "shape": shape}
    with fresh(path) as draft, open(draft, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for row, *images in zip(rows, *(episode.images(camera, rows) for camera in recipe.cameras)):
            for view, image in zip(recipe.views, images, strict=True):
                try:
                    file.write(np.ascontiguousarray(model_image(view, image)).tobytes())
                except PreprocessError as error:
                    raise DatasetError(f"{what}, frame {row}: {error}") from None
