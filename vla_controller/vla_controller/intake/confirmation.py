"""Whether trajectory controllers have shown, in their newest state, that they follow the plan."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vla_controller.intake.tolerances import EARLIEST_NS, JITTER_NS, LATEST_NS, NOISE, OFF, OFF_IN_TIME, SHARE
from vla_controller.planning.timeline import Along, Timeline
from vla_controller.planning.ways_to_rest import State

_SPAN_NS = 12_000_000  # over less, noise of stamps passes for motion
_LONGEST_PERIOD_NS = 100_000_000
_LATE_NS, _MISSING = 5_000_000, 1.4  # and share of a period
_AROUND_STEP_NS = 5_000_000
_AROUND_NS = np.arange(EARLIEST_NS, LATEST_NS + 1, _AROUND_STEP_NS)  # of a set point's stamp
_FAST = 0.02  # [rad/s] slower motion does not tell time
_OFTEN = 8
_ON_ITS_WAY_NS = 150_000_000


@dataclass
class _Seen:
    """What one controller has shown.

    newest_ns: stamp of its newest state, on_ns of the newest that lay on the plan, period_ns from one to the next, and late_ns
    until it is heard. points: a few of its set points (J,) [rad] behind their stamps, newest last. on: the newest lies on the
    plan. follows: up to there it went as planned, too. doubted: a state was missing before, and such an interval tells little.
    lead_ns: by how much its set points are ahead of their stamps, as far as is known: a control period, and what clocks differ.
    otherwise: how often in a row they have shown another lead, otherwise_ns: a clock on the way was set.
    """

    newest_ns: int
    points: deque[tuple[int, np.ndarray]]
    on_ns: int
    period_ns: float = math.inf
    late_ns: float = 0.0
    on: bool = True
    follows: bool = True
    doubted: bool = False
    lead_ns: float | None = None
    otherwise: int = 0
    otherwise_ns: float = 0.0

    def learn(self, shown_ns: float | None) -> None:
        """By a state that moved as planned, its set point was ahead of its stamp by this; None: it tells nothing of that."""
        if shown_ns is None:
            return
        if self.lead_ns is None:
            self.lead_ns = shown_ns
        elif abs(shown_ns - self.lead_ns) <= JITTER_NS:
            self.lead_ns, self.otherwise = self.lead_ns + (shown_ns - self.lead_ns) / 4, 0
        elif self.otherwise < _OFTEN:
            again = self.otherwise and abs(shown_ns - self.otherwise_ns) <= JITTER_NS
            self.otherwise, self.otherwise_ns = self.otherwise + 1 if again else 1, shown_ns

    def rest(self) -> None:
        """It stands where it is commanded to. Where it had shown another lead again and again, its next motion tells:
        while it moves, a clock that was set looks like a message that was lost."""
        if self.otherwise >= _OFTEN:
            self.lead_ns, self.otherwise = None, 0


class Confirmation:
    """One entry for each arm, in the card's order. One that was never heard is believed: older drivers are mute.

    A controller that was deactivated and activated again holds where it stood: for a moment its set point is still near the
    plan, but it no longer goes with it. What was planned meanwhile it never got, and what goes on from there makes it leap.
    """

    def __init__(self, arms: Sequence[str]) -> None:
        self._arms = tuple(arms)
        self._seen: list[_Seen | None] = [None] * len(arms)
        self._since_ns: int | None = None

    def see(
        self, arm: int, q: np.ndarray, stamp_ns: int, now_ns: int, timeline: Timeline, joints: slice, *, stamped: bool = True
    ) -> None:
        """A set point q (J,) [rad] of an arm, of stamp_ns, heard now; its joints in the timeline, which is the plan. stamped:
        the stamp is that of its message; else of when it was heard, as it had none that can be of this clock."""
        seen = self._seen[arm]
        if self._since_ns is not None and (
            stamp_ns < self._since_ns + EARLIEST_NS or (not stamped and now_ns < self._since_ns + _ON_ITS_WAY_NS)
        ):
            return
        if seen is None:
            self._seen[arm] = _Seen(stamp_ns, deque([(stamp_ns, q)], maxlen=3), stamp_ns)
            return
        if stamp_ns < seen.newest_ns:
            return  # overtaken on its way: nothing that was learnt since is void
        elapsed_ns = stamp_ns - seen.newest_ns
        seen.doubted = seen.doubted or elapsed_ns > _MISSING * seen.period_ns + _LATE_NS
        seen.period_ns = _averaged(seen.period_ns, elapsed_ns)
        seen.newest_ns = stamp_ns
        seen.late_ns += (min(max(now_ns - stamp_ns, 0), _LONGEST_PERIOD_NS) - seen.late_ns) / 8
        if stamp_ns - seen.points[-1][0] < _SPAN_NS:
            return
        before_ns, before = seen.points[-1]
        if before_ns + EARLIEST_NS >= timeline.end_ns:  # at rest
            seen.on = bool(np.abs(q - timeline.q[-1, joints]).max() <= OFF_IN_TIME)
            seen.follows = not seen.doubted and bool(np.abs(q - before).max() <= NOISE)
            if seen.on and seen.follows:
                seen.rest()
        else:
            self._compare(seen, q, stamp_ns, timeline, joints)
        seen.follows = seen.follows and seen.on
        seen.on_ns = stamp_ns if seen.on else seen.on_ns
        if seen.doubted:
            seen.points.clear()
        seen.doubted = False
        seen.points.append((stamp_ns, q))

    @staticmethod
    def _compare(seen: _Seen, q: np.ndarray, stamp_ns: int, timeline: Timeline, joints: slice) -> None:
        """follows: since its last state it has moved as planned, whatever its stamps are of. on: it is where the plan is at its
        time. What its stamps are of is learnt while it follows; it is believed until then."""
        before_ns, before = seen.points[-1]
        stamps_ns = before_ns, stamp_ns, stamp_ns + round(seen.lead_ns or 0)
        along = timeline.along(joints, _AROUND_NS, stamps_ns, before, q, noise=NOISE, share=SHARE, jitter=JITTER_NS * 1e-9)
        seen.follows = not seen.doubted and along.way_beyond <= 0.0
        in_time = seen.lead_ns is None or along.off <= OFF_IN_TIME
        seen.on = in_time and along.off_nearest <= OFF
        if seen.follows and along.fastest > _FAST:
            seen.learn(_nearest(along))

    def missing(self, now_ns: int) -> str:
        """Whose word is missing that it follows the plan, in words; empty: nobody's."""
        for name, seen in zip(self._arms, self._seen):
            if seen is None:
                continue
            if not seen.follows:
                return f"the trajectory controller of arm {name} does not go with the motion that it was sent"
            age_ns = now_ns - seen.newest_ns
            if age_ns > min(seen.period_ns, _LONGEST_PERIOD_NS) + seen.late_ns + _LATE_NS:
                return f"the trajectory controller of arm {name} has said nothing for {age_ns * 1e-6:.0f} ms"
        return ""

    def is_off(self, arm: int) -> bool:
        """By its newest state it is elsewhere than planned."""
        return self._seen[arm] is not None and not self._seen[arm].on

    def last_word_ns(self, arm: int) -> int | None:
        """Stamp of its newest state that lay on the plan; None: it was never heard."""
        return None if self._seen[arm] is None else self._seen[arm].on_ns

    def tells_speed(self, arm: int) -> bool:
        """It has said more than once where it is, without a gap."""
        return self._seen[arm] is not None and len(self._seen[arm].points) > 1

    def motion(self, arm: int, t_ns: int, acceleration: np.ndarray) -> State | None:
        """Position, velocity and acceleration, each (J,), of its set points, carried on to t_ns; None: it was never heard.

        As far as they tell: of a single one it stands, as after an activation; of two it goes on evenly, and where it changed by
        more than the acceleration (J,) that is allowed.
        """
        if self._seen[arm] is None:
            return None
        points = list(self._seen[arm].points)
        newest_ns, q = points[-1]
        speeds = [(q1 - q0) / (t1 - t0) * 1e9 for (t0, q0), (t1, q1) in zip(points, points[1:])]
        v, a = speeds[-1] if speeds else np.zeros_like(q), np.zeros_like(q)
        if len(speeds) == 2:
            a = (speeds[1] - speeds[0]) / (newest_ns - points[0][0]) * 2e9
            a = np.where(np.abs(a) <= acceleration, a, 0.0)
            v = v + a * (newest_ns - points[1][0]) * 0.5e-9
        ahead = (t_ns - newest_ns - (self._seen[arm].lead_ns or 0.0)) * 1e-9
        return q + v * ahead + 0.5 * a * ahead**2, v + a * ahead, a

    def forget(self, now_ns: int) -> None:
        """As before the first state: stamps are of another time, or what is planned is, from now on. What is heard of before was
        on its way, with stamps of that other time."""
        self._seen = [None] * len(self._arms)
        self._since_ns = now_ns


def _nearest(along: Along) -> float | None:
    """From a stamp on, when the plan is where it said [ns]. None: never, or it hardly moves there."""
    if along.off_nearest > NOISE or along.step2 < (_FAST * _AROUND_STEP_NS * 1e-9) ** 2:
        return None
    return float(np.interp(along.nearest, np.arange(len(_AROUND_NS)), _AROUND_NS))


def _averaged(period_ns: float, elapsed_ns: int) -> float:
    """A running mean of the times from state to state [ns], in which a gap counts little."""
    return period_ns + (min(elapsed_ns, 2 * period_ns) - period_ns) / 8 if math.isfinite(period_ns) else elapsed_ns
