"""Minimum-jerk smoothing: a quintic spline through (nearly) the wanted positions, from a given state to rest.

The unknowns are position, velocity and acceleration at every knot, so the answer is already in the form in which the
joint trajectory controller joins points. The cost is the integral of squared jerk plus a weight times each of
the squared distances to the wanted positions. It is linear, and the same for every joint: one matrix, kept for each
pattern of knots.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from vla_motion.spline import quintic_coefficients

_UNIT = 0.1  # [s] unknowns are q, v * _UNIT, a * _UNIT^2: all of one size, which keeps the matrix well conditioned


def _unit_jerk_cost() -> np.ndarray:
    """(6, 6): integral of squared jerk over a unit quintic, as a quadratic form in (q0, v0, a0, q1, v1, a1)."""
    C = quintic_coefficients(1.0, *np.eye(6))
    jerk = np.stack([6.0 * C[3], 24.0 * C[4], 60.0 * C[5]])  # powers of time
    moments = 1.0 / (np.arange(3)[:, None] + np.arange(3)[None, :] + 1.0)
    return jerk.T @ moments @ jerk


_JERK_COST = _unit_jerk_cost()


def smoothing_weight(cutoff: float, step: float) -> float:
    """Weight of the wanted positions, ``step`` [s] apart, so that wishes slower than ``cutoff`` [rad/s] are followed.

    A sine wave of angular frequency w comes out 1 / (1 + (w / cutoff)^6) as large, and never late.
    """
    return step * cutoff**6


@lru_cache(maxsize=512)
def _solution(intervals_ns: tuple[int, ...], weights: tuple[float, ...]) -> np.ndarray:
    """(3 M, 3 + wanted): scaled knots after the first, from the scaled first knot and the wanted positions."""
    count, wanted = len(intervals_ns), len(weights)
    A = np.zeros((3 * (count + 1), 3 * (count + 1)))
    for k, interval in enumerate(intervals_ns):
        h = interval * 1e-9
        scale = np.array([1.0, h / _UNIT, (h / _UNIT) ** 2] * 2)
        A[3 * k : 3 * k + 6, 3 * k : 3 * k + 6] += scale[:, None] * _JERK_COST * scale / h**5
    targets = 3 * np.arange(1, wanted + 1)
    A[targets, targets] += weights
    right = np.zeros((3 * (count + 1), 3 + wanted))
    right[:, :3] = -A[:, :3]
    right[targets, 3 + np.arange(wanted)] += weights
    free = slice(3, 3 * count + 1)  # the last velocity and acceleration are zero
    X = np.zeros((3 * count, 3 + wanted))
    X[: 3 * count - 2] = np.linalg.solve(A[free, free], right[free])
    return X


def smooth(
    start: tuple[np.ndarray, np.ndarray, np.ndarray],
    intervals_ns: tuple[int, ...],
    wanted: np.ndarray,
    weights: tuple[float, ...],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Knots (q, v, a), each (M, J), after the start; the last at rest.

    start: q [rad], v [rad/s], a [rad/s^2], each (J,). intervals_ns: time to each of the M knots from the one before.
    wanted (K, J) [rad] and their weights (K): positions for the first K knots, K < M; the others are left to the cost.
    """
    state = np.stack([start[0], start[1] * _UNIT, start[2] * _UNIT**2])
    # counted from the start's position, so that rounding does not grow with it
    shift = state[0].copy()
    state[0] = 0.0
    X = _solution(tuple(intervals_ns), tuple(weights)) @ np.concatenate([state, wanted - shift])
    X = X.reshape(len(intervals_ns), 3, -1)
    return X[:, 0] + shift, X[:, 1] / _UNIT, X[:, 2] / _UNIT**2
