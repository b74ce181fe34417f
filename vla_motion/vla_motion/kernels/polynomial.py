"""Exact extremes of quintics on a segment: no value between two samples escapes.

Coefficients (6,) are in powers of the fraction of the segment, 0 to 1.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit


@njit("float64(float64[::1], int64, float64)", cache=True)
def value(c, order, s):
    """Derivative of this order (0 to 3) at s."""
    if order == 0:
        return c[0] + s * (c[1] + s * (c[2] + s * (c[3] + s * (c[4] + s * c[5]))))
    if order == 1:
        return c[1] + s * (2.0 * c[2] + s * (3.0 * c[3] + s * (4.0 * c[4] + s * 5.0 * c[5])))
    if order == 2:
        return 2.0 * c[2] + s * (6.0 * c[3] + s * (12.0 * c[4] + s * 20.0 * c[5]))
    return 6.0 * c[3] + s * (24.0 * c[4] + s * 60.0 * c[5])


@njit("int64(float64[::1], float64[::1])", cache=True)
def _jerk_roots(c, roots):
    """Zeros of the jerk in (0, 1), ascending."""
    A, B, C = 60.0 * c[5], 24.0 * c[4], 6.0 * c[3]
    count = 0
    if A == 0.0:
        if B != 0.0 and 0.0 < -C / B < 1.0:
            roots[0] = -C / B
            count = 1
        return count
    disc = B * B - 4.0 * A * C
    if disc <= 0.0:
        return 0
    t = -0.5 * (B + math.copysign(math.sqrt(disc), B))
    first = t / A
    second = C / t if t != 0.0 else first
    if first > second:
        first, second = second, first
    if 0.0 < first < 1.0:
        roots[count] = first
        count += 1
    if 0.0 < second < 1.0 and second != first:
        roots[count] = second
        count += 1
    return count


@njit("int64(float64[::1], int64, float64[::1], int64, float64[::1])", cache=True)
def _roots_between(c, order, turns, turn_count, roots):
    """Zeros in (0, 1) of a derivative that is monotone between the turns, which ascend."""
    count = 0
    low = 0.0
    at_low = value(c, order, 0.0)
    for k in range(turn_count + 1):
        high = turns[k] if k < turn_count else 1.0
        at_high = value(c, order, high)
        if (at_low < 0.0) != (at_high < 0.0):
            a, b, rising = low, high, at_low < 0.0
            s = 0.5 * (a + b)
            for _ in range(60):
                f = value(c, order, s)
                if (f < 0.0) == rising:
                    a = s
                else:
                    b = s
                slope = value(c, order + 1, s)
                new = s - f / slope if slope != 0.0 else a
                if not a < new < b:
                    new = 0.5 * (a + b)
                if abs(new - s) < 1e-13:
                    s = new
                    break
                s = new
            roots[count] = s
            count += 1
        low, at_low = high, at_high
    return count


@njit("void(float64[::1], float64[::1])", cache=True)
def extremes(c, out):
    """out (5,): least and greatest position, largest |velocity|, |acceleration|, |jerk|, in units of the fraction."""
    jerk_zero, acceleration_zero, velocity_zero = np.empty(2), np.empty(3), np.empty(4)
    jerks = _jerk_roots(c, jerk_zero)
    accelerations = _roots_between(c, 2, jerk_zero, jerks, acceleration_zero)
    velocities = _roots_between(c, 1, acceleration_zero, accelerations, velocity_zero)
    start, end = value(c, 0, 0.0), value(c, 0, 1.0)
    low, high = min(start, end), max(start, end)
    for k in range(velocities):
        p = value(c, 0, velocity_zero[k])
        low, high = min(low, p), max(high, p)
    v = max(abs(value(c, 1, 0.0)), abs(value(c, 1, 1.0)))
    for k in range(accelerations):
        v = max(v, abs(value(c, 1, acceleration_zero[k])))
    a = max(abs(value(c, 2, 0.0)), abs(value(c, 2, 1.0)))
    for k in range(jerks):
        a = max(a, abs(value(c, 2, jerk_zero[k])))
    j = max(abs(value(c, 3, 0.0)), abs(value(c, 3, 1.0)))
    if c[5] != 0.0 and 0.0 < -0.2 * c[4] / c[5] < 1.0:
        j = max(j, abs(value(c, 3, -0.2 * c[4] / c[5])))
    out[0], out[1], out[2], out[3], out[4] = low, high, v, a, j


@njit("void(float64, float64, float64, float64, float64, float64, float64, float64[::1])", cache=True)
def quintic(T, p0, v0, a0, p1, v1, a1, out):
    """out (6,): the quintic with these ends over T [s], in powers of the fraction."""
    V0, V1, A0, A1 = v0 * T, v1 * T, a0 * T * T, a1 * T * T
    d = p1 - p0
    out[0], out[1], out[2] = p0, V0, 0.5 * A0
    out[3] = 10.0 * d - 6.0 * V0 - 4.0 * V1 - 1.5 * A0 + 0.5 * A1
    out[4] = -15.0 * d + 8.0 * V0 + 7.0 * V1 + 1.5 * A0 - A1
    out[5] = 6.0 * d - 3.0 * (V0 + V1) + 0.5 * (A1 - A0)
