"""How far a shape can be from the axes of an arm's joints, over all configurations."""

from __future__ import annotations

import math

import numpy as np
import pinocchio as pin

from vla_motion.model import RobotModel
from vla_motion.model_error import ModelError

__all__ = ["pair_levers", "table_levers"]

_OVERRUN = 0.01  # [m] that a slide may be beyond its limits


def pair_levers(model: RobotModel, first, second) -> np.ndarray:
    """Levers (J,) [m] of a pair of shapes: their points come nearer by at most sum(levers * |change of q|).

    first, second: (joint, points (N, 3), radius): points in the joint's frame, widened by radius, enclose the shape;
    the joint of first comes before that of second. A joint's lever is the largest distance of a moved point from its
    axis, 1 for a slide. Either shape may be taken as the one that a joint moves: all joints up to a link between them
    are counted on the first, the others on the second, and the best such link is chosen.
    """
    outward, inward = _levers(model, *first, outward=True), _levers(model, *second, outward=False)
    a, b = first[0], second[0]
    best = None
    for link in range(a, b + 1):
        levers = np.zeros(len(model.joints))
        levers[a:link], levers[link:b] = outward[a:link], inward[link:b]
        if best is None or levers.sum() < best.sum():
            best = levers
    return best


def table_levers(model: RobotModel, shape) -> np.ndarray:
    """Levers (J,) [m] of a shape against a horizontal plane, as pair_levers(); all zero where its height is fixed."""
    levers = _levers(model, *shape, outward=False)
    rotation = np.eye(3)
    for j in range(shape[0]):
        rotation = rotation @ model.pin_model.jointPlacements[j + 1].rotation
        height = abs(rotation[2, 2])  # of the joint's axis
        if _prismatic(model, j):
            if height < 1e-9:
                levers[j] = 0.0
        elif height > 1.0 - 1e-12:
            levers[j] = 0.0
        else:
            break
    return levers


def _prismatic(model: RobotModel, j: int) -> bool:
    return model.pin_model.joints[j + 1].shortname() == pin.JointModelPZ().shortname()


def _levers(model: RobotModel, joint: int, points: np.ndarray, radius: float, *, outward: bool) -> np.ndarray:
    """Largest distance of a shape's points from each axis beyond its joint (outward) or up to it, else 0.

    A ball that holds the shape is passed from joint to joint. Its centre stays on the axis of the joint passed, which
    turning does not move.
    """
    placements = model.pin_model.jointPlacements
    levers = np.zeros(len(model.joints))
    points = np.asarray(points, dtype=np.float64)
    order = range(joint, len(model.joints)) if outward else range(joint - 1, -1, -1)
    ball: tuple[np.ndarray, float] | None = None
    for j in order:
        if outward:
            into = placements[j + 1].inverse()
            if ball is None:
                points = points @ into.rotation.T + into.translation
            else:
                ball = into.act(ball[0]), ball[1]
        if _prismatic(model, j):
            levers[j] = 1.0
            low, high = model.lower[j] - _OVERRUN, model.upper[j] + _OVERRUN
            if not math.isfinite(high - low):
                raise ModelError(f"joint {model.joints[j]} is a slide without limits; collision checks need them")
            if ball is None:
                centre = 0.5 * (points.min(axis=0) + points.max(axis=0))
                ball = centre, float(np.linalg.norm(points - centre, axis=1).max()) + radius
            shift = 0.5 * (low + high) * (-1.0 if outward else 1.0)
            ball = ball[0] + [0.0, 0.0, shift], ball[1] + 0.5 * (high - low)
        elif ball is None:
            levers[j] = float(np.hypot(points[:, 0], points[:, 1]).max()) + radius
            centre = np.array([0.0, 0.0, 0.5 * (points[:, 2].min() + points[:, 2].max())])
            ball = centre, float(np.linalg.norm(points - centre, axis=1).max()) + radius
        else:
            levers[j] = math.hypot(ball[0][0], ball[0][1]) + ball[1]
            ball = np.array([0.0, 0.0, ball[0][2]]), levers[j]
        if not outward:
            ball = placements[j + 1].act(ball[0]), ball[1]
    return levers
