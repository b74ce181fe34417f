"""What goes wrong around the controller in an episode: states, clock, operator, a joint held fast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from vla_bench.fuzz.plant import Plant
from vla_bench.fuzz.random_cell import MS, RandomCell
from vla_controller.controller import ChunkController

EVENTS = (
    "missing", "old_stamps", "glitch", "jump", "partial", "not_finite", "out_of_order", "clock_back", "stop", "stop_twice",
    "home", "resume", "speed", "bad_speed", "block", "push", "no_velocities",
)  # fmt: skip
_AHEAD_SHARE = 0.25
_LONGEST_NS = 1_500 * MS  # a joint that is held fast, a stop that lasts


class Episode(Protocol):
    """What troubles see of the episode that they happen in."""

    cell: RandomCell
    plant: Plant
    controller: ChunkController
    names: list[str]
    now: int

    @property
    def clock(self) -> int: ...
    def at(self, time_ns: int, call: Callable, *arguments: object) -> None: ...
    def call(self, cause: str, function: Callable, *arguments: object) -> object: ...
    def add(self, kind: str, amount: float, detail: str = "", chunk: int | None = None) -> None: ...
    def may_anchor(self, reason: str) -> None: ...
    def happened(self, until_ns: int) -> None: ...
    def set_clock(self, by_ns: int) -> None: ...
    def stop(self) -> None: ...
    def resume(self) -> None: ...
    def home(self) -> None: ...


class Troubles:
    """Poisson events, ``cell.troubles`` a second, and the joint states that they spoil.

    clock_ahead: the clock is also set ahead. Random numbers of its own leave the others as they were before there was such a
    thing: the seeds of old findings still mean what they meant.
    """

    def __init__(self, episode: Episode, rng: np.random.Generator, *, clock_ahead: bool) -> None:
        self._episode, self._rng = episode, rng
        self._ahead_rng = np.random.default_rng([episode.cell.seed, 3]) if clock_ahead else None
        self._until: dict[str, int] = {}
        self._offset = np.zeros(len(episode.names))
        self._shuffle = rng.permutation(len(episode.names)) if rng.random() < 0.3 else np.arange(len(episode.names))
        self._names = [episode.names[i] for i in self._shuffle] + ["finger"]
        self._velocities = rng.random() < 0.8
        self._over = False

    def begin(self) -> None:
        self._next()
        self._next_ahead()

    def end(self) -> None:
        """No more of it; what was begun comes to its own end."""
        self._over = True

    def _next(self) -> None:
        rate = self._episode.cell.troubles
        if rate > 0.0:
            wait = int(self._rng.exponential(1.0 / rate) * 1e9)
            self._episode.at(self._episode.now + wait, self._happen)

    def _happen(self) -> None:
        if self._over:
            return
        getattr(self, f"_{self._rng.choice(EVENTS)}")()
        self._episode.happened(max(self._episode.now + _LONGEST_NS, *self._until.values(), 0))
        self._next()

    def _next_ahead(self) -> None:
        rate = _AHEAD_SHARE * self._episode.cell.troubles
        if self._ahead_rng is not None and rate > 0.0:
            wait = int(self._ahead_rng.exponential(1.0 / rate) * 1e9)
            self._episode.at(self._episode.now + wait, self._clock_ahead)

    def _clock_ahead(self) -> None:
        if not self._over:
            seconds = self._ahead_rng.choice([0.02, 0.1, 1.0, 5.0, 3600.0]) * self._ahead_rng.uniform(0.6, 1.0)
            self._episode.set_clock(int(seconds * 1e9))
            self._next_ahead()

    def _for(self, what: str, least: float, most: float) -> int:
        """Something lasts for some seconds; when it ends [ns]."""
        self._until[what] = self._episode.now + int(self._rng.uniform(least, most) * 1e9)
        return self._until[what]

    def _lasts(self, what: str) -> bool:
        return self._episode.now < self._until.get(what, 0)

    # operator and clock

    def _stop(self) -> None:
        episode = self._episode
        episode.stop()
        episode.at(episode.now + int(self._rng.uniform(0.05, 1.0) * 1e9), episode.resume)

    def _stop_twice(self) -> None:
        self._stop()
        self._episode.at(self._episode.now + int(self._rng.uniform(0, 40)) * MS, self._stop)

    def _home(self) -> None:
        self._episode.home()

    def _resume(self) -> None:
        self._episode.resume()

    def _speed(self) -> None:
        slow = self._rng.random() < 0.5
        scale = float(np.exp(self._rng.uniform(np.log(0.05), 0.0))) if slow else 1.0
        self._episode.call("speed", self._episode.controller.set_speed_scale, scale)

    def _bad_speed(self) -> None:
        scale = float(self._rng.choice([0.0, -1.0, 1.5, np.nan, np.inf, 0.049]))
        try:
            self._episode.controller.set_speed_scale(scale)
        except ValueError:
            return
        self._episode.add("bad_speed_taken", scale, f"{scale}")

    def _clock_back(self) -> None:
        self._episode.set_clock(
            -int(self._rng.choice([0.1, 1.0, 5.0]) * self._rng.uniform(0.5, 1.0) * 1e9) - 20 * MS
        )

    # the arm and its states

    def _push(self) -> None:
        self._block(self._rng.choice([-1.0, 1.0]) * self._rng.uniform(0.01, 0.3))
        self._episode.may_anchor("push")

    def _block(self, aside: float = 0.0) -> None:
        episode, plant = self._episode, self._episode.plant
        joint = int(self._rng.integers(len(episode.names)))
        plant.block(joint, episode.now, aside)
        wait = int(self._rng.uniform(0.1, 1.5) * 1e9)
        episode.at(episode.now + wait, lambda: plant.release(joint, episode.now))

    def _missing(self) -> None:
        self._for("missing", 0.05, 1.5)

    def _old_stamps(self) -> None:
        self._for("old_stamps", 0.1, 1.0)

    def _glitch(self) -> None:
        self._until["glitch"] = 1

    def _jump(self) -> None:
        self._offset[:] = 0.0
        self._offset[int(self._rng.integers(len(self._offset)))] = self._rng.choice([-1.0, 1.0]) * self._rng.uniform(
            0.03, 1.0
        )
        self._for("jump", 0.0, 0.045)  # longer, and the arm might as well be there

    def _partial(self) -> None:
        self._for("partial", 0.0, 0.2)

    def _not_finite(self) -> None:
        self._for("not_finite", 0.0, 0.1)

    def _out_of_order(self) -> None:
        self._for("out_of_order", 0.0, 0.1)

    def _no_velocities(self) -> None:
        self._for("no_velocities", 0.1, 3.0)

    def joint_state(self) -> tuple | None:
        """What is measured now: stamp, names, positions, velocities or None, and whether it is complete and in time.

        None where nothing comes.
        """
        episode, rng = self._episode, self._rng
        if self._lasts("missing"):
            return None
        q, v = episode.plant.state(episode.now)
        noise = episode.cell.noise
        if noise:
            wobble = noise * np.minimum(np.maximum(rng.standard_normal((2, len(q))), -3.0), 3.0)
            q, v = q + wobble[0], v + 10.0 * wobble[1]
        stamp, sound = episode.clock, True
        if self._until.pop("glitch", None):
            q[int(rng.integers(len(q)))] += rng.choice([-1.0, 1.0]) * rng.uniform(0.03, 1.0)
            episode.may_anchor("leap")
        if self._lasts("jump"):
            q = q + self._offset
            episode.may_anchor("leap")
        if self._lasts("not_finite"):
            q[int(rng.integers(len(q)))] = rng.choice([np.nan, np.inf])
            sound = False
        if self._lasts("old_stamps") or (self._lasts("out_of_order") and rng.random() < 0.5):
            stamp -= int(rng.uniform(0.3, 1.0) * 1e9)
        names, q, v = self._names, [*q[self._shuffle].tolist(), 0.02], [*v[self._shuffle].tolist(), 0.0]
        if self._lasts("partial"):
            names, q, v, sound = names[1:], q[1:], v[1:], False
        return stamp, names, q, v if self._velocities and not self._lasts("no_velocities") else None, sound
