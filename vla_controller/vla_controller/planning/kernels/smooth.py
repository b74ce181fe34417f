"""Minimum-jerk smoothing: the normal equations of `planner`, block by block along the knots, joint by joint."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from vla_motion.kernels.polynomial import extremes, quintic, value

UNIT = 0.1  # [s] unknowns are q, v * UNIT, a * UNIT^2: all of one size, which keeps the equations well conditioned
_ROUNDS = 10
_PIN_VELOCITY = 1e11  # weights that leave nothing of a pinned value open, in the scaled unknowns
_PIN_ACCELERATION = 1e10
_PINNED_TO = 0.985  # of a limit
_YIELD = 0.2  # of its weight is left to a wanted position where the jerk is too high
_PROBES = 9


@njit(
    "void(float64[:,::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[:,::1], float64[:,::1], "
    "float64[:,::1])",
    cache=True,
)
def smooth_joint(jerk_cost, start, intervals, wanted, weights, pins, pinned_to, out):
    """out (3, M): position, velocity, acceleration of the knots after the start; the last is at rest.

    jerk_cost (6, 6): of a unit quintic. start (3,). intervals (M,) [s]. wanted (K,) and weights (K,): of the first K
    knots, K < M. pins (2, M): weights of given velocities and accelerations, pinned_to (2, M).
    """
    M, K = len(intervals), len(wanted)
    D = np.zeros((M, 3, 3))
    off = np.zeros((M, 3, 3))  # rows of knot k, columns of knot k - 1
    x = np.zeros((M, 3))
    s = np.empty(6)
    for k in range(M):
        h = intervals[k]
        for i in range(2):
            s[3 * i], s[3 * i + 1], s[3 * i + 2] = 1.0, h / UNIT, (h / UNIT) ** 2
        f = h**-5
        for i in range(3):
            for j in range(3):
                D[k, i, j] += jerk_cost[3 + i, 3 + j] * s[3 + i] * s[3 + j] * f
                off[k, i, j] = jerk_cost[3 + i, j] * s[3 + i] * s[j] * f
                if k > 0:
                    D[k - 1, i, j] += jerk_cost[i, j] * s[i] * s[j] * f
    for k in range(K):  # positions count from the start's, so that rounding does not grow with them
        D[k, 0, 0] += weights[k]
        x[k, 0] += weights[k] * (wanted[k] - start[0])
    for k in range(M):
        D[k, 1, 1] += pins[0, k]
        x[k, 1] += pins[0, k] * pinned_to[0, k] * UNIT
        D[k, 2, 2] += pins[1, k]
        x[k, 2] += pins[1, k] * pinned_to[1, k] * UNIT * UNIT
    for i in range(3):
        x[0, i] -= off[0, i, 1] * start[1] * UNIT + off[0, i, 2] * start[2] * UNIT * UNIT
    for i in range(1, 3):  # the last velocity and acceleration are zero
        for j in range(3):
            D[M - 1, i, j] = D[M - 1, j, i] = 1.0 if i == j else 0.0
            off[M - 1, i, j] = 0.0
        x[M - 1, i] = 0.0
    # block Cholesky: D[k] becomes its own factor L, off[k] becomes off[k] L[k-1]^-T
    for k in range(M):
        if k > 0:
            for i in range(3):
                for j in range(3):
                    total = off[k, i, j]
                    for m in range(j):
                        total -= off[k, i, m] * D[k - 1, j, m]
                    off[k, i, j] = total / D[k - 1, j, j]
            for i in range(3):
                for j in range(3):
                    for m in range(3):
                        D[k, i, j] -= off[k, i, m] * off[k, j, m]
                for m in range(3):
                    x[k, i] -= off[k, i, m] * x[k - 1, m]
        for i in range(3):
            for j in range(i + 1):
                total = D[k, i, j]
                for m in range(j):
                    total -= D[k, i, m] * D[k, j, m]
                D[k, i, j] = math.sqrt(max(total, 1e-300)) if i == j else total / D[k, j, j]
        for i in range(3):
            for m in range(i):
                x[k, i] -= D[k, i, m] * x[k, m]
            x[k, i] /= D[k, i, i]
    for k in range(M - 1, -1, -1):
        if k < M - 1:
            for i in range(3):
                for m in range(3):
                    x[k, i] -= off[k + 1, m, i] * x[k + 1, m]
        for i in range(2, -1, -1):
            for m in range(i + 1, 3):
                x[k, i] -= D[k, m, i] * x[k, m]
            x[k, i] /= D[k, i, i]
        out[0, k] = start[0] + x[k, 0]
        out[1, k] = x[k, 1] / UNIT
        out[2, k] = x[k, 2] / (UNIT * UNIT)
    out[1, M - 1] = out[2, M - 1] = 0.0


@njit("void(float64[::1], int64, float64, int64, int64, float64, float64[:,::1], float64[:,::1])", cache=True)
def _pin(c, order, T, segment, last, limit, pins, pinned_to):
    """Pins the knot nearest to where a segment's velocity or acceleration is largest to its limit there.

    One that is pinned already is pinned lower. The start, and the last knot, which rests, cannot be pinned: the
    other end of the segment is.
    """
    best, at = 0.0, 0
    for probe in range(_PROBES):
        size = abs(value(c, order, probe / (_PROBES - 1.0)))
        if size > best:
            best, at = size, probe
    sign = 1.0 if value(c, order, at / (_PROBES - 1.0)) > 0.0 else -1.0
    knot = segment if 2 * at >= _PROBES - 1 else segment - 1  # knot k ends segment k
    if knot < 0:
        knot = 0
    if knot >= last:
        knot = last - 1
    row = order - 1
    if knot < 0:
        return
    if pins[row, knot] > 0.0 and pinned_to[row, knot] * sign > 0.0:
        limit = min(limit, abs(pinned_to[row, knot]) * 0.9)
    pins[row, knot] = _PIN_VELOCITY if order == 1 else _PIN_ACCELERATION
    pinned_to[row, knot] = sign * limit


@njit(
    "int64(float64[:,::1], float64[:,::1], float64[::1], float64[:,::1], float64[:,::1], float64[::1], float64[::1], "
    "float64[::1], float64[:,:,::1])",
    cache=True,
)
def smooth_within(jerk_cost, start, intervals, wanted, weights, velocity, acceleration, jerk, out):
    """As smooth_joint for all joints, out (3, M, J), each brought within its limits (J,) where that can be done.

    Where a joint would be too fast, or would accelerate too hard, the knot nearest to that is pinned to the limit;
    where its jerk is too high, the positions about it give way. weights (J, K). Returns the most rounds a joint took.
    """
    M, J, K = len(intervals), start.shape[1], len(wanted)
    most = 0
    knots, peaks, c = np.empty((3, M)), np.empty(5), np.empty(6)
    own, targets, w = np.empty(3), np.empty(K), np.empty(K)
    pins, pinned_to = np.zeros((2, M)), np.zeros((2, M))
    for j in range(J):
        for i in range(3):
            own[i] = start[i, j]
        for k in range(K):
            targets[k], w[k] = wanted[k, j], weights[j, k]
        pins[:] = 0.0
        v_limit, a_limit = max(velocity[j], abs(own[1])), max(acceleration[j], abs(own[2]))
        for round_ in range(_ROUNDS + 1):
            smooth_joint(jerk_cost, own, intervals, targets, w, pins, pinned_to, knots)
            if round_ == _ROUNDS:
                break
            fits = True
            p, v, a = own[0], own[1], own[2]
            for k in range(M):
                T = intervals[k]
                quintic(T, p, v, a, knots[0, k], knots[1, k], knots[2, k], c)
                p, v, a = knots[0, k], knots[1, k], knots[2, k]
                extremes(c, peaks)
                if peaks[2] / T > v_limit * (1.0 + 1e-9):
                    fits = False
                    _pin(c, 1, T, k, M - 1, v_limit * _PINNED_TO, pins, pinned_to)
                if peaks[3] / (T * T) > a_limit * (1.0 + 1e-9):
                    fits = False
                    _pin(c, 2, T, k, M - 1, acceleration[j] * _PINNED_TO, pins, pinned_to)
                if peaks[4] / (T * T * T) > jerk[j] * (1.0 + 1e-9):
                    fits = False
                    for near in range(max(0, k - 1), min(K, k + 2)):
                        w[near] *= _YIELD
            if fits:
                break
            most = max(most, round_ + 1)
        for k in range(M):
            for i in range(3):
                out[i, k, j] = knots[i, k]
    return most
