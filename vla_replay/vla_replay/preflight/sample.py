"""What was observed of a cell, bounded in size: the input of every check."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from vla_policy.training.reference_images import SIDE

MAX_THUMBNAILS = 48
"""Small images kept of each camera. When there are more, every second one goes."""


@dataclass
class Stream:
    """One topic.

    Attributes:
        types: Message types on the topic, with the number of messages; a type that nobody has sent yet counts 0.
        receive_ns, stamp_ns: Shape (n,) int64. Stamps are empty for types without a header.
        publishers, subscribers: None where the source cannot tell, as a bag.
    """

    topic: str
    types: Counter[str] = field(default_factory=Counter)
    receive_ns: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    stamp_ns: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    publishers: int | None = None
    subscribers: int | None = None

    @property
    def count(self) -> int:
        """Messages heard."""
        return len(self.receive_ns)


@dataclass
class CameraSample:
    """Images of one camera.

    Attributes:
        encodings, sizes: Of all messages; of compressed ones the encoding before they were; sizes are (width, height) [px].
        problems: Images that could not be read, by reason.
        shot_ns, digest, spread: Stamp [ns], checksum and standard deviation [grey levels] of every readable image,
            shape (n,).
        thumbnails: (k, 32, 32, 3) float32 RGB, evenly over the sample.
    """

    encodings: Counter[str] = field(default_factory=Counter)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    shot_ns: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    digest: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint32))
    spread: np.ndarray = field(default_factory=lambda: np.empty(0))
    thumbnails: np.ndarray = field(default_factory=lambda: np.empty((0, SIDE, SIDE, 3), np.float32))


@dataclass
class Series:
    """A quantity over time: at_ns (n,) int64, rising; values (n,)."""

    at_ns: np.ndarray
    values: np.ndarray

    def at(self, when_ns: np.ndarray) -> np.ndarray:
        """Interpolated; NaN outside. Same shape as when_ns."""
        if len(self.at_ns) == 0:
            return np.full(np.shape(when_ns), np.nan)
        origin = self.at_ns[0]
        times = (np.asarray(when_ns) - origin).astype(float)
        return np.interp(times, (self.at_ns - origin).astype(float), self.values, left=np.nan, right=np.nan)


@dataclass
class Sample:
    """All that was observed.

    Attributes:
        source: Where it comes from, in words ("bag demo", "the graph").
        seconds: Time that it covers [s].
        streams: By topic: relative as in the card, others absolute; a topic that does not exist is not there.
        cameras: By name of the card.
        state: ``<joint>.<quantity>`` -> values as measured, every joint heard, whether in the card or not.
        commands: Joint -> commanded position [rad or m], of all trajectories, each until the next took over.
        targets: Joint -> (arrival of each trajectory, last position in it).
        hashes: "card_hash" and "policy_hash" -> value -> what carried it.
        card_text: The card that a bag was recorded with, empty where unknown.
        chunks: Chunks with at least a step.
        notes: What is not whole about the source, in words.
    """

    source: str
    seconds: float = 0.0
    streams: dict[str, Stream] = field(default_factory=dict)
    cameras: dict[str, CameraSample] = field(default_factory=dict)
    state: dict[str, Series] = field(default_factory=dict)
    commands: dict[str, Series] = field(default_factory=dict)
    targets: dict[str, Series] = field(default_factory=dict)
    hashes: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    card_text: str = ""
    chunks: int = 0
    notes: tuple[str, ...] = ()
