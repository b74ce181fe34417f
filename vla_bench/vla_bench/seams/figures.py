"""Figures of a run with seams: steps at changes of message, jerk, fidelity, and the endpoint's own slip."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline

from vla_bench.rig.run import MS, Change, Executed, SeamRun
from vla_motion import rotation
from vla_motion.model import RobotModel
from vla_sim.jtc import JointTrajectoryEndpoint

RESAMPLED_NS = 10 * MS
"""Period of the curves whose jerk is compared [ns]."""
_MOVES = 0.08  # [m] less is hardly a motion to time


def seam_steps(run: SeamRun, executed: Executed) -> dict[str, float]:
    """Largest step where one message takes over from another, and what the curve does around it.

    position [rad], velocity [rad/s]: between the two messages at that instant. acceleration_ratio: largest change of
    acceleration from one control period of 1 ms to the next, over what the jerk limit allows in it, within 5 ms of a
    change of message or of motion; a curve inside its limits has at most 1.
    """
    worst = np.zeros(2)
    for begin, old, new in zip(executed.begins_ns[1:].tolist(), executed.curves[:-1], executed.curves[1:]):
        before, after = old.sample(begin), new.sample(begin)
        worst = np.maximum(worst, [np.abs(before[k] - after[k]).max() for k in (0, 1)])
    jerk = np.array(run.card.arms[0].limits.jerk)
    seams = np.unique(np.concatenate([executed.begins_ns[1:], [c.splice_ns for c in run.changes[1:]]]))
    around = np.arange(-5, 6) * MS
    a = executed.sample((seams[:, None] + around).ravel())[2].reshape(len(seams), len(around), -1)
    return {
        "position_rad": float(worst[0]),
        "velocity_rad_s": float(worst[1]),
        "acceleration_ratio": float((np.abs(np.diff(a, axis=1)) / (jerk * 1e-3)).max()),
    }


def rms_jerk(q: np.ndarray, dt: float) -> float:
    """RMS over all joints of the third difference of q (N, J), dt [s] apart."""
    return float(np.sqrt(np.mean((np.diff(q, 3, axis=0) / dt**3) ** 2)))


def times_of(run: SeamRun, period_ns: int = RESAMPLED_NS) -> np.ndarray:
    """From the first splice to the last change [ns]."""
    return np.arange(run.begin_ns, run.end_ns, period_ns)


def tool_positions(model: RobotModel, q: np.ndarray) -> np.ndarray:
    """(N, 3) [m]."""
    return model.forward_batch(q)[:, :3, 3]


class Request:
    """One chunk's targets joined by cubic splines of continuous acceleration, in position and in rotation vector."""

    def __init__(self, change: Change) -> None:
        times, T = change.targets()
        self._origin = int(times[0])
        self._R = T[0, :3, :3]
        t = (times - self._origin) * 1e-9
        self._t, self._p = t, T[:, :3, 3]
        self._position = CubicSpline(t, T[:, :3, 3])
        self._turn = CubicSpline(t, rotation.log(T[:, :3, :3] @ self._R.T))

    def poses(self, times_ns: np.ndarray) -> np.ndarray:
        """(N, 4, 4)."""
        t = np.minimum((times_ns - self._origin) * 1e-9, self._t[-1])
        return rotation.pose(self._position(t), rotation.exp(self._turn(t)) @ self._R)


def requested_poses(run: SeamRun, times_ns: np.ndarray) -> np.ndarray:
    """What the newest chunk that rules each instant asks for, (N, 4, 4)."""
    owner = np.searchsorted([c.splice_ns for c in run.changes], times_ns, side="right") - 1
    T = np.empty((len(times_ns), 4, 4))
    for k in np.unique(owner):
        here = owner == k
        T[here] = Request(run.changes[max(k, 0)]).poses(times_ns[here])
    return T


def fidelity(run: SeamRun, executed: Executed, period_ns: int = 5 * MS) -> dict[str, float]:
    """Executed tool against the request at the 95th percentile: position [mm], rotation [deg], lag [ms].

    lag: over windows of 2 s in which the tool moves, the shift that makes the two agree best; its size.
    """
    times = times_of(run, period_ns)
    T = run.model.forward_batch(executed.sample(times)[0])
    wanted = requested_poses(run, times)
    distance, angle = rotation.pose_error(wanted, T)
    lags = _lags(wanted[:, :3, 3], T[:, :3, 3], period_ns)
    return {
        "tool_error_mm_p50": float(np.percentile(distance, 50) * 1e3),
        "tool_error_mm_p95": float(np.percentile(distance, 95) * 1e3),
        "tool_rotation_deg_p95": float(np.degrees(np.percentile(angle, 95))),
        "tool_lag_ms_p50": float(np.percentile(lags, 50)),
        "tool_lag_ms_p95": float(np.percentile(np.abs(lags), 95)),
    }


def _lags(wanted: np.ndarray, executed: np.ndarray, period_ns: int) -> np.ndarray:
    """How late the executed path (N, 3) is, for each window [ms]."""
    window, reach = 2_000 * MS // period_ns, 100 * MS // period_ns
    shifts = np.arange(-reach, reach + 1)
    lags = []
    for begin in range(reach, len(wanted) - window - reach, window):
        here = executed[begin : begin + window]
        if np.ptp(here, axis=0).max() < _MOVES:
            continue
        errors = np.array([np.sum((here - wanted[begin - s : begin - s + window]) ** 2) for s in shifts])
        best = int(np.argmin(errors))
        shift = float(shifts[best])
        if 0 < best < len(shifts) - 1:  # vertex of the parabola through the three best
            left, mid, right = errors[best - 1 : best + 2]
            shift += 0.5 * (left - right) / max(left - 2.0 * mid + right, 1e-300)
        lags.append(shift * period_ns / MS)
    return np.array(lags or [0.0])


def endpoint_slip(run: SeamRun, seconds: float = 60.0) -> dict[str, float]:
    """What the joint trajectory controller itself adds, at 1 kHz: its desired motion against the messages' curves.

    position [rad] and in control periods of the motion's own speed: under splice it stands for one period at a change.
    """
    endpoint = JointTrajectoryEndpoint(run.card.arms[0].joints, MS, run.rule)
    begin = run.changes[0].now_ns
    end = min(run.end_ns, begin + int(seconds * 1e9))
    times = np.arange(begin, end, MS)
    ideal, speed, _ = run.executed().sample(times)
    desired = np.empty_like(ideal)
    pending = [c for c in run.changes if c.now_ns < end]
    for k, t in enumerate(times.tolist()):
        while pending and pending[0].now_ns <= t:
            result = endpoint.submit(pending.pop(0).trajectory, t)
            if not result.accepted:
                raise RuntimeError(f"the joint trajectory controller refused a trajectory: {result.reason}")
        endpoint.update(t, MS, ideal[k], speed[k])
        desired[k] = endpoint.desired[0]
    off = np.abs(desired - ideal)
    moving = np.abs(speed) > 0.05
    steps = np.abs(np.diff(desired, axis=0) - np.diff(ideal, axis=0))
    return {
        "position_rad": float(off.max()),
        "step_rad": float(steps.max()),
        "periods": float((off[moving] / (np.abs(speed[moving]) * 1e-3)).max(initial=0.0)),
    }
