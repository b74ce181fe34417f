"""Whether a leap of what an arm executes is the doing of a trouble, or of the controller, who had been told.

What was asked is every message, as if none had been lost: a motion of its own, ``asked``. While an arm executes what was asked,
no leap is excused. Where it does not (a message was lost, came late or in the wrong order, a trajectory controller was switched
off), a message that takes over makes it leap back to the plan. That is the trouble's doing where

- the message itself was late, or overtaken; or
- no state that was heard before the message was made was of an instant at which the arm was off what was asked, and
  either the message is a stop, which never waits, or the newest state was as fresh as that arm's states are, or the arm
  is off by too little for any state to show; or
- the arm was off what was asked by the newest state, as fresh as its states are, and a message that was late has brought it back
  since: what begins where it was known to be is a leap from there.

A stop of an arm that was known to be off begins at where it was known to be: it may miss that by as much as the arm's
acceleration changes the motion since. Everything else is a violation, as it is in an arm that executes what was asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vla_bench.fuzz.curve import Executed, Part
from vla_bench.fuzz.curve_check import TOLERANCE, ArmLimits
from vla_bench.fuzz.random_cell import MS
from vla_bench.fuzz.speech import Manner

OFF, OFF_NS = 1e-3, 10 * MS  # [rad], and of the motion under way: less, and no state can show it
_SAME = 1e-9
_LATE_NS = 30 * MS  # a state may be so much later than it mostly is


class Known(NamedTuple):
    """What was known of an arm when a message for it was made. of_ns: the instant of the newest state heard, None without
    one; spacing_ns: and of the one before. off: the arm was off what was asked then. fresh: as fresh as states are. stop: the
    message is no chunk, nor the way home."""

    of_ns: int | None
    spacing_ns: int
    off: bool
    fresh: bool
    stop: bool


@dataclass
class _Shown:
    of_ns: int
    spacing_ns: int
    off: bool


class Leaps:
    """One entry for each arm. arms: what each executes, asked: what it was asked to. excused: leaps of troubles, by cause."""

    def __init__(self, arms: list[Executed], start: np.ndarray, limits: list[ArmLimits], manners: list[Manner]) -> None:
        self._arms, self._limits, self._manners = arms, limits, manners
        self.asked = [Executed(arm.rule, q) for arm, q in zip(arms, start)]
        self.excused: dict[str, int] = {}
        self._shown: list[_Shown | None] = [None] * len(arms)
        self._struck = [False] * len(arms)
        self._struck_ns = [0] * len(arms)

    def strike(self, arm: int, now_ns: int) -> None:
        """From now on this arm may be off what was asked, or go on otherwise than before."""
        self._struck[arm], self._struck_ns[arm] = True, now_ns

    def off_by(self, arm: int, t_ns: int) -> tuple[float, float]:
        """How far an arm is off what was asked at an instant [rad], and how fast it is, or was asked to be [rad/s]."""
        if not self._struck[arm]:
            return 0.0, 0.0
        did, asked = self._arms[arm].at(t_ns), self.asked[arm].at(t_ns)
        return float(np.abs(did[0] - asked[0]).max()), float(max(np.abs(did[1]).max(), np.abs(asked[1]).max()))

    def is_off(self, arm: int, t_ns: int) -> bool:
        """By more than any state's noise and lateness hides."""
        off, speed = self.off_by(arm, t_ns)
        return off > OFF + speed * OFF_NS * 1e-9

    def seems_off(self, arm: int, now_ns: int) -> bool:
        """It is, or it was when its newest state was made: more is not known of it."""
        shown = self._shown[arm]
        return self.is_off(arm, now_ns) or (shown is not None and shown.off)

    def heard(self, arm: int, of_ns: int) -> None:
        """A state that was made at of_ns was heard."""
        before = self._shown[arm]
        spacing = 0 if before is None else of_ns - before.of_ns
        self._shown[arm] = _Shown(of_ns, spacing, self.is_off(arm, of_ns))

    def forget(self) -> None:
        """The clock was set: stamps of before tell nothing."""
        self._shown = [None] * len(self._arms)

    def known(self, arm: int, now_ns: int, *, stop: bool) -> Known:
        """To the controller, which makes a message now."""
        shown, manner = self._shown[arm], self._manners[arm]
        if shown is None:
            return Known(None, 0, False, True, stop)
        patience = 2 * manner.period_ns + manner.latency_ns + manner.jitter_ns + _LATE_NS
        return Known(shown.of_ns, shown.spacing_ns, shown.off, now_ns - shown.of_ns <= patience, stop)

    def judge(self, arm: int, part: Part, asked: Part, known: Known, troubled: bool) -> bool:
        """Marks a leap of a new part of the motion as the trouble's where it is; then True. troubled: its message came late."""
        limits, step = self._limits[arm], np.abs(part.after - part.before)
        scale = np.stack([np.ones_like(limits.velocity), limits.velocity, limits.acceleration])
        if troubled and part.late_ns > 0:
            part.trouble = "late message"
        if part.anchored or part.trouble or (np.all(step / scale <= TOLERANCE) and part.late_ns <= 0):
            return bool(part.trouble)
        part.trouble = self._cause(arm, part, asked, known, troubled)
        if part.trouble:
            self.excused[part.trouble] = self.excused.get(part.trouble, 0) + 1
        return bool(part.trouble)

    def _cause(self, arm: int, part: Part, asked: Part, known: Known, troubled: bool) -> str:
        if troubled:
            return "late message"
        if not self._struck[arm]:
            return ""
        if np.abs(part.before - asked.before).max() <= _SAME:
            back_unseen = known.off and known.of_ns < self._struck_ns[arm] and (known.stop or known.fresh)
            return "back on the plan unseen" if back_unseen else ""
        told = known.off and known.of_ns >= self._struck_ns[arm]
        if not told:  # of what is too little for any state to show, no fresh one would have told either
            hidden = not self.is_off(arm, part.start_ns)
            return "not told" if known.stop or known.fresh or hidden else ""
        if not known.stop:
            return ""
        apart, limits = (part.start_ns - known.of_ns + 2 * max(known.spacing_ns, 0)) * 1e-9, self._limits[arm]
        step = np.abs(part.after - part.before)
        close = np.all(step[0] <= OFF + limits.acceleration * apart**2)
        return "stop from what was told" if close and np.all(step[1] <= limits.acceleration * (apart + 0.1)) else ""
