"""The motion that trajectories command, sampled at 1 kHz against the card's limits, and its jerk. Piece by piece, flat memory."""

from __future__ import annotations

from collections import Counter

import numpy as np

from vla_contract.card import ArmCard
from vla_motion import rotation
from vla_motion.model import RobotModel
from vla_motion.spline import SplineTrajectory
from vla_motion.trajectory import JointTrajectory
from vla_replay.offline.spread import Spread

SAMPLE_NS = 1_000_000
"""Between two looks at the limits [ns]."""
JERK_NS = 10_000_000
"""Between two samples of the third difference [ns]."""
TOLERANCE = 1e-6
"""Relative; of positions, in rad and m."""
SPEED_TOLERANCE = 2e-3
"""Relative, of the tool's speeds, which are differences over a millisecond and not derivatives."""
_PIECE_NS = 5_000_000_000
_LAG_NS = np.arange(0, 200_000_001, 20_000_000)  # how far behind its command an arm may be
_LEFT_NS = 500_000_000


class ArmCurve:
    """What one arm executes: each trajectory rules until the next one takes over.

    Collision and table are not looked at here; `vla fuzz` has a checker for them.

    Attributes:
        violations: Instants beyond a limit, by kind; "step": a motion was replaced by one that does not go on from it.
        unjudged: Steps away from a motion that the arm had left: what begins then begins where the arm is.
        peaks: Largest share of each limit on a derivative.
        samples: Instants looked at. worst: Words on the largest violation, "" where there is none.
    """

    def __init__(self, arm: ArmCard, model: RobotModel) -> None:
        self._arm, self._model = arm, model
        limits = arm.limits
        self._derivatives = {
            "velocity": np.array(limits.velocity),
            "acceleration": np.array(limits.acceleration),
            "jerk": np.array(limits.jerk),
        }
        self._lower, self._upper = np.array(limits.position_lower), np.array(limits.position_upper)
        self._box = np.array(limits.workspace_min), np.array(limits.workspace_max)
        self.violations: Counter[str] = Counter()
        self.peaks: dict[str, float] = {}
        self.samples = self.unjudged = 0
        self.worst = ""
        self._worst = 0.0
        self._jerk = Spread()
        self._curve: SplineTrajectory | None = None
        self._before: SplineTrajectory | None = None
        self._begin_ns = 0
        self._left_ns: int | None = None
        self._tail = np.empty((0, len(arm.joints)))
        self._tail_end_ns = 0

    @property
    def rms_jerk(self) -> float | None:
        """RMS over all joints of the third difference of the positions, 10 ms apart [rad/s^3]; None: no motion."""
        return self._jerk.rms

    def take(self, trajectory: JointTrajectory, now_ns: int) -> None:
        """A trajectory is published at now_ns."""
        legacy = self._arm.replacement_rule == "legacy"
        begins_ns = now_ns if legacy or not trajectory.stamp_ns else max(trajectory.stamp_ns, now_ns)
        curve = SplineTrajectory.from_trajectory(trajectory, trajectory.stamp_ns or now_ns)
        self.finish(begins_ns)
        self._hand_over(curve, begins_ns)
        self._before, self._curve, self._begin_ns = self._curve, curve, begins_ns

    def see(self, stamp_ns: int, q: np.ndarray) -> None:
        """Where the arm is measured (J,) [rad]: beyond the card's tracking tolerance it does not follow.

        For chunks that move the arm here and did not when they were recorded: they were refused then, or nobody listened.
        """
        if self._curve is None:
            return
        instants = stamp_ns - _LAG_NS
        planned = self._curve.sample(instants)[0]
        if self._before is not None:
            earlier = instants < self._begin_ns
            planned[earlier] = self._before.sample(instants[earlier])[0]
        off = q - np.clip(q, planned.min(axis=0), planned.max(axis=0))
        off = np.where(self._model.continuous, np.remainder(off + np.pi, 2.0 * np.pi) - np.pi, off)
        if np.abs(off).max() > self._arm.limits.tracking_tolerance:
            self._left_ns = stamp_ns

    def _hand_over(self, curve: SplineTrajectory, at_ns: int) -> None:
        """A step in position, velocity or acceleration where a motion under way is replaced. At rest it may have been moved."""
        if self._curve is None or not self._begin_ns < at_ns < self._curve.end_ns or curve.start_ns > at_ns:
            return
        scales = 1.0, self._derivatives["velocity"], self._derivatives["acceleration"]
        before, after = self._curve.sample(at_ns), curve.sample(at_ns)
        steps = np.array([np.max(np.abs(new - old) / scale) for old, new, scale in zip(before, after, scales)])
        if self._left_ns is None or at_ns - self._left_ns > _LEFT_NS:
            self._beyond("step", steps, TOLERANCE)
        elif not steps.max() <= TOLERANCE:
            self.unjudged += 1

    def finish(self, until_ns: int | None = None) -> None:
        """Looks at what rules up to until_ns; by default to its end."""
        curve, self_begin = self._curve, self._begin_ns
        if curve is None:
            return
        end_ns = curve.end_ns if until_ns is None else min(until_ns, curve.end_ns)
        for begin_ns in range(self_begin, end_ns, _PIECE_NS):
            self._look(curve, begin_ns, min(begin_ns + _PIECE_NS, end_ns))
        if until_ns is None:
            self._curve = None

    def _look(self, curve: SplineTrajectory, begin_ns: int, end_ns: int) -> None:
        times = np.append(np.arange(begin_ns, end_ns, SAMPLE_NS), end_ns)
        q, v, a = curve.sample(times)
        self.samples += len(times)
        anchor = curve.positions[0]
        for name, value in (("velocity", v), ("acceleration", a), ("jerk", _jerk(curve, times))):
            share = np.abs(value) / self._derivatives[name]
            self.peaks[name] = max(self.peaks.get(name, 0.0), float(share.max()))
            self._beyond(name, share.max(axis=1) - 1.0, TOLERANCE)
        # Who begins outside may stay as far outside as it was.
        outside = np.maximum(np.minimum(self._lower, anchor) - q, q - np.maximum(self._upper, anchor))
        self._beyond("position", outside.max(axis=1), TOLERANCE)
        tool = self._model.forward_batch(q)
        low, high = (bound for bound in self._box)
        began = self._model.forward(np.array(anchor))[:3, 3]
        place = tool[:, :3, 3]
        outside = np.maximum(np.minimum(low, began) - place, place - np.maximum(high, began))
        self._beyond("workspace", outside.max(axis=1), TOLERANCE)
        seconds = np.diff(times) * 1e-9
        steady = seconds > 0.5e-3  # a shorter last interval would turn rounding into speed
        distance, angle = rotation.pose_error(tool[:-1][steady], tool[1:][steady])
        limits = self._arm.limits
        for name, way, limit in (
            ("tool_speed", distance, limits.tool_speed), ("tool_angular_speed", angle, limits.tool_angular_speed),
        ):  # fmt: skip
            share = way / seconds[steady] / limit
            if len(share):
                self.peaks[name] = max(self.peaks.get(name, 0.0), float(share.max()))
                self._beyond(name, share - 1.0, SPEED_TOLERANCE)
        self._third_differences(curve, begin_ns, end_ns)

    def _beyond(self, kind: str, excess: np.ndarray, tolerance: float) -> None:
        bad = ~(excess <= tolerance)
        if not bad.any():
            return
        self.violations[kind] += int(bad.sum())
        largest = float(np.nan_to_num(excess[bad], nan=np.inf).max())
        if largest > self._worst:
            self._worst = largest
            self.worst = f"{kind} of arm {self._arm.name} by {largest:.4g}"

    def _third_differences(self, curve: SplineTrajectory, begin_ns: int, end_ns: int) -> None:
        first = -(-begin_ns // JERK_NS) * JERK_NS
        times = np.arange(first, end_ns, JERK_NS)
        if not len(times):
            return
        if first != self._tail_end_ns + JERK_NS:  # the arm stood still in between
            self._tail = self._tail[:0]
        q = np.concatenate([self._tail, curve.sample(times)[0]])
        if len(q) > 3:
            self._jerk.add(np.diff(q, 3, axis=0) / (JERK_NS * 1e-9) ** 3)
        self._tail, self._tail_end_ns = q[-3:], int(times[-1])


def _jerk(curve: SplineTrajectory, times_ns: np.ndarray) -> np.ndarray:
    """Third derivative (N, J) at these instants; zero outside of the curve."""
    out = np.zeros((len(times_ns), curve.positions.shape[1]))
    if len(curve.times_ns) < 2:
        return out
    segment = np.searchsorted(curve.times_ns, times_ns, side="right") - 1
    inside = (segment >= 0) & (times_ns < curve.end_ns)
    k = segment[inside]
    t = (times_ns[inside] - curve.times_ns[k]) * 1e-9
    C = curve.coefficients[k]  # (N, 6, J)
    out[inside] = 6.0 * C[:, 3] + 24.0 * C[:, 4] * t[:, None] + 60.0 * C[:, 5] * (t**2)[:, None]
    return out
