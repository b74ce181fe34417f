"""The commanded motion of one arm: what it was, what it is and what it will be, on one clock."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vla_controller.planning.kernels.track import along_motion, outside_of_motion
from vla_motion.spline import SplineTrajectory

HISTORY_NS = 5_000_000_000
_LAG_NS = np.arange(0, 200_000_001, 25_000_000)  # how far behind its command an arm may be
CLOSEST_KNOTS_NS = 500_000  # shorter segments would turn rounding of positions into jerk


class Along(NamedTuple):
    """How two positions go with a motion, from ``Timeline.along``.

    way_beyond: the way between them, beyond what the motion may have made [rad]; not positive: it has made it. nearest: where
    among the instants around the motion is nearest to the second, by index and fraction; off_nearest: how far from there
    [rad]; step2: the squared way from that instant to the next [rad^2]. fastest: the largest speed at the believed instant
    [rad/s]; off: how far the second is from there, beyond what jitter explains [rad].
    """

    way_beyond: float
    nearest: float
    off_nearest: float
    step2: float
    fastest: float
    off: float


class Timeline:
    """Knots joined by quintics, exactly as the joint trajectory controller joins them; at rest before and after.

    times_ns (N,) int64, absolute, strictly increasing; q [rad], v [rad/s], a [rad/s^2] each (N, J). The last knot is
    at rest. Immutable: ``spliced`` makes a new one.
    """

    def __init__(self, times_ns: np.ndarray, q: np.ndarray, v: np.ndarray, a: np.ndarray) -> None:
        self._spline = SplineTrajectory(times_ns, q, v, a)
        self.times_ns, self.q, self.v, self.a = self._spline.times_ns, q, v, a

    @classmethod
    def resting(cls, t_ns: int, q: np.ndarray) -> Timeline:
        """Standing still at q (J,) [rad]."""
        q = np.array(q, dtype=np.float64)[None]
        return cls(np.array([t_ns], dtype=np.int64), q, np.zeros_like(q), np.zeros_like(q))

    def shifted(self, by_ns: int) -> Timeline:
        """The same motion on a clock that was set on by by_ns, or back where it is negative."""
        return Timeline(self.times_ns + by_ns, self.q, self.v, self.a)

    @property
    def end_ns(self) -> int:
        """When the motion comes to rest."""
        return self._spline.end_ns

    def sample(self, t_ns: int | np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Position, velocity, acceleration at t_ns: each (J,) for an int, (M, J) for an array (M,)."""
        return self._spline.sample(t_ns)

    def distance(self, instants_ns: np.ndarray, q: np.ndarray) -> np.ndarray:
        """How far q (J,) lies outside of the range of the positions at these instants (M,) [ns]; negative inside."""
        out = np.empty(len(q))
        spline = self._spline
        outside_of_motion(spline.times_ns, spline.coefficients, spline.ends, instants_ns, q, out)
        return out

    def distance_with_lag(self, t_ns: int, q: np.ndarray) -> np.ndarray:
        """The same of the moments before t_ns, in which an arm that follows the motion late has its place."""
        return self.distance(t_ns - _LAG_NS, np.array(q, dtype=np.float64))

    def along(
        self, joints: slice, around_ns: np.ndarray, stamps_ns: tuple[int, int, int], before: np.ndarray, q: np.ndarray,
        *, noise: float, share: float, jitter: float,
    ) -> Along:  # fmt: skip
        """How two positions (K,) [rad] of some joints go with the motion; see kernels.track.along_motion."""
        out, spline = np.empty(6), self._spline
        along_motion(
            spline.times_ns, spline.coefficients, spline.ends, joints.start, around_ns, np.array(stamps_ns, dtype=np.int64),
            before, q, noise, share, jitter, out,
        )  # fmt: skip
        return Along(*out.tolist())

    def splice_instant(self, t_ns: int, closest_ns: int = CLOSEST_KNOTS_NS) -> int:
        """The first instant from t_ns on, in whole milliseconds, at least closest_ns behind a knot, or on one.

        Behind the last knot, where nothing moves, any distance will do that keeps rounding small.
        """
        while True:
            if t_ns > self.end_ns:
                closest_ns = CLOSEST_KNOTS_NS
            before = int(np.searchsorted(self.times_ns, t_ns, side="left")) - 1
            if before < 0 or t_ns - int(self.times_ns[before]) >= closest_ns:
                return t_ns
            missing = int(self.times_ns[before]) + closest_ns - t_ns
            later = t_ns - (-missing // 1_000_000) * 1_000_000
            following = int(self.times_ns[before + 1]) if before + 1 < len(self.times_ns) else later + 1
            if later < following:
                return later
            if following - int(self.times_ns[before]) >= CLOSEST_KNOTS_NS:
                return following
            t_ns = following + 1_000_000

    def spliced(
        self, now_ns: int, splice_ns: int, times_ns: np.ndarray, q: np.ndarray, v: np.ndarray, a: np.ndarray
    ) -> Timeline:
        """This motion up to splice_ns, then the given knots, all of them later than splice_ns.

        Splitting a quintic at its own position, velocity and acceleration leaves the curve as it was. Knots older
        than HISTORY_NS before now_ns are forgotten.
        """
        state = self.sample(splice_ns)
        keep = slice(
            max(0, int(np.searchsorted(self.times_ns, now_ns - HISTORY_NS, side="right")) - 1),
            int(np.searchsorted(self.times_ns, splice_ns, side="left")),
        )
        parts = []
        if self.end_ns < now_ns:  # a knot at now, so that a message need not begin when the last motion ended
            parts.append((np.array([now_ns], dtype=np.int64), *(x[None] for x in self.sample(now_ns))))
        if splice_ns > now_ns or not parts:
            parts.append((np.array([splice_ns], dtype=np.int64), *(x[None] for x in state)))
        kept = (self.times_ns[keep], self.q[keep], self.v[keep], self.a[keep])
        columns = zip(kept, *parts, (times_ns, q, v, a))
        return Timeline(*(np.concatenate(column) for column in columns))

    def running_knot(self, t_ns: int) -> int:
        """Index of the last knot at or before t_ns (the first one where there is none)."""
        return max(0, int(np.searchsorted(self.times_ns, t_ns, side="right")) - 1)

    def knots_from(self, t_ns: int, earliest_ns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """times_ns, q, v, a of the knots from the one that runs at t_ns on.

        Where that one is older than earliest_ns, the curve is cut there instead, which leaves it as it was.
        """
        begin = self.running_knot(max(t_ns, earliest_ns))
        knots = [column[begin:] for column in (self.times_ns, self.q, self.v, self.a)]
        if knots[0][0] < earliest_ns:
            knots = [column.copy() for column in knots]
            for column, value in zip(knots, (earliest_ns, *self.sample(earliest_ns))):
                column[0] = value
        return tuple(knots)
