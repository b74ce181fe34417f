"""Wanted positions of one arm, step by step, each within reach, range, box and speed of where the step before led."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import boolean, float64, int64, njit, types, void

from vla_motion.kernels.chain import CHAIN, frames_and_tool, turn_between, turned_by
from vla_motion.kernels.inverse import solve_pose

# codes of clamps; workspace axes are 0, 1, 2, and from JOINT on the joint's index is added
TOOL_SPEED, TOOL_ANGULAR_SPEED, REACH, POSITION, VELOCITY = 3, 4, 5, 100, 200
_ITERATIONS = 8
_POSITION_TOLERANCE, _ROTATION_TOLERANCE = 1e-5, 1e-4  # [m], [rad] solved to
_POSITION_REACHED, _ROTATION_REACHED = 1e-4, 1e-3  # [m], [rad] further off counts as out of reach
_WANDER = 0.04  # [rad] a redundant arm may drift toward home in one step
_INWARD = 0.002  # [m] a tool that began outside the box comes in by at least this in each step


class StepLimits(NamedTuple):
    """What one step keeps to.

    farthest [m], widest [rad]: the tool's way and turn. box_lower, box_upper (3,) [m]: the workspace. q_lower, q_upper (J,)
    [rad]: joint range. allowed (J,) [rad]: each joint's way.
    """

    farthest: float
    widest: float
    box_lower: np.ndarray
    box_upper: np.ndarray
    q_lower: np.ndarray
    q_upper: np.ndarray
    allowed: np.ndarray


class Steps(NamedTuple):
    """Which steps are planned, K of them from ``first`` on. last_share: of the last one that is done. is_delta: they go on
    from the one before."""

    first: int
    last_share: float
    is_delta: bool


LIMITS = types.NamedTuple((float64, float64, *[float64[::1]] * 5), StepLimits)
STEPS = types.NamedTuple((int64, float64, boolean), Steps)


@njit("int64(float64[:,::1], int64, int64, int64, float64)", cache=True)
def _note(clamps, count, step, code, amount):
    if count < len(clamps):
        clamps[count, 0], clamps[count, 1], clamps[count, 2] = step, code, amount
        count += 1
    return count


@njit("void(float64[::1], float64[::1], float64[::1], float64[::1], float64[::1])", cache=True)
def _tighten(box_lower, box_upper, p, lower, upper):
    """What was won inward is not given back, and a little is won with each step."""
    for i in range(3):
        lower[i] = max(lower[i], min(box_lower[i], p[i] + _INWARD))
        upper[i] = min(upper[i], max(box_upper[i], p[i] - _INWARD))


@njit(
    int64(
        LIMITS, float64[:, ::1], float64[:, ::1], float64[::1], boolean, float64, float64[::1], float64[::1], int64,
        float64[:, ::1], int64, float64[:, ::1],
    ),
    cache=True,
)  # fmt: skip
def _next_pose(limits, pose, target, delta, is_delta, share, lower, upper, step, clamps, count, out):
    """out: the pose that one step leads to, slowed and kept in the box. share: of the step that is done. lower, upper (3,):
    the box as it is for a tool that began outside."""
    move, turn = np.empty(3), np.empty(3)
    if is_delta:
        for i in range(3):
            move[i], turn[i] = delta[i], delta[3 + i]
    else:
        turn_between(pose, target, turn)
        for i in range(3):
            move[i] = target[i, 3] - pose[i, 3]
    length = math.sqrt(move[0] ** 2 + move[1] ** 2 + move[2] ** 2)
    angle = math.sqrt(turn[0] ** 2 + turn[1] ** 2 + turn[2] ** 2)
    slowed = False
    if length > limits.farthest:
        count = _note(clamps, count, step, TOOL_SPEED, length - limits.farthest)
        move *= limits.farthest / length
        slowed = True
    if angle > limits.widest:
        count = _note(clamps, count, step, TOOL_ANGULAR_SPEED, angle - limits.widest)
        turn *= limits.widest / angle
        slowed = True
    if is_delta or slowed or share < 1.0:
        move *= share
        turn *= share
        turned_by(turn, pose, out)
        out[3, 0] = out[3, 1] = out[3, 2] = 0.0
        out[3, 3] = 1.0
        for i in range(3):
            out[i, 3] = pose[i, 3] + move[i]
    else:
        out[:] = target
    p = np.empty(3)
    for i in range(3):
        inside = min(max(out[i, 3], lower[i]), upper[i])
        if inside != out[i, 3]:
            count = _note(clamps, count, step, i, abs(out[i, 3] - inside))
            out[i, 3] = inside
        p[i] = inside
    _tighten(limits.box_lower, limits.box_upper, p, lower, upper)
    return count


@njit(void(LIMITS, float64[:, ::1], float64[:, ::1], float64[:, ::1]), cache=True)
def skip_deltas(limits, T_anchor, deltas, out):
    """out (4, 4): where EE_DELTA steps (H, 6) that are already past led, as far as the limits let them."""
    lower, upper = np.empty(3), np.empty(3)
    for i in range(3):
        lower[i] = min(limits.box_lower[i], T_anchor[i, 3])
        upper[i] = max(limits.box_upper[i], T_anchor[i, 3])
    ignored = np.empty((0, 3))
    pose, target = T_anchor.copy(), np.eye(4)
    out[:] = T_anchor
    for k in range(len(deltas)):
        _next_pose(limits, pose, target, deltas[k], True, 1.0, lower, upper, k, ignored, 0, out)
        pose[:] = out


@njit("int64(float64[::1], float64[::1], float64[::1], float64, int64, float64[:,::1], int64, boolean[::1])", cache=True)
def _slow_joints(q, previous, allowed, share, step, clamps, count, slowed):
    """q, or the point on the way to it that is reached below the joints' speeds."""
    worst, joint = 1.0, -1
    for j in range(len(q)):
        ratio = abs(q[j] - previous[j]) / (allowed[j] * share)
        if ratio > worst:
            worst, joint = ratio, j
    slowed[0] = joint >= 0
    if joint >= 0:
        amount = abs(q[joint] - previous[joint]) / share - allowed[joint]
        count = _note(clamps, count, step, VELOCITY + joint, amount)
        for j in range(len(q)):
            q[j] = previous[j] + (q[j] - previous[j]) / worst
    return count


@njit(
    int64(
        CHAIN, LIMITS, STEPS, float64[:, ::1], float64[::1], float64[:, ::1], float64[::1], float64[:, :, ::1],
        float64[:, ::1], float64[:, ::1], float64[:, :, ::1], float64[:, ::1],
    ),
    cache=True,
)  # fmt: skip
def follow_poses(chain, limits, steps, T_before, q_before, moves, home, targets, deltas, q_out, T_out, clamps):
    """Joint positions q_out (K, J) and poses T_out (K, 4, 4) of K steps; returns the number of clamps noted.

    T_before, q_before: where the step before led. moves (K, J): of the motion under way in each step, where the search
    starts. home (J,): what a redundant arm drifts toward. targets (K, 4, 4), or deltas (K, 6) where they go on from the one
    before. clamps (C, 3): rows of step, code and amount.
    """
    K, J = q_out.shape
    count = 0
    lower, upper, p = np.empty(3), np.empty(3), np.empty(3)
    for i in range(3):
        p[i] = T_before[i, 3]
        lower[i], upper[i] = min(limits.box_lower[i], p[i]), max(limits.box_upper[i], p[i])
    _tighten(limits.box_lower, limits.box_upper, p, lower, upper)
    pose, previous, posture, errors = T_before.copy(), q_before.copy(), np.empty(J), np.empty(2)
    frames, slowed = np.empty((J, 4, 4)), np.zeros(1, dtype=np.bool_)
    for k in range(K):
        share, step = steps.last_share if k == K - 1 else 1.0, steps.first + k
        T, q = T_out[k], q_out[k]
        count = _next_pose(
            limits, pose, targets[k] if not steps.is_delta else pose, deltas[k] if steps.is_delta else errors,
            steps.is_delta, share, lower, upper, step, clamps, count, T,
        )  # fmt: skip
        for j in range(J):
            q[j] = previous[j] + moves[k, j]
            posture[j] = previous[j] + min(max(home[j] - previous[j], -_WANDER), _WANDER)
        solve_pose(
            chain, T, limits.q_lower, limits.q_upper, posture, True, _POSITION_TOLERANCE, _ROTATION_TOLERANCE,
            _ITERATIONS, q, errors,
        )  # fmt: skip
        reached = errors[0] < _POSITION_REACHED and errors[1] < _ROTATION_REACHED
        if not reached:
            count = _note(clamps, count, step, REACH, errors[0])
        count = _slow_joints(q, previous, limits.allowed, share, step, clamps, count, slowed)
        if slowed[0] or not reached:  # the steps go on from where this one really leads
            frames_and_tool(chain, q, frames, T)
            for i in range(3):
                p[i] = T[i, 3]
            _tighten(limits.box_lower, limits.box_upper, p, lower, upper)
        pose[:] = T
        previous[:] = q
    return count


@njit(
    int64(
        CHAIN, LIMITS, STEPS, float64[::1], float64[::1], float64[:, ::1], float64[:, ::1], float64[:, ::1],
    ),
    cache=True,
)  # fmt: skip
def follow_joints(chain, limits, steps, q_before, q_from, wanted, q_out, clamps):
    """As follow_poses for wanted joint positions (K, J), or for changes of them from q_from (J,) on."""
    K, J = q_out.shape
    count = 0
    previous, origin, errors, wish = q_before.copy(), q_from.copy(), np.empty(2), np.empty(J)
    frames, T, inside = np.empty((J, 4, 4)), np.empty((4, 4)), np.empty((4, 4))
    lower, upper, p = np.empty(3), np.empty(3), np.empty(3)
    slowed = np.zeros(1, dtype=np.bool_)
    frames_and_tool(chain, previous, frames, T)
    before = T[:3, 3].copy()
    for i in range(3):
        lower[i], upper[i] = min(limits.box_lower[i], before[i]), max(limits.box_upper[i], before[i])
    _tighten(limits.box_lower, limits.box_upper, before, lower, upper)
    for k in range(K):
        share, step = steps.last_share if k == K - 1 else 1.0, steps.first + k
        q = q_out[k]
        for j in range(J):
            if steps.is_delta:
                want = origin[j] + share * wanted[k, j]
            else:
                want = wanted[k, j] if share == 1.0 else previous[j] + share * (wanted[k, j] - previous[j])
            q[j] = min(max(want, limits.q_lower[j]), limits.q_upper[j])
            if q[j] != want:
                count = _note(clamps, count, step, POSITION + j, abs(want - q[j]))
        count = _slow_joints(q, previous, limits.allowed, share, step, clamps, count, slowed)
        frames_and_tool(chain, q, frames, T)
        outside = False
        for i in range(3):
            p[i] = min(max(T[i, 3], lower[i]), upper[i])
            if p[i] != T[i, 3]:
                outside = True
                count = _note(clamps, count, step, i, abs(T[i, 3] - p[i]))
        if outside:
            inside[:] = T
            for i in range(3):
                inside[i, 3] = p[i]
            wish[:] = q
            solve_pose(
                chain, inside, limits.q_lower, limits.q_upper, wish, True, _POSITION_TOLERANCE, _ROTATION_TOLERANCE,
                _ITERATIONS, q, errors,
            )  # fmt: skip
            if errors[0] > _POSITION_REACHED:
                q[:] = previous
            count = _slow_joints(q, previous, limits.allowed, share, step, clamps, count, slowed)
            frames_and_tool(chain, q, frames, T)
        length = 0.0
        for i in range(3):
            length += (T[i, 3] - before[i]) ** 2
        length = math.sqrt(length)
        if length > limits.farthest * share:
            count = _note(clamps, count, step, TOOL_SPEED, length / share - limits.farthest)
            for j in range(J):
                q[j] = previous[j] + (q[j] - previous[j]) * limits.farthest * share / length
            frames_and_tool(chain, q, frames, T)
        for i in range(3):
            before[i] = p[i] = T[i, 3]
        _tighten(limits.box_lower, limits.box_upper, p, lower, upper)
        previous[:] = q
        origin[:] = q
    return count
