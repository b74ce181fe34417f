"""Rotation vectors, rotation matrices and rigid transforms.

A rotation vector is axis times angle [rad]. Composition is from the left in the base frame: `exp(r) @ R`.
Functions accept stacks: a leading shape (...) is kept.
"""

from __future__ import annotations

import numpy as np
import pinocchio

from vla_motion.kernels.chain import rotation_vectors

__all__ = [
    "compose_left",
    "exp",
    "interpolate_pose",
    "inverse",
    "left_difference",
    "log",
    "pose",
    "pose_error",
    "pose_to_vector",
    "quaternion_from_rotation",
    "rotation_from_quaternion",
    "vector_to_pose",
]

_SMALL = 1e-6


def exp(rotation_vector: np.ndarray) -> np.ndarray:
    """Rotation matrices (..., 3, 3) of rotation vectors (..., 3) [rad]."""
    r = np.asarray(rotation_vector, dtype=np.float64)
    if r.ndim == 1:
        return pinocchio.exp3(r)
    squared = np.einsum("...i,...i->...", r, r)
    angle = np.sqrt(squared)
    near_zero = angle < _SMALL
    safe = np.where(near_zero, 1.0, angle)
    a = np.where(near_zero, 1.0 - squared / 6.0, np.sin(safe) / safe)
    # 2 sin^2(x/2) instead of 1 - cos(x): no cancellation at small angles
    half = np.sin(0.5 * safe) / safe
    b = np.where(near_zero, 0.5 - squared / 24.0, 2.0 * half * half)
    K = np.zeros(r.shape[:-1] + (3, 3))
    K[..., 0, 1], K[..., 0, 2], K[..., 1, 2] = -r[..., 2], r[..., 1], -r[..., 0]
    K[..., 1, 0], K[..., 2, 0], K[..., 2, 1] = r[..., 2], -r[..., 1], r[..., 0]
    return np.eye(3) + a[..., None, None] * K + b[..., None, None] * (K @ K)


def log(rotation: np.ndarray) -> np.ndarray:
    """Rotation vectors (..., 3) [rad], angle in [0, pi], of rotation matrices (..., 3, 3)."""
    rotation = np.asarray(rotation, dtype=np.float64)
    if rotation.ndim == 2:
        return pinocchio.log3(rotation)
    out = np.empty(rotation.shape[:-2] + (3,))
    rotation_vectors(np.array(rotation.reshape(-1, 3, 3), order="C"), out.reshape(-1, 3))
    return out


def near(rotation_vectors: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The same rotations (..., 3) [rad], each as the vector that lies nearer to the reference (..., 3): near half a turn there
    are two, in opposite directions."""
    angle = np.linalg.norm(rotation_vectors, axis=-1, keepdims=True)
    other = rotation_vectors * (1.0 - 2.0 * np.pi / np.maximum(angle, 1e-9))
    distances = (np.linalg.norm(vectors - reference, axis=-1, keepdims=True) for vectors in (other, rotation_vectors))
    return np.where(np.less(*distances) & (angle > 1e-9), other, rotation_vectors)


def quaternion_from_rotation(rotation: np.ndarray) -> np.ndarray:
    """Unit quaternions (..., 4) in ROS order x, y, z, w with w >= 0, of rotation matrices (..., 3, 3)."""
    R = np.asarray(rotation, dtype=np.float64)
    if R.ndim == 2:
        q = pinocchio.Quaternion(R).coeffs()
        return -q if q[3] < 0.0 else q
    xx, yy, zz = R[..., 0, 0], R[..., 1, 1], R[..., 2, 2]
    xy, xz, yz = R[..., 0, 1] + R[..., 1, 0], R[..., 0, 2] + R[..., 2, 0], R[..., 1, 2] + R[..., 2, 1]
    wx, wy, wz = R[..., 2, 1] - R[..., 1, 2], R[..., 0, 2] - R[..., 2, 0], R[..., 1, 0] - R[..., 0, 1]
    # Each row is 4 * (one component) * quaternion; the one with the largest component is well conditioned.
    rows = np.stack(
        [
            np.stack([1.0 + xx - yy - zz, xy, xz, wx], axis=-1),
            np.stack([xy, 1.0 - xx + yy - zz, yz, wy], axis=-1),
            np.stack([xz, yz, 1.0 - xx - yy + zz, wz], axis=-1),
            np.stack([wx, wy, wz, 1.0 + xx + yy + zz], axis=-1),
        ],
        axis=-2,
    )
    best = np.argmax(np.diagonal(rows, axis1=-2, axis2=-1), axis=-1)
    q = np.take_along_axis(rows, best[..., None, None], axis=-2)[..., 0, :]
    q = q / np.linalg.norm(q, axis=-1, keepdims=True)
    return np.where(q[..., 3:] < 0.0, -q, q)


def rotation_from_quaternion(quaternion: np.ndarray) -> np.ndarray:
    """Rotation matrices (..., 3, 3) of quaternions (..., 4) in ROS order x, y, z, w.

    They are normalised here. Raises ValueError for a quaternion of zero length.
    """
    q = np.asarray(quaternion, dtype=np.float64)
    norm = np.linalg.norm(q, axis=-1, keepdims=True)
    if np.any(norm < 1e-12):
        raise ValueError("quaternion has zero length; a unit quaternion (x, y, z, w) is needed")
    x, y, z, w = np.moveaxis(q / norm, -1, 0)
    R = np.empty(q.shape[:-1] + (3, 3))
    R[..., 0, 0], R[..., 1, 1], R[..., 2, 2] = (
        1 - 2 * (y * y + z * z),
        1 - 2 * (x * x + z * z),
        1 - 2 * (x * x + y * y),
    )
    R[..., 0, 1], R[..., 1, 0] = 2 * (x * y - z * w), 2 * (x * y + z * w)
    R[..., 0, 2], R[..., 2, 0] = 2 * (x * z + y * w), 2 * (x * z - y * w)
    R[..., 1, 2], R[..., 2, 1] = 2 * (y * z - x * w), 2 * (y * z + x * w)
    return R


def pose(position: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Transforms (..., 4, 4) from positions (..., 3) [m] and rotation matrices (..., 3, 3)."""
    position = np.asarray(position, dtype=np.float64)
    T = np.zeros(position.shape[:-1] + (4, 4))
    T[..., :3, :3] = rotation
    T[..., :3, 3] = position
    T[..., 3, 3] = 1.0
    return T


def vector_to_pose(vector: np.ndarray) -> np.ndarray:
    """Transforms (..., 4, 4) of pose vectors (..., 6): position [m], rotation vector [rad]."""
    vector = np.asarray(vector, dtype=np.float64)
    return pose(vector[..., :3], exp(vector[..., 3:6]))


def pose_to_vector(T: np.ndarray) -> np.ndarray:
    """Pose vectors (..., 6), position [m] and rotation vector [rad], of transforms (..., 4, 4)."""
    T = np.asarray(T, dtype=np.float64)
    return np.concatenate([T[..., :3, 3], log(T[..., :3, :3])], axis=-1)


def inverse(T: np.ndarray) -> np.ndarray:
    """Inverse of rigid transforms (..., 4, 4)."""
    T = np.asarray(T, dtype=np.float64)
    R = np.swapaxes(T[..., :3, :3], -1, -2)
    return pose(-np.einsum("...ij,...j->...i", R, T[..., :3, 3]), R)


def compose_left(T: np.ndarray, delta: np.ndarray) -> np.ndarray:
    """Moves transforms (..., 4, 4) by deltas (..., 6) in base axes: p + d[0:3] [m], exp(d[3:6]) @ R [rad]."""
    T, delta = np.asarray(T, dtype=np.float64), np.asarray(delta, dtype=np.float64)
    return pose(T[..., :3, 3] + delta[..., :3], exp(delta[..., 3:6]) @ T[..., :3, :3])


def left_difference(T_from: np.ndarray, T_to: np.ndarray) -> np.ndarray:
    """Deltas (..., 6) with compose_left(T_from, delta) == T_to."""
    T_from, T_to = np.asarray(T_from, dtype=np.float64), np.asarray(T_to, dtype=np.float64)
    turn = log(T_to[..., :3, :3] @ np.swapaxes(T_from[..., :3, :3], -1, -2))
    return np.concatenate([T_to[..., :3, 3] - T_from[..., :3, 3], turn], axis=-1)


def pose_error(T_from: np.ndarray, T_to: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance [m] and angle [rad], each (...), between two transforms (..., 4, 4)."""
    delta = left_difference(T_from, T_to)
    return np.linalg.norm(delta[..., :3], axis=-1), np.linalg.norm(delta[..., 3:], axis=-1)


def interpolate_pose(T_from: np.ndarray, T_to: np.ndarray, fraction: np.ndarray | float) -> np.ndarray:
    """Transforms (..., 4, 4) on the straight line and shortest turn from T_from (4, 4) to T_to (4, 4).

    fraction (...) is 0 at T_from and 1 at T_to.
    """
    return compose_left(
        T_from, left_difference(T_from, T_to) * np.asarray(fraction, dtype=np.float64)[..., None]
    )
