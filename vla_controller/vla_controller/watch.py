"""What is known of the arm and of the clock, and what of it keeps the arm from moving."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from vla_contract.card import InterfaceCard

from .cell import Cell
from .clock_watch import ClockWatch
from .gate import Refusal
from .joint_states import JointStates
from .readiness import Readiness, at_full_speed
from .tracking import Tracking, distance

_AHEAD_NS = 50_000_000
_FRESH_NS = 100_000_000
_WAY_NS = np.arange(0, 100_000_001, 20_000_000)  # how old a controller's word may be
_DROPPED = 0.01  # [rad]


class Watch:
    """Joint states, what joint trajectory controllers say of themselves, and the clock, held against the commanded motion.

    ``states`` and ``ready`` are for reading. dry_run: nothing that is commanded is executed, so the two are not
    compared. clock, steady, simulated: see ClockWatch.
    """

    def __init__(
        self, card: InterfaceCard, cell: Cell, *, dry_run: bool, clock: Callable[[], int] | None,
        steady: Callable[[], int] | None, simulated: bool,
    ) -> None:  # fmt: skip
        self._cell, self._dry_run = cell, dry_run
        self._clocks = ClockWatch(clock, steady, simulated=simulated)
        limits = np.concatenate([arm.limits.velocity for arm in cell.arms])
        self.states = JointStates(cell.joint_names, limits)
        # One for each source: references on the plan would hide that the arm itself has stopped following.
        self._tracking = Tracking(cell.tolerance)
        self._references = [Tracking(cell.tolerance) for _ in cell.arms]
        self.ready = Readiness(card, self.states, speed_scaling=[1.0] * len(cell.arms))
        self._told: list[tuple[int, np.ndarray] | None] = [None] * len(cell.arms)
        self._now_ns = 0
        self._stale = False

    def on_joint_state(
        self, stamp_ns: int, names: Sequence[str], positions: Sequence[float], velocities: Sequence[float] | None, now_ns: int
    ) -> None:
        """See ChunkController.on_joint_state."""
        if self._clocks.was_set(now_ns):
            return  # the next tick sees to the clock first
        ready, states = self.ready, self.states
        ready.ahead_ns = stamp_ns - now_ns if stamp_ns > now_ns + _AHEAD_NS else 0
        if ready.ahead_ns or not states.update(stamp_ns, names, positions, velocities):
            return
        if ready.clock_set and states.at_rest and states.known and states.settled:
            known = self._cell.timeline is not None
            waiting = self._cell.moving(stamp_ns) if known else stamp_ns < ready.sent_until_ns
            ready.clock_set = ready.clock_set if waiting else ""
        if self._cell.timeline is not None and not self._dry_run:
            self._tracking.compare(stamp_ns, states.positions, self._cell.timeline)
            self._cell.watch_sag(now_ns, states)

    def on_controller_state(
        self, arm: int, names: Sequence[str], reference: Sequence[float], speed_scaling: float, now_ns: int
    ) -> str:
        """See ChunkController.on_controller_state. Why to brake, in words; empty: go on."""
        before, self.ready.speed_scaling[arm] = self.ready.speed_scaling[arm], float(speed_scaling)
        entry, place = self._cell.arms[arm], dict(zip(names, reference))
        joints = entry.card.joints
        if self._cell.timeline is not None and not self._dry_run and all(joint in place for joint in joints):
            told = self.states.positions.copy()
            told[entry.joints] = [place[joint] for joint in joints]
            if np.isfinite(told).all():
                self._references[arm].compare(now_ns, told, self._cell.timeline, entry.joints)
                self._told[arm] = now_ns, told
        if at_full_speed(before) and not at_full_speed(speed_scaling):
            return f"a joint trajectory controller runs at {speed_scaling:.4g} of its speed"
        return ""

    def refusal(self, now_ns: int) -> Refusal | None:
        """Why the arm may not be set in motion now."""
        return self.ready.refusal(now_ns, commanded=self._cell.timeline is not None)

    def clock_set(self, now_ns: int) -> str:
        """Which way the clock was set since the last call, in words; empty: it was not.

        What was measured is of another time then. What was sent goes on, and ends at rest: with a steady clock it is known where.
        """
        before_ns, self._now_ns = self._now_ns, now_ns
        jump = self._clocks.take(now_ns)
        if jump is None:
            return ""
        ready = self.ready
        pending_ns = ready.sent_until_ns - before_ns if ready.clock_set else 0
        ready.sent_until_ns = now_ns + max(self._cell.remaining_ns(before_ns), pending_ns)
        if jump.by_ns is None:
            self._cell.forget()
        else:
            self._cell.shift(jump.by_ns)
        self._forget_tracking()
        self._told = [None] * len(self._told)
        self.states.forget()
        ready.desync, ready.clock_set, ready.blind_since_ns = False, jump.words, now_ns
        return jump.words

    def set_meanwhile(self) -> bool:
        """The clock was set since the instant that the last call of ``clock_set`` was about: stamps made since are of neither."""
        return self._clocks.set_meanwhile()

    @property
    def tracking_error(self) -> float:
        """How far outside of the commanded motion of the last moments a joint is, measured or by a controller's word [rad]."""
        return max(tracking.error for tracking in (self._tracking, *self._references))

    def held_at(self, now_ns: int) -> np.ndarray | None:
        """Where all arms stand still (J,) [rad], though not where they were commanded to be in the last moments: something holds
        one, or its trajectory controller has dropped the plan. None where that is not so.

        By the measured positions, beyond the tracking tolerance; by a controller's own word, beyond what messages are late.
        """
        states, timeline = self.states, self._cell.timeline
        if self._dry_run or timeline is None or not states.stands or self.ready.is_stale(now_ns):
            return None
        apart = bool(np.any(distance(timeline, states.stamp_ns, states.positions) > self._cell.tolerance))
        held = states.positions.copy()
        for entry, told in zip(self._cell.arms, self._told):
            if told is None or now_ns - told[0] > _FRESH_NS:
                continue
            if np.any(timeline.distance(now_ns - _WAY_NS, told[1])[entry.joints] > _DROPPED):
                apart, held[entry.joints] = True, told[1][entry.joints]
        return held if apart else None

    def _forget_tracking(self) -> None:
        for tracking in (self._tracking, *self._references):
            tracking.forget()

    def stale_since_last(self, now_ns: int) -> bool:
        """Joint states have stopped arriving, and had not at the last call."""
        before, self._stale = self._stale, self.ready.is_stale(now_ns)
        return self._stale and not before

    def lost_since_last(self) -> bool:
        """Measured and commanded motion disagree, and did not at the last call."""
        lost = any(tracking.lost for tracking in (self._tracking, *self._references))
        found = lost and not self.ready.desync
        self.ready.desync = self.ready.desync or found
        return found

    def settle(self, now_ns: int) -> bool:
        """At rest after a disagreement or a leap, the arm is where it is measured. True: the commanded motion is forgotten."""
        seen_ns, states = self.states.stamp_ns, self.states
        still = seen_ns is not None and states.at_rest and states.settled and not self._cell.moving(seen_ns)
        if not still or not (self.ready.desync or states.leap):
            return False
        self.ready.desync = False
        states.settle()
        self._forget_tracking()
        if self._cell.timeline is None or not self._cell.is_away(now_ns, states):
            return False
        self._cell.forget()
        return True
