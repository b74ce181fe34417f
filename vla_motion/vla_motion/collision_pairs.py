"""Which shapes of an arm are held apart: by their joints and by what they do, never because a description says so."""

from __future__ import annotations

import coal
import numpy as np
import pinocchio as pin

from vla_motion.collision_levers import pair_levers, table_levers
from vla_motion.collision_shape import Shape, outline
from vla_motion.model import RobotModel

__all__ = ["JOINTS_APART", "POSTURES", "TABLE", "always_touching", "candidates", "geometry_of", "look_at", "postures"]

TABLE = "table"
"""Name of the table among the bodies."""
JOINTS_APART = 2
"""Joints between two shapes from which on they are held apart. Links of one joint meet in it."""
POSTURES = 4096
"""How many decide whether two shapes touch wherever the arm is."""

_FLUSH = 1e-5  # [m] shapes that are drawn to touch are that far apart by rounding


def geometry_of(shapes: list[Shape], table_height: float | None) -> pin.GeometryModel:
    """The shapes, numbered as they are listed, and after them the table where there is one [m]. No pairs yet."""
    geometry = pin.GeometryModel()
    for number, shape in enumerate(shapes):
        geometry.addGeometryObject(
            pin.GeometryObject(f"{number} {shape.name}", shape.joint, pin.SE3(shape.placement), shape.geometry)
        )
    if table_height is not None:
        halfspace = coal.Halfspace(np.array([0.0, 0.0, 1.0]), float(table_height))
        geometry.addGeometryObject(pin.GeometryObject(TABLE, 0, pin.SE3.Identity(), halfspace))
    return geometry


def look_at(geometry: pin.GeometryModel, pairs: list[tuple[int, int]]) -> pin.GeometryData:
    """Makes these the pairs of geometry; -1 is the table. Returns data for them."""
    table = len(geometry.geometryObjects) - 1
    geometry.removeAllCollisionPairs()
    for a, b in pairs:
        geometry.addCollisionPair(pin.CollisionPair(a, b if b >= 0 else table))
    return pin.GeometryData(geometry)


def candidates(
    model: RobotModel, shapes: list[Shape], *, self_collision: bool, table_height: float | None
) -> list[tuple[int, int, np.ndarray]]:
    """Pairs of shapes that can come nearer to each other, with their levers (J,) [m]; a table is number -1."""
    outlines = [outline(shape) for shape in shapes]
    found: list[tuple[int, int, np.ndarray]] = []
    if self_collision:
        for a, first in enumerate(shapes):
            for b, second in enumerate(shapes):
                if second.joint - first.joint >= JOINTS_APART:
                    found.append((a, b, pair_levers(model, outlines[a], outlines[b])))
    if table_height is not None:
        for a, enclosed in enumerate(outlines):
            levers = table_levers(model, enclosed)
            if levers.any():
                found.append((a, -1, levers))
    return found


def postures(model: RobotModel, count: int, *, ends: bool = False) -> np.ndarray:
    """Positions (count, J) [rad, m], the same ones each time: uniform over each joint's range, or a turn where it has none.

    ends: in every second posture each joint stands at an end of its range as often as not.
    """
    low = np.where(np.isfinite(model.lower), model.lower, -np.pi)
    high = np.where(np.isfinite(model.upper), model.upper, np.pi)
    rng = np.random.default_rng(0)
    q = rng.uniform(low, high, (count, len(low)))
    if ends:
        at_end = rng.random(q.shape) < 0.5
        at_end[::2] = False
        q = np.where(at_end, np.where(rng.random(q.shape) < 0.5, low, high), q)
    return q


def always_touching(model: RobotModel, geometry: pin.GeometryModel, count: int = POSTURES) -> set[int]:
    """Numbers of the pairs of geometry that touch in every posture: no motion can hold those apart.

    That two are always near is not enough: they may be drawn a hair apart, and be deep in each other at an end of the range.
    """
    data, placed = model.pin_model.createData(), pin.GeometryData(geometry)
    left = list(range(len(geometry.collisionPairs)))
    for q in postures(model, count, ends=True):
        if not left:
            break
        pin.updateGeometryPlacements(model.pin_model, data, geometry, placed, q)
        left = [p for p in left if pin.computeDistance(geometry, placed, p).min_distance < _FLUSH]
    return set(left)
