"""Forward kinematics and Jacobian of a serial chain whose joints all turn about, or slide along, their own z axis.

Poses are homogeneous matrices in the base frame.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import boolean, float64, njit, types, void


class ChainArrays(NamedTuple):
    """A chain as compiled functions take it.

    placements (J, 4, 4): each joint's frame in the one before, the first in the base, at position zero. prismatic (J,):
    joints that slide. tool (4, 4): the tool in the last joint's frame.
    """

    placements: np.ndarray
    prismatic: np.ndarray
    tool: np.ndarray


CHAIN = types.NamedTuple((float64[:, :, ::1], boolean[::1], float64[:, ::1]), ChainArrays)


@njit("void(float64[:,::1], float64[:,::1], float64[:,::1])", cache=True)
def compose(A, B, out):
    """out = A B, homogeneous (4, 4); out is neither of them."""
    for i in range(3):
        for j in range(3):
            out[i, j] = A[i, 0] * B[0, j] + A[i, 1] * B[1, j] + A[i, 2] * B[2, j]
        out[i, 3] = A[i, 0] * B[0, 3] + A[i, 1] * B[1, 3] + A[i, 2] * B[2, 3] + A[i, 3]
    out[3, 0] = out[3, 1] = out[3, 2] = 0.0
    out[3, 3] = 1.0


@njit(void(CHAIN, float64[::1], float64[:, :, ::1], float64[:, ::1]), cache=True)
def frames_and_tool(chain, q, frames, out):
    """frames (J, 4, 4): every joint's frame, moved by its joint; out (4, 4): the tool."""
    turned = np.empty((4, 4))
    for k in range(len(q)):
        P = chain.placements[k]
        if k == 0:
            turned[:] = P
        else:
            compose(frames[k - 1], P, turned)
        F = frames[k]
        if chain.prismatic[k]:
            F[:] = turned
            for i in range(3):
                F[i, 3] += turned[i, 2] * q[k]
        else:
            c, s = math.cos(q[k]), math.sin(q[k])
            for i in range(3):
                x, y = turned[i, 0], turned[i, 1]
                F[i, 0] = c * x + s * y
                F[i, 1] = c * y - s * x
                F[i, 2] = turned[i, 2]
                F[i, 3] = turned[i, 3]
            F[3, 0] = F[3, 1] = F[3, 2] = 0.0
            F[3, 3] = 1.0
    compose(frames[len(q) - 1], chain.tool, out)


@njit("void(boolean[::1], float64[:,:,::1], float64[:,::1], float64[:,::1])", cache=True)
def jacobian(prismatic, frames, T, out):
    """out (6, J): joint velocities to the tool's, linear above angular, in the axes of the base."""
    for k in range(len(prismatic)):
        F = frames[k]
        zx, zy, zz = F[0, 2], F[1, 2], F[2, 2]
        if prismatic[k]:
            out[0, k], out[1, k], out[2, k] = zx, zy, zz
            out[3, k] = out[4, k] = out[5, k] = 0.0
        else:
            rx, ry, rz = T[0, 3] - F[0, 3], T[1, 3] - F[1, 3], T[2, 3] - F[2, 3]
            out[0, k] = zy * rz - zz * ry
            out[1, k] = zz * rx - zx * rz
            out[2, k] = zx * ry - zy * rx
            out[3, k], out[4, k], out[5, k] = zx, zy, zz


@njit(void(CHAIN, float64[:, ::1], float64[:, :, ::1]), cache=True)
def forward_path(chain, q, out):
    """out (N, 4, 4): the tool at each of q (N, J)."""
    frames = np.empty((q.shape[1], 4, 4))
    for i in range(len(q)):
        frames_and_tool(chain, q[i], frames, out[i])


@njit("void(float64[:,::1], float64[:,::1], float64[::1])", cache=True)
def turn_between(A, B, out):
    """out (3,): rotation vector that turns A's axes into B's, from the left: log(R_B R_A^T)."""
    R = np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            R[i, j] = B[i, 0] * A[j, 0] + B[i, 1] * A[j, 1] + B[i, 2] * A[j, 2]
    trace = R[0, 0] + R[1, 1] + R[2, 2]
    # by way of the unit quaternion, which stays exact near half a turn and near none
    if trace > 0.0:
        w = 0.5 * math.sqrt(1.0 + trace)
        f = 0.25 / w
        x, y, z = f * (R[2, 1] - R[1, 2]), f * (R[0, 2] - R[2, 0]), f * (R[1, 0] - R[0, 1])
    elif R[0, 0] >= R[1, 1] and R[0, 0] >= R[2, 2]:
        x = 0.5 * math.sqrt(max(1.0 + R[0, 0] - R[1, 1] - R[2, 2], 0.0))
        f = 0.25 / x
        w, y, z = f * (R[2, 1] - R[1, 2]), f * (R[0, 1] + R[1, 0]), f * (R[0, 2] + R[2, 0])
    elif R[1, 1] >= R[2, 2]:
        y = 0.5 * math.sqrt(max(1.0 - R[0, 0] + R[1, 1] - R[2, 2], 0.0))
        f = 0.25 / y
        w, x, z = f * (R[0, 2] - R[2, 0]), f * (R[0, 1] + R[1, 0]), f * (R[1, 2] + R[2, 1])
    else:
        z = 0.5 * math.sqrt(max(1.0 - R[0, 0] - R[1, 1] + R[2, 2], 0.0))
        f = 0.25 / z
        w, x, y = f * (R[1, 0] - R[0, 1]), f * (R[0, 2] + R[2, 0]), f * (R[1, 2] + R[2, 1])
    if w < 0.0:
        w, x, y, z = -w, -x, -y, -z
    sine = math.sqrt(x * x + y * y + z * z)
    factor = 2.0 if sine < 1e-12 else 2.0 * math.atan2(sine, w) / sine
    out[0], out[1], out[2] = factor * x, factor * y, factor * z


@njit("void(float64[::1], float64[:,::1], float64[:,::1])", cache=True)
def turned_by(turn, A, out):
    """Upper left (3, 3) of out: A's axes turned by the rotation vector turn (3,), from the left. out is not A."""
    x, y, z = turn[0], turn[1], turn[2]
    square = x * x + y * y + z * z
    angle = math.sqrt(square)
    if angle < 1e-4:
        s, c = 1.0 - square / 6.0, 0.5 - square / 24.0
    else:
        s, c = math.sin(angle) / angle, (1.0 - math.cos(angle)) / square
    R = np.empty((3, 3))
    R[0, 0] = 1.0 - c * (y * y + z * z)
    R[1, 1] = 1.0 - c * (x * x + z * z)
    R[2, 2] = 1.0 - c * (x * x + y * y)
    R[0, 1], R[1, 0] = c * x * y - s * z, c * x * y + s * z
    R[0, 2], R[2, 0] = c * x * z + s * y, c * x * z - s * y
    R[1, 2], R[2, 1] = c * y * z - s * x, c * y * z + s * x
    for i in range(3):
        for j in range(3):
            out[i, j] = R[i, 0] * A[0, j] + R[i, 1] * A[1, j] + R[i, 2] * A[2, j]


@njit("void(float64[:,:,::1], float64[:,::1])", cache=True)
def rotation_vectors(R, out):
    """out (N, 3): of rotation matrices (N, 3, 3)."""
    identity = np.eye(3)
    for i in range(len(R)):
        turn_between(identity, R[i], out[i])


@njit("void(float64[:,::1], float64[:,::1], float64[:,:,::1])", cache=True)
def step_on(T, deltas, out):
    """out (N, 4, 4): from T (4, 4) on, each pose moved on from the one before by deltas (N, 6) in the axes of the base."""
    for i in range(len(deltas)):
        before = T if i == 0 else out[i - 1]
        turned_by(deltas[i, 3:], before, out[i])
        for j in range(3):
            out[i, j, 3] = before[j, 3] + deltas[i, j]
        out[i, 3, 0] = out[i, 3, 1] = out[i, 3, 2] = 0.0
        out[i, 3, 3] = 1.0
