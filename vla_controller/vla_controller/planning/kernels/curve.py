"""Whether knots joined by quintics keep to the limits everywhere between them: proofs, not samples."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import float64, int64, njit, types, void

from vla_motion.kernels.chain import CHAIN, frames_and_tool, jacobian
from vla_motion.kernels.polynomial import extremes, quintic, value

_COARSEST = 0.025  # [s] between two samples of the tool
_FINEST = 1e-4  # [s]
_BOX_TOLERANCE = 2e-7  # [m] of what cannot be proven any finer


class ToolLimits(NamedTuple):
    """What the tool keeps to.

    box_lower, box_upper (3,) [m]: the workspace. speed [m/s] and turning [rad/s]: of samples; they leave room to speed_proof
    and turning_proof, which hold between samples too.
    """

    box_lower: np.ndarray
    box_upper: np.ndarray
    speed: float
    speed_proof: float
    turning: float
    turning_proof: float


TOOL_LIMITS = types.NamedTuple((float64[::1], float64[::1], float64, float64, float64, float64), ToolLimits)


@njit(
    "void(float64[::1], float64[:,::1], float64[:,::1], float64[:,::1], float64[:,:,::1], float64[:,:,::1])",
    cache=True,
)
def coefficients_and_peaks(intervals, q, v, a, C, peaks):
    """C (M, J, 6): quintics in powers of the fraction of each segment. peaks (5, M, J): least and greatest
    position, largest |velocity|, |acceleration|, |jerk|, per second."""
    out = np.empty(5)
    for k in range(len(intervals)):
        T = intervals[k]
        for j in range(q.shape[1]):
            quintic(T, q[k, j], v[k, j], a[k, j], q[k + 1, j], v[k + 1, j], a[k + 1, j], C[k, j])
            extremes(C[k, j], out)
            peaks[0, k, j], peaks[1, k, j] = out[0], out[1]
            peaks[2, k, j], peaks[3, k, j], peaks[4, k, j] = out[2] / T, out[3] / (T * T), out[4] / (T * T * T)


@njit(
    "void(float64[:,:,::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[:,::1])",
    cache=True,
)
def worst_of_joints(peaks, lower, upper, velocity, acceleration, jerk, out):
    """out (4, 4): for position, velocity, acceleration, jerk: by what share of the limit the worst joint is beyond
    (position: by what angle), by what amount, which joint, in which segment. Nothing beyond: the share is negative or 0."""
    for kind in range(4):
        out[kind, 0] = -math.inf
    for k in range(peaks.shape[1]):
        for j in range(peaks.shape[2]):
            beyond = max(lower[j] - peaks[0, k, j], peaks[1, k, j] - upper[j])
            if beyond > out[0, 0]:
                out[0, 0], out[0, 1], out[0, 2], out[0, 3] = beyond, beyond, j, k
            for kind in range(1, 4):
                limit = velocity[j] if kind == 1 else acceleration[j] if kind == 2 else jerk[j]
                over = peaks[1 + kind, k, j] / limit - 1.0
                if over > out[kind, 0]:
                    out[kind, 0], out[kind, 1], out[kind, 2], out[kind, 3] = over, peaks[1 + kind, k, j] - limit, j, k


@njit(
    void(CHAIN, float64[:, ::1], float64, float64, float64[::1], float64[:, :, ::1], float64[:, ::1], float64[::1]),
    cache=True,
)
def _tool_at(chain, C, s, T, q, frames, J, out):
    """out (5,): x, y, z, speed, angular speed of the tool at fraction s of a segment of duration T."""
    n = len(q)
    pose = np.empty((4, 4))
    for j in range(n):
        q[j] = value(C[j], 0, s)
    frames_and_tool(chain, q, frames, pose)
    jacobian(chain.prismatic, frames, pose, J)
    speed = turning = 0.0
    for i in range(6):
        total = 0.0
        for j in range(n):
            total += J[i, j] * value(C[j], 1, s) / T
        if i < 3:
            speed += total * total
        else:
            turning += total * total
    for i in range(3):
        out[i] = pose[i, 3]
    out[3], out[4] = math.sqrt(speed), math.sqrt(turning)


@njit("void(float64[:,:,::1], int64, boolean[::1], float64[::1], float64[::1])", cache=True)
def _tool_bounds(peaks, k, prismatic, reach, out):
    """out (3,): bounds in segment k of the tool's acceleration [m/s^2], jerk [m/s^3] and angular jerk [rad/s^3].

    A derivative of the tool's position by joints i <= j <= ... is a product of cross products of unit vectors with
    the lever arm of the outermost of them, so it is at most that arm, reach (J,), which shrinks outward.
    """
    n = len(prismatic)
    acceleration = jerk = turning = spin = spin_rate = 0.0
    for j in range(n):
        if not prismatic[j]:
            spin += peaks[2, k, j]
            spin_rate += peaks[3, k, j]
            turning += peaks[4, k, j]
    before_v = before_a = 0.0
    for j in range(n):  # joint j is the outermost of the product: its arm, and any of the joints within
        v, a, jj, r = peaks[2, k, j], peaks[3, k, j], peaks[4, k, j], reach[j]
        all_v = before_v + v
        acceleration += r * (a + all_v * all_v - before_v * before_v)
        jerk += r * (jj + 3.0 * ((before_a + a) * all_v - before_a * before_v) + all_v**3 - before_v**3)
        before_v, before_a = all_v, before_a + a
    out[0], out[1] = acceleration, jerk
    out[2] = turning + 3.0 * spin_rate * spin + spin**3


@njit(
    int64(CHAIN, float64[::1], TOOL_LIMITS, float64[::1], float64[:, :, ::1], float64[:, :, ::1], float64[::1]),
    cache=True,
)
def check_tool(chain, reach, limits, intervals, C, peaks, out):
    """-1 where the whole curve is inside; else what it meets: 0, 1, 2 a side of the box, 3 speed, 4 angular speed.

    reach (J,) [m]: as of RobotModel. C and peaks: as of coefficients_and_peaks. Between samples at distance h nothing is
    further out than h^2 / 8 times a bound of the second derivative. Where that does not suffice, the interval is halved.
    A curve that begins outside may go on as far outside, never further. out (3,): how far beyond, the segment, the time
    in it [s].
    """
    n = C.shape[1]
    q, frames, J = np.empty(n), np.empty((n, 4, 4)), np.empty((6, n))
    bounds = np.empty(3)
    left, right = np.empty(5), np.empty(5)
    lower, upper = limits.box_lower.copy(), limits.box_upper.copy()
    _tool_at(chain, C[0], 0.0, intervals[0], q, frames, J, right)
    for i in range(3):
        lower[i], upper[i] = min(lower[i], right[i]), max(upper[i], right[i])
    speed, turning = max(limits.speed, right[3]), max(limits.turning, right[4])
    speed_proof = max(limits.speed_proof, speed * (1.0 + 1e-9))
    turning_proof = max(limits.turning_proof, turning * (1.0 + 1e-9))
    for k in range(len(intervals)):
        T = intervals[k]
        _tool_bounds(peaks, k, chain.prismatic, reach, bounds)
        pieces = int(math.ceil(T / _COARSEST))
        stack = np.empty((pieces + 32, 2))
        for piece in range(pieces):
            stack[pieces - 1 - piece, 0], stack[pieces - 1 - piece, 1] = piece / pieces, (piece + 1) / pieces
        top = pieces
        left[:] = right
        while top > 0:
            top -= 1
            a, b = stack[top, 0], stack[top, 1]
            _tool_at(chain, C[k], b, T, q, frames, J, right)
            for i in range(3):
                beyond = max(lower[i] - right[i], right[i] - upper[i])
                if beyond > 1e-9:
                    out[0], out[1], out[2] = beyond, k, b * T
                    return i
            if right[3] > speed * (1.0 + 1e-9):
                out[0], out[1], out[2] = right[3] - speed, k, b * T
                return 3
            if right[4] > turning * (1.0 + 1e-9):
                out[0], out[1], out[2] = right[4] - turning, k, b * T
                return 4
            h = (b - a) * T
            slack = h * h / 8.0
            unproven = -1
            for i in range(3):
                outward = max(max(left[i], right[i]) - upper[i], lower[i] - min(left[i], right[i]))
                if outward + slack * bounds[0] > _BOX_TOLERANCE:
                    unproven = i
            if max(left[3], right[3]) + slack * bounds[1] > speed_proof:
                unproven = 3
            if max(left[4], right[4]) + slack * bounds[2] > turning_proof:
                unproven = 4
            if unproven >= 0:
                if h < _FINEST or top + 2 > len(stack):
                    out[0], out[1], out[2] = 0.0, k, b * T
                    return unproven
                middle = 0.5 * (a + b)
                stack[top, 0], stack[top, 1] = middle, b
                stack[top + 1, 0], stack[top + 1, 1] = a, middle
                top += 2
                right[:] = left
                continue
            left[:] = right
    return -1
