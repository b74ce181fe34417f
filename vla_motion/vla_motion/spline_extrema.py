"""Largest values of polynomial segments between their ends, from the roots of the derivatives."""

from __future__ import annotations

import numpy as np

__all__ = ["spline_peaks", "spline_position_bounds"]

_ITERATIONS = (
    16  # of Newton's method, bisecting where it leaves the bracket; a value's error is the root's squared
)


def spline_peaks(
    coefficients: np.ndarray, durations: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Largest |velocity|, |acceleration| and |jerk| of each segment, both ends included.

    coefficients (N, 6, J) in powers of seconds, durations (N,) [s]; returns three arrays (N, J).
    """
    c, T = _normalised(coefficients, durations)
    velocity, acceleration, jerk = (_derivative(c, order) for order in (1, 2, 3))
    turns = _roots_between(_derivative(c, 4), [])  # jerk is a parabola, monotone on both sides of its vertex
    jerk_peak = _largest(jerk, turns)
    jerk_zeros = _roots_between(jerk, turns)
    acceleration_peak = _largest(acceleration, jerk_zeros)
    acceleration_zeros = _roots_between(acceleration, jerk_zeros)
    velocity_peak = _largest(velocity, acceleration_zeros)
    return velocity_peak / T, acceleration_peak / T**2, jerk_peak / T**3


def spline_position_bounds(coefficients: np.ndarray, durations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest position of each segment, both ends included: two arrays (N, J).

    coefficients (N, 6, J) in powers of seconds, durations (N,) [s].
    """
    c, _ = _normalised(coefficients, durations)
    zeros: list[np.ndarray] = []
    for order in (4, 3, 2, 1):
        zeros = _roots_between(_derivative(c, order), zeros)
    values = _values_at(c, zeros)
    return values.min(axis=0), values.max(axis=0)


def _normalised(coefficients: np.ndarray, durations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (6, N, J) in powers of the fraction of the segment, and durations (N, 1)."""
    T = np.asarray(durations, dtype=np.float64)[:, None]
    powers = T[None] ** np.arange(6)[:, None, None]
    return np.moveaxis(np.asarray(coefficients, dtype=np.float64), 1, 0) * powers, T


def _derivative(c: np.ndarray, order: int) -> np.ndarray:
    for _ in range(order):
        c = c[1:] * np.arange(1, len(c))[:, None, None]
    return c


def _value(c: np.ndarray, s: np.ndarray) -> np.ndarray:
    value = c[-1]
    for coefficient in c[-2::-1]:
        value = coefficient + s * value
    return value


def _values_at(c: np.ndarray, inside: list[np.ndarray]) -> np.ndarray:
    return np.stack([c[0], c.sum(axis=0)] + [_value(c, s) for s in inside])


def _largest(c: np.ndarray, inside: list[np.ndarray]) -> np.ndarray:
    return np.abs(_values_at(c, inside)).max(axis=0)


def _roots_between(c: np.ndarray, turns: list[np.ndarray]) -> list[np.ndarray]:
    """Roots in [0, 1] of polynomials (K, N, J) that are monotone between the turns, which ascend.

    One array (N, J) for each interval; where an interval has no root it holds one of the interval's ends,
    so that the result ascends too and every entry is a point of the segment.
    """
    zero, one = np.zeros(c.shape[1:]), np.ones(c.shape[1:])
    edges = [zero, *turns, one]
    slope = _derivative(c, 1)
    roots = []
    for left, right in zip(edges[:-1], edges[1:], strict=True):
        low, high = left, right
        at_low, at_high = _value(c, low), _value(c, high)
        crosses = (at_low <= 0.0) != (at_high <= 0.0)
        if not crosses.any():
            roots.append(high)
            continue
        rising = at_low <= 0.0
        s = 0.5 * (low + high)
        for _ in range(_ITERATIONS):
            value = _value(c, s)
            below = (value <= 0.0) == rising
            low, high = np.where(below, s, low), np.where(below, high, s)
            gradient = _value(slope, s)
            newton = s - value / np.where(gradient == 0.0, 1.0, gradient)
            inside = (newton >= low) & (newton <= high) & (gradient != 0.0)
            s = np.where(inside, newton, 0.5 * (low + high))
        roots.append(np.where(crosses, s, right))
    return roots
