"""The pairs of bodies of an arm that nothing holds apart: why, and in how many postures they touch."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from itertools import combinations
from pathlib import Path

import numpy as np
import pinocchio as pin

from vla_motion.collision_geometry import shapes_from_description
from vla_motion.collision_levers import table_levers
from vla_motion.collision_pairs import JOINTS_APART, TABLE, always_touching, geometry_of, look_at, postures
from vla_motion.collision_shape import ShapeSet, outline
from vla_motion.model import RobotModel

__all__ = ["BodyPair", "Why", "unchecked_pairs"]


class Why(Enum):
    """Why two bodies are not held apart."""

    FIXED = "never move against each other"
    ADJACENT = "neighbours"
    ALWAYS_TOUCHING = "touch in every posture"
    NOT_THE_ARM = "no shape of the arm"


@dataclass(frozen=True)
class BodyPair:
    """Two bodies of which something is not looked at, or which the description excludes from contact.

    why: None: they are held apart, whatever the description says. excluded: by the description. unchecked, shapes: how
    many of their pairs of shapes are not looked at, and how many there are. share: of the postures in which any of their
    shapes touch; unseen: in which such shapes touch as are not looked at, though they are apart in other postures. Both are
    not a number where one is no shape of the arm.
    """

    first: str
    second: str
    why: Why | None
    excluded: bool
    unchecked: int
    shapes: int
    share: float
    unseen: float


def unchecked_pairs(
    source: str | Path, model: RobotModel, *, table_height: float | None = None, count: int = 4000
) -> list[BodyPair]:
    """What CollisionModel.from_description() leaves out of its checks, and what of the file's exclusions it does not follow.

    source: what model was built from. table_height [m] in the base frame, None for no table. count: postures that tell
    the shares, drawn evenly over each joint's range, the same ones each time. Sorted from base to tool. Raises ModelError.
    """
    shapes = shapes_from_description(source, model)
    groups = _groups(model, shapes, table_height)
    geometry = geometry_of(shapes.shapes, table_height)
    moving = [pair for why, pairs in groups.values() if why is not Why.FIXED for pair in pairs]
    look_at(geometry, moving)
    always = {moving[p] for p in always_touching(model, geometry)}
    told: list[tuple[tuple[str, str], Why | None, list[tuple[int, int]]]] = []
    for bodies, (why, pairs) in groups.items():
        unchecked = pairs if why else [pair for pair in pairs if pair in always]
        if unchecked or frozenset(bodies) in shapes.excluded:
            told.append((bodies, why or (Why.ALWAYS_TOUCHING if unchecked else None), unchecked))
    whole = [groups[bodies][1] for bodies, _, _ in told]
    unseen = [[pair for pair in unchecked if pair not in always] if why is Why.ADJACENT else [] for _, why, unchecked in told]
    shares = _shares(model, geometry, whole + unseen, count)
    found = [
        BodyPair(*bodies, why, frozenset(bodies) in shapes.excluded, len(unchecked), len(pairs), share, hidden)
        for (bodies, why, unchecked), pairs, share, hidden in zip(told, whole, shares, shares[len(told) :])
    ]
    here = {shape.body for shape in shapes.shapes}
    strangers = sorted(tuple(sorted(pair)) for pair in shapes.excluded if len(pair) == 2 and not pair <= here)
    return found + [BodyPair(*pair, Why.NOT_THE_ARM, True, 0, 0, np.nan, np.nan) for pair in strangers]


def _groups(
    model: RobotModel, shapes: ShapeSet, table_height: float | None
) -> dict[tuple[str, str], tuple[Why | None, list[tuple[int, int]]]]:
    """Pairs of shapes by the bodies they belong to, with the reason that the joints give to leave them out."""
    groups: dict[tuple[str, str], tuple[Why | None, list[tuple[int, int]]]] = {}
    numbered = sorted(enumerate(shapes.shapes), key=lambda item: item[1].joint)
    for (a, first), (b, second) in combinations(numbered, 2):
        if first.body != second.body:
            gap = second.joint - first.joint
            why = Why.FIXED if gap == 0 else Why.ADJACENT if gap < JOINTS_APART else None
            groups.setdefault((first.body, second.body), (why, []))[1].append((a, b))
    if table_height is not None:
        for a, shape in numbered:
            why = None if table_levers(model, outline(shape)).any() else Why.FIXED
            groups.setdefault((shape.body, TABLE), (why, []))[1].append((a, -1))
    return groups


def _shares(model: RobotModel, geometry: pin.GeometryModel, groups: list[list[tuple[int, int]]], count: int) -> list[float]:
    """Of each group of pairs, the share of postures in which any of it touches."""
    pairs = sorted({pair for group in groups for pair in group})
    members = np.array([[pair in group for pair in pairs] for group in groups], dtype=bool).reshape(len(groups), len(pairs))
    placed, data = look_at(geometry, pairs), model.pin_model.createData()
    touching = np.zeros(len(groups))
    for q in postures(model, count if pairs else 0):
        pin.computeCollisions(model.pin_model, data, geometry, placed, q, False)
        touching += (members & [result.isCollision() for result in placed.collisionResults]).any(axis=1)
    return (touching / count).tolist()
