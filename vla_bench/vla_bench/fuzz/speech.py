"""What the trajectory controller of an arm says of itself: how often, how late, of what time; and what goes wrong with that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from vla_bench.fuzz.curve import Executed
from vla_bench.fuzz.random_cell import MS

_FASTEST_HZ, _SLOWEST_HZ = 500.0, 10.0


class Said(NamedTuple):
    """One state. of_ns: physical time up to which it tells; stamp_ns: what it says, on the nodes' clock as it was then.

    names and q (J,) [rad]: its set points, in an order of its own.
    """

    arm: int
    of_ns: int
    stamp_ns: int
    names: list[str]
    q: np.ndarray


class Episode(Protocol):
    """What a voice sees of the episode that it speaks in."""

    arms: list[Executed]
    joints: list[tuple[str, ...]]
    now: int

    @property
    def clock(self) -> int: ...
    def at(self, time_ns: int, call: Callable, *arguments: object) -> None: ...
    def hear(self, said: Said) -> None: ...


@dataclass(frozen=True)
class Manner:
    """How one speaks, all [ns]: a state each period; its set point is of lead later than its stamp; it takes latency, and up to
    jitter more, to be heard. stamp_jitter: either way."""

    period_ns: int
    lead_ns: int
    latency_ns: int
    jitter_ns: int
    stamp_jitter_ns: int

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Manner:
        """At 10 to 500 Hz. The lead is a control period as a rule, or what two clocks differ."""
        rate = float(np.exp(rng.uniform(np.log(_SLOWEST_HZ), np.log(_FASTEST_HZ))))
        lead = rng.choice([0, 1, 2, 10]) if rng.random() < 0.7 else rng.uniform(-20, 8)
        latency = 0.0 if rng.random() < 0.3 else float(np.exp(rng.uniform(np.log(0.2), np.log(40.0))))
        jitter = 0.0 if rng.random() < 0.4 else float(np.exp(rng.uniform(np.log(0.1), np.log(15.0))))
        stamps = 0.0 if rng.random() < 0.6 else rng.uniform(0.0, 0.5)
        return cls(int(1e9 / rate), *(int(value * MS) for value in (lead, latency, jitter, stamps)))

    @property
    def longest_ns(self) -> int:
        """From one set point until the one after it is heard, where nothing goes wrong [ns]."""
        return self.period_ns + self.latency_ns + self.jitter_ns


class Voice:
    """Of one arm, with what goes wrong for a while. One that is not ``active`` is silent."""

    def __init__(self, episode: Episode, arm: int, rng: np.random.Generator) -> None:
        self._episode, self._arm, self._rng = episode, arm, rng
        self.manner = Manner.draw(rng)
        self.active = True
        self._order = np.arange(len(episode.joints[arm]))
        self._heard_ns = 0
        self._until = dict.fromkeys(("silent", "lossy", "late", "stray"), 0)
        self._lost = 0.0

    def begin(self) -> None:
        self._episode.at(self._episode.now + int(self._rng.uniform(0, self.manner.period_ns)), self._speak)

    # what goes wrong, until an instant [ns]

    def fall_silent(self, until_ns: int) -> None:
        self._until["silent"] = until_ns

    def lose(self, share: float, until_ns: int) -> None:
        """That share of the states does not arrive."""
        self._lost, self._until["lossy"] = share, until_ns

    def hold_back(self, until_ns: int) -> None:
        """All states arrive then, at once."""
        self._until["late"] = until_ns

    def stray(self, until_ns: int) -> None:
        """The next state arrives then, behind newer ones."""
        self._until["stray"] = until_ns

    def reorder(self) -> None:
        self._order = self._rng.permutation(len(self._order))

    # what is said

    def _speak(self) -> None:
        episode = self._episode
        episode.at(episode.now + self.manner.period_ns, self._speak)
        if not self.active or episode.now < self._until["silent"]:
            return
        if episode.now < self._until["lossy"] and self._rng.random() < self._lost:
            return
        arrival = episode.now + self.manner.latency_ns + int(self._rng.uniform(0, self.manner.jitter_ns))
        stray, self._until["stray"] = self._until["stray"], 0
        if stray > arrival:
            arrival = stray
        else:
            arrival = self._heard_ns = max(arrival, self._heard_ns, self._until["late"])
        episode.at(arrival, episode.hear, self.state())

    def state(self) -> Said:
        """What it says now, if it speaks."""
        episode, manner = self._episode, self.manner
        wobble = int(self._rng.uniform(-1, 1) * manner.stamp_jitter_ns)
        q = episode.arms[self._arm].at(max(0, episode.now + manner.lead_ns))[0]
        names = [episode.joints[self._arm][i] for i in self._order]
        of_ns = episode.now + min(0, manner.lead_ns)
        return Said(self._arm, of_ns, max(1, episode.clock + wobble), names, q[self._order])
