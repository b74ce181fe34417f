"""Minimum-jerk smoothing: a quintic spline through (nearly) the wanted positions, from a given state to rest.

The unknowns are position, velocity and acceleration at every knot, so the answer is already in the form in which the
joint trajectory controller joins points. The cost is the integral of squared jerk plus a weight times each of
the squared distances to the wanted positions. It is linear, and every knot meets its neighbours only: time grows with
the number of knots.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vla_controller.planning.kernels.smooth import smooth_joint, smooth_within
from vla_motion.spline import quintic_coefficients


def _unit_jerk_cost() -> np.ndarray:
    """(6, 6): integral of squared jerk over a unit quintic, as a quadratic form in (q0, v0, a0, q1, v1, a1)."""
    C = quintic_coefficients(1.0, *np.eye(6))
    jerk = np.stack([6.0 * C[3], 24.0 * C[4], 60.0 * C[5]])  # powers of time
    moments = 1.0 / (np.arange(3)[:, None] + np.arange(3)[None, :] + 1.0)
    return np.ascontiguousarray(jerk.T @ moments @ jerk)


_JERK_COST = _unit_jerk_cost()


def smoothing_weight(cutoff: float, step: float) -> float:
    """Weight of the wanted positions, ``step`` [s] apart, so that wishes slower than ``cutoff`` [rad/s] are followed.

    A sine wave of angular frequency w comes out 1 / (1 + (w / cutoff)^6) as large, and never late.
    """
    return step * cutoff**6


def smooth(
    start: tuple[np.ndarray, np.ndarray, np.ndarray],
    intervals_ns: Sequence[int],
    wanted: np.ndarray,
    weights: Sequence[float],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Knots (q, v, a), each (M, J), after the start; the last at rest.

    start: q [rad], v [rad/s], a [rad/s^2], each (J,). intervals_ns: time to each of the M knots from the one before.
    wanted (K, J) [rad] and their weights (K): positions for the first K knots, K < M; the others are left to the cost.
    """
    state = np.ascontiguousarray(np.stack(start).T)
    intervals = np.asarray(intervals_ns, dtype=np.float64) * 1e-9
    out = np.empty((len(state), 3, len(intervals)))
    none, columns = np.zeros((2, len(intervals))), np.ascontiguousarray(np.transpose(wanted))
    w = np.asarray(weights, dtype=np.float64)
    for j, own in enumerate(state):
        smooth_joint(_JERK_COST, own, intervals, columns[j], w, none, none, out[j])
    return out[:, 0].T, out[:, 1].T, out[:, 2].T


def smooth_within_limits(
    start: tuple[np.ndarray, np.ndarray, np.ndarray],
    intervals_ns: Sequence[int],
    wanted: np.ndarray,
    weights: Sequence[float],
    velocity: np.ndarray,
    acceleration: np.ndarray,
    jerk: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """As smooth(), each joint brought within its limits (J,) [rad/s, ...] where that can be done in a few rounds.

    Also returns how many rounds that took: 0 where smoothing alone kept to the limits.
    """
    state = np.stack(start)
    intervals = np.asarray(intervals_ns, dtype=np.float64) * 1e-9
    out = np.empty((3, len(intervals), state.shape[1]))
    w = np.tile(np.asarray(weights, dtype=np.float64), (state.shape[1], 1))
    wanted = np.ascontiguousarray(wanted, dtype=np.float64)
    rounds = smooth_within(_JERK_COST, state, intervals, wanted, w, velocity, acceleration, jerk, out)
    return out[0], out[1], out[2], rounds
