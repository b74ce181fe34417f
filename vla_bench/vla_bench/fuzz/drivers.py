"""Drivers that each tell some of the joints, at rates and delays of their own, and all that goes wrong with what they say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from vla_bench.fuzz.plant import Plant
from vla_bench.fuzz.random_cell import MS, RandomCell

TROUBLES = (
    "split", "split", "order", "lacking", "lacks_once", "future", "future_once", "past", "gap", "velocities", "twice",
    "not_finite",
)  # fmt: skip
_LONGEST_DELAY_NS = 12 * MS
_FINGER = 0.02


class Heard(NamedTuple):
    """A message as it arrives. joints: indices of those that it tells rightly, truth: where they stood when it was made [rad].

    stamp_ns: of the clock as it was then.
    """

    stamp_ns: int
    names: list[str]
    positions: list[float]
    velocities: list[float] | None
    joints: np.ndarray
    truth: np.ndarray


class Episode(Protocol):
    """What drivers see of the episode that they happen in."""

    cell: RandomCell
    plant: Plant
    names: list[str]
    now: int

    @property
    def clock(self) -> int: ...
    def at(self, time_ns: int, call: Callable, *arguments: object) -> None: ...
    def may_anchor(self, reason: str) -> None: ...
    def hear(self, message: Heard) -> None: ...


@dataclass
class _Driver:
    """joints: which it tells, in the order of its messages, -1 for the finger. until: by trouble, when it ends [ns]."""

    joints: list[int]
    period_ns: int
    delay_ns: int
    until: dict[str, int] = field(default_factory=dict)
    offset_ns: int = 0
    lacks: int = 0
    kind: int = 0
    gone: bool = False


class Drivers:
    """Publishers of the joint states, made anew now and then, with ``rate`` troubles a second.

    turning: joints, by index, that are reported between -pi and pi.
    """

    def __init__(self, episode: Episode, rng: np.random.Generator, turning: np.ndarray) -> None:
        self._episode, self._rng, self._turning = episode, rng, turning
        self._rate = float(np.exp(rng.uniform(np.log(0.2), np.log(3.0))))
        self._drivers: list[_Driver] = []
        self._over = False

    def begin(self) -> None:
        self._split()
        self._next()

    def end(self) -> None:
        """No more troubles; those under way come to their own end."""
        self._over = True

    def _next(self) -> None:
        self._episode.at(self._episode.now + int(self._rng.exponential(1.0 / self._rate) * 1e9), self._happen)

    def _happen(self) -> None:
        if self._over:
            return
        getattr(self, f"_{self._rng.choice(TROUBLES)}")()
        self._next()

    # what goes wrong

    def _any(self) -> _Driver:
        return self._drivers[int(self._rng.integers(len(self._drivers)))]

    def _for(self, driver: _Driver, what: str, least: float, most: float) -> None:
        driver.until[what] = self._episode.now + int(self._rng.uniform(least, most) * 1e9)

    def _split(self) -> None:
        """The joints are told by one to three drivers from now on; at times one tells some that another tells, too."""
        episode, rng = self._episode, self._rng
        count = len(episode.names)
        for driver in self._drivers:
            driver.gone = True
        order = np.arange(count) if rng.random() < 0.5 else rng.permutation(count)
        cuts = np.sort(rng.choice(np.arange(1, count), int(rng.integers(0, 3)), replace=False))
        parts = [part.tolist() for part in np.split(order, cuts)]
        if rng.random() < 0.2:
            parts.append(rng.permutation(count)[: int(rng.integers(1, count + 1))].tolist())
        parts[0].insert(int(rng.integers(len(parts[0]) + 1)), -1)
        slowest = min(60, int(0.45e3 * episode.cell.card.state.max_age))
        self._drivers = [
            _Driver(part, int(rng.integers(4, slowest)) * MS, int(rng.uniform(0, _LONGEST_DELAY_NS))) for part in parts
        ]
        for driver in self._drivers:
            episode.at(episode.now + int(rng.uniform(0, driver.period_ns)), self._measure, driver)

    def _order(self) -> None:
        driver = self._any()
        driver.joints = [driver.joints[i] for i in self._rng.permutation(len(driver.joints))]

    def _lacking(self) -> None:
        driver = self._any()
        driver.lacks = int(self._rng.integers(len(driver.joints)))
        self._for(driver, "lacking", 0.02, 0.7)

    def _lacks_once(self) -> None:
        driver = self._any()
        driver.lacks, driver.until["lacks_once"] = int(self._rng.integers(len(driver.joints))), 1

    def _future(self) -> None:
        driver = self._any()
        driver.offset_ns = int(self._rng.uniform(0.065, 5.0) * 1e9)
        self._for(driver, "offset", 0.02, 0.8)

    def _future_once(self) -> None:
        driver = self._any()
        driver.offset_ns, driver.until["offset_once"] = int(self._rng.uniform(0.065, 5.0) * 1e9), 1

    def _past(self) -> None:
        """Stamps stay behind for a while: where the arm moved meanwhile, it seems to have leapt."""
        driver = self._any()
        driver.offset_ns = -int(self._rng.uniform(0.01, 1.0) * 1e9)
        self._for(driver, "offset", 0.05, 1.2)
        self._episode.may_anchor("leap")

    def _gap(self) -> None:
        self._for(self._any(), "gap", 0.02, 1.0)

    def _velocities(self) -> None:
        driver = self._any()
        driver.kind = int(self._rng.integers(4))
        self._for(driver, "velocities", 0.1, 3.0)

    def _twice(self) -> None:
        self._any().until["twice"] = 1

    def _not_finite(self) -> None:
        self._any().until["not_finite"] = 1

    # what is said

    def _measure(self, driver: _Driver) -> None:
        episode = self._episode
        if driver.gone:
            return
        episode.at(episode.now + driver.period_ns, self._measure, driver)
        if episode.now >= driver.until.get("gap", 0):
            episode.at(episode.now + driver.delay_ns, episode.hear, self._message(driver))

    def _message(self, driver: _Driver) -> Heard:
        episode, rng, now = self._episode, self._rng, self._episode.now
        truth, speed = episode.plant.state(now)
        wobble = episode.cell.noise * np.clip(rng.standard_normal((2, len(truth))), -3.0, 3.0)
        q, v = truth + wobble[0], speed + 10.0 * wobble[1]
        q[self._turning] = wrapped(q[self._turning])
        told = list(driver.joints)
        if driver.until.pop("lacks_once", 0) or now < driver.until.get("lacking", 0):
            del told[driver.lacks % len(told)]
        stamp_ns = episode.clock
        if driver.until.pop("offset_once", 0) or now < driver.until.get("offset", 0):
            stamp_ns = max(1, stamp_ns + driver.offset_ns)
        names = ["finger" if j < 0 else episode.names[j] for j in told]
        positions = [_FINGER if j < 0 else float(q[j]) for j in told]
        velocities = [0.0 if j < 0 else float(v[j]) for j in told]
        joints = np.array([j for j in told if j >= 0], dtype=int)
        right = joints
        if len(joints) and driver.until.pop("not_finite", 0):
            positions[told.index(int(rng.choice(joints)))] = float(rng.choice([np.nan, np.inf]))
            right = joints[:0]
        if len(joints) and driver.until.pop("twice", 0):
            names.append(episode.names[int(rng.choice(joints))])
            positions.append(float(rng.uniform(-1.0, 1.0)))
            velocities.append(0.0)
            right = joints[:0]
        if now < driver.until.get("velocities", 0):
            velocities = self._spoiled(velocities, driver.kind)
        return Heard(stamp_ns, names, positions, velocities, right, truth[right])

    def _spoiled(self, velocities: list[float], kind: int) -> list[float] | None:
        if kind == 0 or not velocities:
            return None
        if kind == 1:
            return velocities[1:]
        some = self._rng.random(len(velocities)) < (0.4 if kind == 2 else 1.0)
        return [float("nan") if gone else value for gone, value in zip(some, velocities)]


def wrapped(q: np.ndarray) -> np.ndarray:
    """Angles as a driver that wraps tells them, between -pi and pi [rad]."""
    return (q + np.pi) % (2.0 * np.pi) - np.pi
