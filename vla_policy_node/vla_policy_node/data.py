"""Demonstrations into memory: PNG frames become the model's uint8 images once, kept in a cache beside the episodes."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from vla_contract.card import InterfaceCard
from vla_contract.demonstration import DatasetInfo, Demonstration, dataset_index
from vla_policy_node.errors import DatasetError
from vla_policy_node.preprocess import MODEL_SIZE, shrink_image

CACHE_FOLDER = f".cache{MODEL_SIZE}"


@dataclass(frozen=True)
class Source:
    """A folder of demonstrations, and how often its frames are drawn."""

    folder: Path
    weight: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Source:
        """``folder`` or ``folder:weight``. Raises DatasetError for a weight that is no positive number."""
        folder, colon, weight = text.rpartition(":")
        if not colon:
            return cls(Path(text))
        try:
            value = float(weight)
        except ValueError:
            raise DatasetError(f"--data {text}: {weight!r} is no number; allowed is FOLDER or FOLDER:WEIGHT") from None
        if not 0 < value < 1000:
            raise DatasetError(f"--data {text}: weight {value:g}, allowed is above 0 and below 1000")
        return cls(Path(folder), value)


@dataclass
class Frames:
    """All frames of one or more data sets, in memory. N frames."""

    images: dict[str, np.ndarray]
    """camera -> (N, 112, 112, 3) uint8."""
    state: np.ndarray
    """(N, S) float32, in the card's units."""
    points: np.ndarray
    """(N, C, 2, 2) float32: where the named objects are in the images; NaN: not known."""
    goal: np.ndarray
    """(N, S) float32: the state where a gripper next changes its mind, or where the episode ends. An auxiliary target."""
    actions: np.ndarray
    """(N, H, D) float32, in the card's action space."""
    episode: np.ndarray
    """(N,) int64: episode that a frame belongs to."""
    instruction: np.ndarray
    """(N,) int64, index into ``instructions``."""
    weight: np.ndarray
    """(N,) float32."""
    instructions: list[str]
    episode_paths: list[str]


def check_dataset(folder: Path, card: InterfaceCard) -> DatasetInfo:
    """Raises DatasetError naming the field in which ``dataset.json`` and card disagree."""
    info = DatasetInfo.load(folder)
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
            raise DatasetError(f"{folder}: {what} is {given}, card {card.name} has {wanted}")
    return info


def _cached_images(path: Path) -> Path:
    return path.parent / CACHE_FOLDER / (path.stem + ".npy")


def cache_episode(path: Path, cameras: tuple[str, ...]) -> None:
    """Decodes and shrinks the frames of one episode into (C, T, 112, 112, 3) uint8, unless that is done."""
    target = _cached_images(path)
    if target.exists() and target.stat().st_mtime >= path.stat().st_mtime:
        return
    import cv2

    cv2.setNumThreads(1)
    episode = Demonstration.load(path)
    missing = [c for c in cameras if c not in episode.images]
    if missing:
        raise DatasetError(f"{path}: no camera {missing[0]}, it has {', '.join(episode.images)}")
    images = np.empty((len(cameras), len(episode), MODEL_SIZE, MODEL_SIZE, 3), np.uint8)
    for c, camera in enumerate(cameras):
        for t, png in enumerate(episode.images[camera]):
            bgr = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
            if bgr is None:
                raise DatasetError(f"{path}: frame {t} of camera {camera} is not a PNG image")
            images[c, t] = shrink_image(bgr[..., ::-1], camera)
    target.parent.mkdir(exist_ok=True)
    partial = target.with_suffix(".partial")
    with open(partial, "wb") as file:
        np.save(file, images)
    partial.replace(target)


def _cache_job(arguments: tuple[Path, tuple[str, ...]]) -> None:
    cache_episode(*arguments)


def build_cache(paths: list[Path], cameras: tuple[str, ...], processes: int = 2, quiet: bool = False) -> None:
    """Fills the cache for episodes that lack it; interrupted, it goes on where it was."""
    fresh = [
        p for p in paths if not _cached_images(p).exists() or _cached_images(p).stat().st_mtime < p.stat().st_mtime
    ]
    if not fresh:
        return
    jobs = [(p, cameras) for p in fresh]
    if processes <= 1 or len(fresh) < 4:
        for job in tqdm(jobs, desc="decoding", unit="episode", disable=quiet):
            _cache_job(job)
        return
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        for _ in tqdm(
            pool.map(_cache_job, jobs, chunksize=2), total=len(jobs), desc="decoding", unit="episode", disable=quiet
        ):
            pass


def load_frames(
    sources: list[Source], card: InterfaceCard, *, only_successes: bool = True, processes: int = 2, quiet: bool = False
) -> Frames:
    """All usable frames of the sources. Raises DatasetError where there are none, or where a data set does not fit the card."""
    cameras = tuple(card.camera_names)
    episodes: list[tuple[Path, Demonstration, float]] = []
    for source in sources:
        check_dataset(source.folder, card)
        paths = dataset_index(source.folder)
        build_cache(paths, cameras, processes, quiet)
        for path in paths:
            episode = Demonstration.load(path, with_images=False)
            if (episode.success or not only_successes) and episode.mask.any():
                _check_episode(path, episode, card)
                episodes.append((path, episode, source.weight))
    if not episodes:
        raise DatasetError(f"no successful demonstration in {', '.join(str(s.folder) for s in sources)}")
    keep = [np.flatnonzero(e.mask) for _, e, _ in episodes]
    total = sum(len(k) for k in keep)
    images = {c: np.empty((total, MODEL_SIZE, MODEL_SIZE, 3), np.uint8) for c in cameras}
    start = 0
    for (path, _, _), rows in zip(tqdm(episodes, desc="loading", unit="episode", disable=quiet), keep):
        stored = np.load(_cached_images(path), mmap_mode="r", allow_pickle=False)
        for c, camera in enumerate(cameras):
            images[camera][start : start + len(rows)] = stored[c, rows]
        start += len(rows)
    texts = sorted({e.instruction for _, e, _ in episodes})
    number = {text: i for i, text in enumerate(texts)}
    lengths = [len(k) for k in keep]
    return Frames(
        images=images,
        state=np.concatenate([e.state[k] for (_, e, _), k in zip(episodes, keep)]),
        points=np.concatenate([_points(e, cameras)[k] for (_, e, _), k in zip(episodes, keep, strict=True)]),
        goal=np.concatenate(
            [next_goals(e, card.gripper_columns)[k] for (_, e, _), k in zip(episodes, keep, strict=True)]
        ),
        actions=np.concatenate([e.actions[k] for (_, e, _), k in zip(episodes, keep)]),
        episode=np.repeat(np.arange(len(episodes)), lengths),
        instruction=np.repeat([number[e.instruction] for _, e, _ in episodes], lengths),
        weight=np.repeat(np.array([w for *_, w in episodes], np.float32), lengths),
        instructions=texts,
        episode_paths=[str(p) for p, *_ in episodes],
    )


def _points(episode: Demonstration, cameras: tuple[str, ...]) -> np.ndarray:
    """(T, C, 2, 2); all NaN where the demonstration does not know."""
    if episode.points is None:
        return np.full((len(episode), len(cameras), 2, 2), np.nan, np.float32)
    return episode.points


def next_goals(episode: Demonstration, gripper_columns: list[int]) -> np.ndarray:
    """For each frame the state at the first later frame whose command to a gripper differs, else the last one. (T, S)."""
    commands = episode.actions[:, 0, gripper_columns]
    goals = np.empty_like(episode.state)
    goal = len(episode) - 1
    for frame in reversed(range(len(episode))):
        if frame + 1 < len(episode) and not np.array_equal(commands[frame], commands[frame + 1]):
            goal = frame + 1
        goals[frame] = episode.state[goal]
    return goals


def _check_episode(path: Path, episode: Demonstration, card: InterfaceCard) -> None:
    wanted = (card.action.horizon, card.action_dim)
    if episode.actions.shape[1:] != wanted:
        raise DatasetError(f"{path}: actions are {episode.actions.shape[1:]} a frame, card {card.name} has {wanted}")
    if episode.state.shape[1] != card.state_dim:
        raise DatasetError(f"{path}: {episode.state.shape[1]} state fields, card {card.name} has {card.state_dim}")
    for what in ("state", "actions"):
        if not np.isfinite(getattr(episode, what)[episode.mask]).all():
            raise DatasetError(f"{path}: {what} holds values that are not finite")


def split_episodes(frames: Frames, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Frame indices for training and for validation, no episode in both. At least one episode validates."""
    count = len(frames.episode_paths)
    if count < 2:
        raise DatasetError(f"{count} episode, at least 2 are needed: one of them for validation")
    held = np.random.default_rng(seed).permutation(count)[: max(1, round(share * count))]
    validates = np.isin(frames.episode, held)
    return np.flatnonzero(~validates), np.flatnonzero(validates)
