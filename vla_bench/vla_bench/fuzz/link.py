"""The way between controller and trajectory controllers: messages lost, late or overtaken, and who is active."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from vla_bench.fuzz.curve import Executed, Part
from vla_bench.fuzz.plant import Plant
from vla_bench.fuzz.random_cell import MS
from vla_bench.fuzz.speech import Said, Voice

EVENTS = (
    "lost", "lost_some", "delayed", "overtaken", "switched", "switched", "blinks", "silent", "lossy", "late_states", "stray",
    "order",
)  # fmt: skip
SWITCHED = ("deactivated", "activated")
"""Causes of leaps where a trajectory controller is switched off or on."""
_LATEST_S = 0.3


class Fate(NamedTuple):
    """When a message arrives [ns], None where it never does; whether something went wrong with it."""

    arrival_ns: int | None
    troubled: bool


class Episode(Protocol):
    """What the link sees of the episode that it happens in."""

    arms: list[Executed]
    joints: list[tuple[str, ...]]
    plant: Plant
    now: int

    @property
    def clock(self) -> int: ...
    def at(self, time_ns: int, call: Callable, *arguments: object) -> None: ...
    def hear(self, said: Said) -> None: ...
    def struck(self, arm: int, until_ns: int) -> None: ...
    def stood(self, arm: int, part: Part, measured: bool) -> None: ...


@dataclass
class _Way:
    """Of the messages to one arm. lose: so many of the next; lossy: some, until then; delay, overtake: the next one [ns]."""

    lose: int = 0
    lossy_until_ns: int = 0
    delay_ns: int = 0
    overtake_ns: int = 0
    last_ns: int = 0


class Link:
    """``rate`` troubles a second, of one arm each. voices: one for each arm. troubles: how many of each kind there were."""

    def __init__(self, episode: Episode, rng: np.random.Generator) -> None:
        self._episode, self._rng = episode, rng
        self.rate = 0.0 if rng.random() < 0.35 else float(np.exp(rng.uniform(np.log(0.05), np.log(1.0))))
        self.voices = [Voice(episode, arm, rng) for arm in range(len(episode.arms))]
        self._ways = [_Way() for _ in episode.arms]
        self._turn = [0] * len(episode.arms)  # which activation is the newest
        self._over = False
        self.troubles: dict[str, int] = {}

    def active(self, arm: int) -> bool:
        return self.voices[arm].active

    def begin(self) -> None:
        for voice in self.voices:
            voice.begin()
        self._next()

    def end(self) -> None:
        """No more of it; what was begun comes to its own end."""
        self._over = True
        for way in self._ways:
            way.lose = way.delay_ns = way.overtake_ns = 0

    def fate(self, arm: int, arrival_ns: int) -> Fate:
        """Of a message that would arrive then."""
        way, now = self._ways[arm], self._episode.now
        if way.lose or (now < way.lossy_until_ns and self._rng.random() < 0.5):
            way.lose = max(0, way.lose - 1)
            self._episode.struck(arm, arrival_ns)
            return Fate(None, True)
        delayed = way.delay_ns or way.overtake_ns
        if way.overtake_ns:
            arrival_ns += way.overtake_ns
        else:  # those behind a late one wait for it
            delayed = delayed or arrival_ns < way.last_ns
            arrival_ns = way.last_ns = max(arrival_ns + way.delay_ns, way.last_ns)
        way.delay_ns = way.overtake_ns = 0
        if delayed:
            self._episode.struck(arm, arrival_ns)
        return Fate(arrival_ns, bool(delayed))

    def _next(self) -> None:
        if self.rate > 0.0:
            self._episode.at(self._episode.now + int(self._rng.exponential(1.0 / self.rate) * 1e9), self._happen)

    def _happen(self) -> None:
        if self._over:
            return
        kind, arm = str(self._rng.choice(EVENTS)), int(self._rng.integers(len(self._ways)))
        self.troubles[kind] = self.troubles.get(kind, 0) + 1
        getattr(self, f"_{kind}")(arm)
        self._next()

    def _in(self, least_s: float, most_s: float) -> int:
        """An instant between so many seconds from now [ns], of all magnitudes alike."""
        return self._episode.now + int(1e9 * np.exp(self._rng.uniform(np.log(least_s), np.log(most_s))))

    # messages

    def _lost(self, arm: int) -> None:
        self._ways[arm].lose = 1

    def _lost_some(self, arm: int) -> None:
        self._ways[arm].lossy_until_ns = self._in(0.1, 1.5)

    def _delayed(self, arm: int) -> None:
        self._ways[arm].delay_ns = int(self._rng.uniform(0.0, _LATEST_S) * 1e9)

    def _overtaken(self, arm: int) -> None:
        self._ways[arm].overtake_ns = int(self._rng.uniform(0.0, _LATEST_S) * 1e9)

    # who is active

    def _switched(self, arm: int) -> None:
        self._off(arm, self._in(0.1, 2.0))

    def _blinks(self, arm: int) -> None:
        """For so short a time that it is hardly silent."""
        self._off(arm, self._in(0.002, 0.25))

    def _off(self, arm: int, until_ns: int) -> None:
        """Deactivated: the drives hold what they were commanded last. Again activated then."""
        episode, voice = self._episode, self.voices[arm]
        if voice.active:
            voice.active = False
            held = episode.arms[arm].at(-(-episode.now // MS) * MS)[0]
            episode.stood(arm, episode.arms[arm].stand(episode.now, held, SWITCHED[0]), False)
        self._turn[arm] += 1
        episode.struck(arm, until_ns)
        episode.at(until_ns, self._on, arm, self._turn[arm])

    def _on(self, arm: int, turn: int) -> None:
        """It holds where the arm is measured, or what the drives were commanded last: real ones do either."""
        episode = self._episode
        if turn != self._turn[arm]:
            return
        self.voices[arm].active = True
        if self._rng.random() < 0.5:
            count = len(episode.joints[arm])
            q = episode.plant.state(episode.now)[0][arm * count : (arm + 1) * count]
            episode.stood(arm, episode.arms[arm].stand(episode.now, q, SWITCHED[1]), True)

    # states

    def _silent(self, arm: int) -> None:
        until_ns = self._in(0.05, 2.0)
        self.voices[arm].fall_silent(until_ns)
        self._episode.struck(arm, until_ns)

    def _lossy(self, arm: int) -> None:
        until_ns = self._in(0.1, 2.0)
        self.voices[arm].lose(float(self._rng.uniform(0.1, 0.9)), until_ns)
        self._episode.struck(arm, until_ns)

    def _late_states(self, arm: int) -> None:
        until_ns = self._in(0.01, 0.5)
        self.voices[arm].hold_back(until_ns)
        self._episode.struck(arm, until_ns)

    def _stray(self, arm: int) -> None:
        until_ns = self._in(0.01, 0.3)
        self.voices[arm].stray(until_ns)
        self._episode.struck(arm, until_ns)

    def _order(self, arm: int) -> None:
        self.voices[arm].reorder()
