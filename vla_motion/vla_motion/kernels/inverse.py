"""Inverse kinematics by damped least squares, one target after the other."""

from __future__ import annotations

import math

import numpy as np
from numba import boolean, float64, int64, njit

from vla_motion.kernels.chain import CHAIN, frames_and_tool, jacobian, turn_between

LENGTH = 0.3  # [m] a metre of position error weighs as much as 1 / LENGTH radians: about an arm's forearm
MAX_STEP = 0.4  # [rad] largest change of a joint in one iteration
PATIENCE = 12  # iterations without a better pose before giving up


@njit("boolean(float64[:,::1], float64[::1])", cache=True)
def _solve_spd(A, b):
    """b becomes the solution of A x = b, A symmetric positive definite, which is overwritten. False: it is not."""
    n = len(b)
    for i in range(n):
        for j in range(i + 1):
            total = A[i, j]
            for k in range(j):
                total -= A[i, k] * A[j, k]
            if i == j:
                if total <= 0.0:
                    return False
                A[i, i] = math.sqrt(total)
            else:
                A[i, j] = total / A[j, j]
    for i in range(n):
        for k in range(i):
            b[i] -= A[i, k] * b[k]
        b[i] /= A[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            b[i] -= A[k, i] * b[k]
        b[i] /= A[i, i]
    return True


@njit(
    "void(float64[:,::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], boolean, float64)",
    cache=True,
)
def _step(J, error, q, lower, upper, posture, with_posture, pull):
    """Moves q by one damped step over the joints that are free to move; those at a limit take no part.

    pull: share of the way to the posture that is asked for; it fades over the iterations, for near a limit it
    would keep the tool from its target.
    """
    n = len(q)
    damping = 1e-6
    for i in range(6):  # grows with the error, so that unreachable targets do not thrash
        damping += 0.02 * error[i] * error[i]
    free = np.ones(n)
    A = np.empty((6, 6))
    b = np.empty(6)
    step = np.empty(n)
    while True:
        for i in range(6):
            for k in range(i + 1):
                total = 0.0
                for j in range(n):
                    total += J[i, j] * J[k, j] * free[j]
                A[i, k] = A[k, i] = total
            A[i, i] += damping
            b[i] = error[i]
            if with_posture:
                for j in range(n):
                    b[i] -= J[i, j] * free[j] * pull * (posture[j] - q[j])
        if not _solve_spd(A, b):
            return
        largest = 0.0
        for j in range(n):
            change = 0.0
            for i in range(6):
                change += J[i, j] * b[i]
            if with_posture:
                change += pull * (posture[j] - q[j])
            step[j] = change * free[j]
            largest = max(largest, abs(step[j]))
        scale = MAX_STEP / largest if largest > MAX_STEP else 1.0
        stuck, any_free = False, False
        for j in range(n):
            new = min(max(q[j] + scale * step[j], lower[j]), upper[j])
            if new == q[j] and free[j] > 0.0 and abs(step[j]) > 1e-9:
                free[j] = 0.0
                stuck = True
            any_free = any_free or free[j] > 0.0
        if not stuck or not any_free:
            for j in range(n):
                q[j] = min(max(q[j] + scale * step[j], lower[j]), upper[j])
            return


_VECTOR = float64[::1]


@njit(
    boolean(
        CHAIN, float64[:, ::1], _VECTOR, _VECTOR, _VECTOR, boolean, float64, float64, int64, _VECTOR, _VECTOR,
    ),
    cache=True,
)  # fmt: skip
def solve_pose(
    chain, target, lower, upper, posture, with_posture, position_tolerance, rotation_tolerance, iterations, q, errors
):
    """Moves q (J,) until the tool is at target (4, 4), or as near as it gets; True where it is there.

    errors (2,): what is left of position [m] and rotation [rad].
    """
    n = len(q)
    frames, T, J = np.empty((n, 4, 4)), np.empty((4, 4)), np.empty((6, n))
    error, best_q, turn = np.empty(6), np.empty(n), np.empty(3)
    best = math.inf
    since_best = 0
    pull = 0.5
    for j in range(n):
        q[j] = min(max(q[j], lower[j]), upper[j])
    for iteration in range(iterations + 1):
        frames_and_tool(chain, q, frames, T)
        turn_between(T, target, turn)
        for i in range(3):
            error[i] = target[i, 3] - T[i, 3]
            error[3 + i] = turn[i]
        off = math.sqrt(error[0] ** 2 + error[1] ** 2 + error[2] ** 2)
        turned = math.sqrt(turn[0] ** 2 + turn[1] ** 2 + turn[2] ** 2)
        if off < position_tolerance and turned < rotation_tolerance:
            errors[0], errors[1] = off, turned
            return True
        merit = off / LENGTH + turned
        if merit < best * (1.0 - 1e-3):
            best, since_best = merit, 0
            best_q[:] = q
            errors[0], errors[1] = off, turned
        else:
            since_best += 1
        if iteration == iterations or since_best > PATIENCE:
            break
        jacobian(chain.prismatic, frames, T, J)
        _step(J, error, q, lower, upper, posture, with_posture, pull)
        pull *= 0.8
    q[:] = best_q
    return False
