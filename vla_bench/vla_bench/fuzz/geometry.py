"""The checker's own kinematics and distances, for many joint positions at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vla_bench.fuzz.robots import Robot


@dataclass(frozen=True)
class Frames:
    """Of N joint positions, in the base frame: axes and origins of the joints, frames of all links, the tool.

    rotations (L, N, 3, 3) and origins (L, N, 3) of base, joints and hand; tool (N, 3) [m].
    """

    rotations: np.ndarray
    origins: np.ndarray
    tool: np.ndarray

    def tool_velocity(self, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Linear [m/s] and angular [rad/s] velocity of the tool (N, 3) at joint velocities v (N, J)."""
        axes = self.rotations[1:-1, :, :, 2]
        angular = axes * v.T[:, :, None]
        linear = np.cross(angular, self.tool - self.origins[1:-1])
        return linear.sum(axis=0), angular.sum(axis=0)


def frames(robot: Robot, q: np.ndarray) -> Frames:
    """Forward kinematics of q (N, J) [rad]: each link is the one before, shifted, turned about x, then about z by q."""
    q = np.asarray(q, dtype=np.float64)
    count = len(q)
    rotations = np.empty((robot.joint_count + 2, count, 3, 3))
    origins = np.empty((robot.joint_count + 2, count, 3))
    rotations[0], origins[0] = np.eye(3), 0.0
    cosines, sines = np.cos(q), np.sin(q)
    for i, (offset, turn) in enumerate(robot.links):
        before, R = rotations[i], rotations[i + 1]
        origins[i + 1] = origins[i] + before @ np.array(offset)
        x = before[:, :, 0]
        y = np.cos(turn) * before[:, :, 1] + np.sin(turn) * before[:, :, 2]
        c, s = cosines[:, i, None], sines[:, i, None]
        R[:, :, 0] = c * x + s * y
        R[:, :, 1] = c * y - s * x
        R[:, :, 2] = np.cos(turn) * before[:, :, 2] - np.sin(turn) * before[:, :, 1]
    offset, turn = robot.mount
    last, hand = rotations[-2], rotations[-1]
    origins[-1] = origins[-2] + last @ np.array(offset)
    hand[:, :, 0] = np.cos(turn) * last[:, :, 0] + np.sin(turn) * last[:, :, 1]
    hand[:, :, 1] = np.cos(turn) * last[:, :, 1] - np.sin(turn) * last[:, :, 0]
    hand[:, :, 2] = last[:, :, 2]
    return Frames(rotations, origins, origins[-1] + hand @ np.array(robot.tool))


def capsule_segments(robot: Robot, at: Frames) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ends (C, N, 3) [m] of the segments of all capsules in the base frame, and their radii (C,)."""
    starts = np.stack([at.origins[c.link] + at.rotations[c.link] @ np.array(c.start) for c in robot.capsules])
    ends = np.stack([at.origins[c.link] + at.rotations[c.link] @ np.array(c.end) for c in robot.capsules])
    return starts, ends, np.array([c.radius for c in robot.capsules])


def segment_distance(p0: np.ndarray, p1: np.ndarray, q0: np.ndarray, q1: np.ndarray) -> np.ndarray:
    """Distance (...) between the segments p0 p1 and q0 q1, each (..., 3).

    The nearest points of two segments are either inside both, where the connecting line is normal to both, or an end
    of one of them: the smallest of those five candidates.
    """
    d, e, r = p1 - p0, q1 - q0, p0 - q0
    dd, ee, de = _dot(d, d), _dot(e, e), _dot(d, e)
    dr, er = _dot(d, r), _dot(e, r)
    determinant = dd * ee - de * de
    safe = np.where(determinant > 1e-12 * dd * ee, determinant, 1.0)
    s, t = (de * er - ee * dr) / safe, (dd * er - de * dr) / safe
    inside = (determinant > 1e-12 * dd * ee) & (s >= 0.0) & (s <= 1.0) & (t >= 0.0) & (t <= 1.0)
    between = r + s[..., None] * d - t[..., None] * e
    best = np.where(inside, _dot(between, between), np.inf)
    for point, start, along, length in ((p0, q0, e, ee), (p1, q0, e, ee), (q0, p0, d, dd), (q1, p0, d, dd)):
        w = point - start
        u = np.clip(_dot(w, along) / np.where(length > 0.0, length, 1.0), 0.0, 1.0)
        off = w - u[..., None] * along
        best = np.minimum(best, _dot(off, off))
    return np.sqrt(best)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("...i,...i->...", a, b)


def self_distances(robot: Robot, at: Frames, apart: int | None = None) -> np.ndarray:
    """Distance (P, N) [m] between the capsules of each pair of ``robot.pairs(apart)``; negative: they overlap."""
    starts, ends, radii = capsule_segments(robot, at)
    first, second = (list(column) for column in zip(*robot.pairs(apart)))
    distance = segment_distance(starts[first], ends[first], starts[second], ends[second])
    return distance - (radii[first] + radii[second])[:, None]


def table_distances(robot: Robot, at: Frames, height: float) -> np.ndarray:
    """Height (K, N) [m] of the lowest point of each capsule that must stay above the table; negative: inside it."""
    starts, ends, radii = capsule_segments(robot, at)
    chosen = [i for i, capsule in enumerate(robot.capsules) if capsule.link >= robot.above_table]
    return np.minimum(starts[chosen, :, 2], ends[chosen, :, 2]) - radii[chosen][:, None] - height
