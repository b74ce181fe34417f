"""Several data sets as one stream of batches: how often each is drawn, and for which robot each was recorded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vla_contract.card import InterfaceCard
from vla_policy.errors import DatasetError
from vla_policy.training.demonstrations import DemonstrationReader
from vla_policy.training.episode import EpisodeReader
from vla_policy.training.frames import Frames, open_frames, split_episodes

MOST_HELD = 1024
"""Frames of each embodiment that validate: a bound on the time that it takes."""


@dataclass(frozen=True)
class Source:
    """A data set, and how often its frames are drawn."""

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

    def reader(self) -> EpisodeReader:
        """Of the format that the folder has."""
        return DemonstrationReader(self.folder)


@dataclass(frozen=True, eq=False)
class Draw:
    """What a batch is made of: frames of one embodiment."""

    part: int
    """Index into ``Mixture.parts``."""
    rows: np.ndarray
    """Frames of that part. Shape (B,), int64."""


@dataclass(frozen=True, eq=False)
class Part:
    """All frames of one embodiment."""

    frames: Frames
    learn: np.ndarray
    """Rows to learn from, int64."""
    held: np.ndarray
    """Rows to validate on, of other episodes, int64."""

    @property
    def weight(self) -> np.ndarray:
        """Of the rows to learn from, float32."""
        return self.frames.weight[self.frames.episode_of(self.learn)]


@dataclass(frozen=True, eq=False)
class Mixture:
    """One part for each embodiment. A batch is of one of them, each taking its turn as often as its frames and weights say."""

    parts: tuple[Part, ...]

    @classmethod
    def of(cls, frames: Sequence[Frames], validation_share: float, seed: int) -> Mixture:
        """Holds back some episodes of each embodiment. Raises DatasetError where there are too few."""
        parts = []
        for one in frames:
            learn, held = split_episodes(one, validation_share, seed)
            parts.append(Part(one, learn, held[:: max(1, len(held) // MOST_HELD)]))
        return cls(tuple(parts))

    def draw(self, batch: int, seed: int, start: int = 0) -> Iterator[Draw]:
        """Endless; the same seed gives the same batches. ``start``: batches that were drawn before, and are not drawn again."""
        turns = self._turns(seed)
        had = np.bincount([next(turns) for _ in range(start)], minlength=len(self.parts))
        streams = [draw_rows(p.learn, p.weight, batch, seed, int(n)) for p, n in zip(self.parts, had, strict=True)]
        for part in turns:
            yield Draw(part, next(streams[part]))

    def _turns(self, seed: int) -> Iterator[int]:
        shares = np.array([part.weight.sum(dtype=np.float64) for part in self.parts])
        ends = np.cumsum(shares / shares.sum())[:-1]
        random = np.random.default_rng((seed, 0, len(self.parts)))
        while True:
            yield int(np.searchsorted(ends, random.random(), side="right"))


def draw_rows(rows: np.ndarray, weight: np.ndarray, batch: int, seed: int, start: int) -> Iterator[np.ndarray]:
    """Endless batches of ``rows`` from batch ``start`` on. Each epoch takes every row about ``weight`` times, shuffled."""
    expected = weight / weight.max()
    epoch, skip = 0, start
    while True:
        random = np.random.default_rng((seed, epoch))
        chosen = random.permutation(rows[random.random(len(rows)) < expected])
        for i in range(len(chosen) // batch):
            if skip > 0:
                skip -= 1
                continue
            yield chosen[i * batch : (i + 1) * batch]
        epoch += 1
        if len(chosen) < batch:
            rows, expected = np.tile(rows, 2), np.tile(expected, 2)


def open_mixture(
    sources: Sequence[Source],
    cards: Sequence[InterfaceCard],
    *,
    only_successes: bool = True,
    validation_share: float = 0.04,
    seed: int = 0,
    processes: int = 2,
    quiet: bool = False,
) -> Mixture:
    """Opens the data sets, each with the card that it was recorded for, and decodes what has not been decoded yet.

    Raises DatasetError for a data set that fits no card, a card without data, or too few episodes; DemonstrationError.
    """
    readers: dict[str, list[tuple[EpisodeReader, float]]] = {card.policy_hash: [] for card in cards}
    if len(readers) < len(cards):
        raise DatasetError(f"cards {', '.join(c.name for c in cards)}: two are the same to a policy; give one of them")
    for source in sources:
        reader = source.reader()
        readers[_card_of(reader, cards).policy_hash].append((reader, source.weight))
    idle = [card.name for card in cards if not readers[card.policy_hash]]
    if idle:
        raise DatasetError(f"card {idle[0]}: none of the data sets is of it")
    frames = [
        open_frames(readers[c.policy_hash], c, only_successes=only_successes, processes=processes, quiet=quiet) for c in cards
    ]
    return Mixture.of(frames, validation_share, seed)


def _card_of(reader: EpisodeReader, cards: Sequence[InterfaceCard]) -> InterfaceCard:
    complaints = []
    for card in cards:
        try:
            reader.check(card)
            return card
        except DatasetError as error:
            complaints.append(str(error))
    raise DatasetError("; ".join(complaints))
