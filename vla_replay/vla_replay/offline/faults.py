"""Faults on the stream between bag and assembler, deterministic by seed."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from vla_contract.card import InterfaceCard, seconds_to_ns
from vla_contract.ros.streams import Frame
from vla_replay.offline.delay import DelayQueue
from vla_replay.offline.errors import ReplayError

FAULTS = {
    "latency": "latency=200ms: every image and joint state arrives so much later",
    "drop": "drop=0.1: this share of the images is lost",
    "reorder": "reorder=0.1: this share of the images arrives after the one that follows it",
    "skew": "skew=front:50ms: this camera's stamps are so much too late (or, with -50ms, too early)",
    "frozen": "frozen=front: this camera repeats its first image, under new stamps",
    "swapped": "swapped=front:wrist: the images of the two cameras are exchanged",
}
_TIME = re.compile(r"^(-?\d+(?:\.\d+)?)(ns|us|ms|s)?$")
_UNIT = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, None: 1.0}


@dataclass(frozen=True)
class Faults:
    """latency_ns; drop, reorder: shares of images; skew_ns by camera; frozen cameras; swapped pairs of cameras."""

    latency_ns: int = 0
    drop: float = 0.0
    reorder: float = 0.0
    skew_ns: dict[str, int] = field(default_factory=dict)
    frozen: frozenset[str] = frozenset()
    swapped: tuple[tuple[str, str], ...] = ()

    @property
    def any(self) -> bool:
        """Whether there is a fault at all."""
        return self != Faults()


def parse_duration(text: str, what: str) -> int:
    """"200ms", "0.2s", "0.2" as nanoseconds. ReplayError names ``what``."""
    match = _TIME.match(text)
    if not match:
        raise ReplayError(f"{what}: {text!r} is no duration; write 200ms or 0.2s")
    return seconds_to_ns(float(match[1]) * _UNIT[match[2]])


def parse_faults(words: Sequence[str], card: InterfaceCard) -> Faults:
    """From words like "drop=0.1". ReplayError names the word, and what is allowed."""
    given: dict = {"skew_ns": {}, "frozen": set(), "swapped": []}
    for word in words:
        name, equals, value = word.partition("=")
        if name not in FAULTS or not equals:
            raise ReplayError(f"fault {word!r}; there are: " + "; ".join(FAULTS.values()))
        if name == "latency":
            given["latency_ns"] = parse_duration(value, f"fault {word}")
            if given["latency_ns"] < 0:
                raise ReplayError(f"fault {word}: a message cannot arrive before it was recorded; 0 or more is allowed")
        elif name in ("drop", "reorder"):
            given[name] = _share(value, word)
        elif name == "skew":
            camera, _, time = value.partition(":")
            given["skew_ns"][_camera(camera, word, card)] = parse_duration(time, f"fault {word}")
        elif name == "frozen":
            given["frozen"].add(_camera(value, word, card))
        else:
            pair = tuple(_camera(camera, word, card) for camera in value.split(":"))
            if len(pair) != 2 or pair[0] == pair[1]:
                raise ReplayError(f"fault {word}: two cameras of the card are needed, as in swapped=front:wrist")
            shapes = [(card.camera(camera).height, card.camera(camera).width) for camera in pair]
            if shapes[0] != shapes[1]:
                raise ReplayError(f"fault {word}: the cameras' sizes differ, {shapes[0]} and {shapes[1]}")
            given["swapped"].append(pair)
    return Faults(**{**given, "frozen": frozenset(given["frozen"]), "swapped": tuple(given["swapped"])})


def _share(text: str, word: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 <= value <= 1.0:
        raise ReplayError(f"fault {word}: {text!r}, allowed is a share from 0 to 1")
    return value


def _camera(name: str, word: str, card: InterfaceCard) -> str:
    if name not in card.camera_names:
        raise ReplayError(f"fault {word}: no camera {name!r} in the card; it has {', '.join(card.camera_names)}")
    return name


class FaultyStream:
    """Delays and alters what goes in; ``due`` gives it out in order of its new arrival.

    Attributes:
        counts: What was done: dropped, reordered, frozen, swapped, skewed images, delayed messages.
    """

    def __init__(self, faults: Faults, card: InterfaceCard, seed: int = 0) -> None:
        self._faults, self._card = faults, card
        # One generator a camera: a camera's faults do not depend on when the others' images come.
        self._rng = {name: np.random.default_rng([seed, i]) for i, name in enumerate(card.camera_names)}
        self._other = {a: b for pair in faults.swapped for a, b in (pair, pair[::-1])}
        self._first: dict[str, np.ndarray] = {}
        self._behind_next: dict[str, Frame] = {}
        self._on_the_way: DelayQueue[object] = DelayQueue()
        self.counts: Counter[str] = Counter()

    def put_state(self, now_ns: int, message: object) -> None:
        """A joint state, at its time of receipt."""
        self._push(now_ns + self._faults.latency_ns, message)

    def put_frame(self, now_ns: int, frame: Frame) -> None:
        """An image, at its time of receipt."""
        faults, camera, rng = self._faults, frame.camera, self._rng[frame.camera]
        dropped, late = rng.random() < faults.drop, rng.random() < faults.reorder
        if dropped:
            self.counts["dropped"] += 1
            return
        if frame.pixels is not None:
            if camera in faults.frozen:
                frame = replace(frame, pixels=self._first.setdefault(camera, frame.pixels))
                self.counts["frozen"] += 1
        if camera in self._other:
            frame = replace(frame, camera=self._other[camera])
            self.counts["swapped"] += 1
        if frame.camera in faults.skew_ns:
            frame = replace(frame, stamp_ns=frame.stamp_ns + faults.skew_ns[frame.camera])
            self.counts["skewed"] += 1
        arrival_ns = now_ns + faults.latency_ns
        reordered = self._behind_next.pop(camera, None)
        if reordered is None and late:
            self._behind_next[camera] = frame
            self.counts["reordered"] += 1
            return
        self._push(arrival_ns, frame)
        if reordered is not None:
            self._push(arrival_ns, reordered)

    def due(self, until_ns: int) -> Iterator[tuple[int, object]]:
        """(arrival [ns], Frame or joint state) up to this time, in order."""
        return self._on_the_way.due(until_ns)

    def end(self) -> Iterator[tuple[int, object]]:
        """Everything that is on its way: the clock was set back. An image that waits for the next one is lost."""
        self._behind_next.clear()
        return self._on_the_way.end()

    def _push(self, arrival_ns: int, item: object) -> None:
        if self._faults.latency_ns:
            self.counts["delayed"] += 1
        self._on_the_way.put(arrival_ns, item)
