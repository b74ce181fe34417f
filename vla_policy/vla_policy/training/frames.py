"""The frames of one embodiment's episodes, from one data set or several, on disk. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from vla_contract.card import InterfaceCard
from vla_policy.errors import DatasetError
from vla_policy.training.episode import Episode, EpisodeReader
from vla_policy.training.frame_cache import FOLDER, KeptEpisode, Recipe, keep_episodes

STATISTICS_FRAMES = 100_000
"""So many frames, evenly chosen, stand for all where statistics are taken: a bound on memory."""


@dataclass(frozen=True, eq=False)
class Frames:
    """N frames that all fit one card; their pixels and numbers are read when they are asked for.

    What is held in memory is what is listed here: some bytes for each episode, nothing for a frame.
    """

    card: InterfaceCard
    episodes: tuple[tuple[EpisodeReader, str], ...]
    """Reader and name of each."""
    kept: tuple[KeptEpisode, ...]
    first: np.ndarray
    """Of each episode, the number of its first frame; and at the end N. Shape (episodes + 1,), int64."""
    instruction: np.ndarray
    """Of each episode, index into ``instructions``. Shape (episodes,), int64."""
    weight: np.ndarray
    """Of each episode, how often its frames are drawn. Shape (episodes,), float32."""
    instructions: tuple[str, ...]

    def __len__(self) -> int:
        return int(self.first[-1])

    def episode_of(self, rows: np.ndarray) -> np.ndarray:
        """The episodes that frames belong to. Same shape as ``rows``, int64."""
        return np.searchsorted(self.first, rows, side="right") - 1

    def images(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Camera -> (B, 112, 112, 3) uint8 of the frames in ``rows``, (B,)."""
        read = self._read(rows, "images")
        return {camera: np.ascontiguousarray(read[:, c]) for c, camera in enumerate(self.card.camera_names)}

    def columns(self, rows: np.ndarray) -> np.ndarray:
        """See ``KeptEpisode.columns``. Structured, shape (B,)."""
        return self._read(rows, "columns")

    def _read(self, rows: np.ndarray, what: str) -> np.ndarray:
        episodes = self.episode_of(rows)
        read = None
        for episode in np.unique(episodes):
            stored = getattr(self.kept[episode], what)()
            here = episodes == episode
            if read is None:
                read = np.empty((len(rows), *stored.shape[1:]), stored.dtype)
            read[here] = stored[rows[here] - self.first[episode]]
        return read

    def sample(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """State (n, S) and actions (n, H, D) in the card's units of all these frames, or of STATISTICS_FRAMES of them."""
        chosen = rows[:: -(-len(rows) // STATISTICS_FRAMES)]
        columns = self.columns(chosen)
        return columns["state"].copy(), columns["actions"].copy()


def open_frames(
    readers: Sequence[tuple[EpisodeReader, float]],
    card: InterfaceCard,
    *,
    only_successes: bool = True,
    processes: int = 2,
    quiet: bool = False,
) -> Frames:
    """All usable frames of the data sets, each with its weight.

    Raises DatasetError where there are none, or where one does not fit the card; DemonstrationError for a file that is none.
    """
    episodes: list[tuple[EpisodeReader, str]] = []
    kept: list[KeptEpisode] = []
    counts, texts, weights = [], [], []
    for reader, weight in readers:
        reader.check(card)
        usable = []
        for name in tqdm(reader.names(), desc="reading", unit="episode", disable=quiet):
            episode = reader.read(name)
            if (episode.success or not only_successes) and episode.mask.any():
                _check_episode(f"{reader.folder}: {name}", episode, card)
                usable.append(name)
                counts.append(int(episode.mask.sum()))
                texts.append(episode.instruction)
        episodes += [(reader, name) for name in usable]
        weights += [weight] * len(usable)
        made = keep_episodes(reader, usable, Recipe.of(card), processes, quiet)
        for name, episode, count in zip(usable, made, counts[len(kept) :], strict=True):
            if len(episode.columns()) != count:
                raise DatasetError(f"{reader.folder}: {name} has {count} frames, its kept form another number: remove {FOLDER}")
        kept += made
    if not episodes:
        raise DatasetError(f"no successful demonstration in {', '.join(str(reader.folder) for reader, _ in readers)}")
    instructions = tuple(sorted(set(texts)))
    number = {text: i for i, text in enumerate(instructions)}
    return Frames(
        card, tuple(episodes), tuple(kept), np.cumsum([0, *counts]), np.array([number[text] for text in texts]),
        np.array(weights, np.float32), instructions,
    )  # fmt: skip


def split_episodes(frames: Frames, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames for training and for validation, no episode in both. At least one episode validates. Raises DatasetError."""
    count = len(frames.episodes)
    if count < 2:
        raise DatasetError(f"{count} episode, at least 2 are needed: one of them for validation")
    held = np.random.default_rng(seed).permutation(count)[: max(1, round(share * count))]
    validates = np.repeat(np.isin(np.arange(count), held), np.diff(frames.first))
    return np.flatnonzero(~validates), np.flatnonzero(validates)


def _check_episode(what: str, episode: Episode, card: InterfaceCard) -> None:
    wanted = (card.action.horizon, card.action_dim)
    if episode.actions.shape[1:] != wanted:
        raise DatasetError(f"{what}: actions are {episode.actions.shape[1:]} a frame, card {card.name} has {wanted}")
    if episode.state.shape[1] != card.state_dim:
        raise DatasetError(f"{what}: {episode.state.shape[1]} state fields, card {card.name} has {card.state_dim}")
    for field in ("state", "actions"):
        if not np.isfinite(getattr(episode, field)[episode.mask]).all():
            raise DatasetError(f"{what}: {field} holds values that are not finite")
