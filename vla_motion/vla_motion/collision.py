"""Self-collision and collision with the table, proven along the curve that is executed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pinocchio as pin

from vla_motion import collision_kernels as kernels
from vla_motion.collision_geometry import shapes_from_description
from vla_motion.collision_pairs import TABLE, always_touching, candidates, geometry_of, look_at
from vla_motion.collision_shape import ShapeSet, packed
from vla_motion.model import RobotModel

__all__ = ["MARGIN", "Closest", "CollisionModel", "Contact"]

MARGIN = 0.005
"""Distance that motion keeps from contact [m]."""

_GJK_ERROR = 2e-6  # [m] coal's distance may be too large by this
_SMALLEST = 1e-3  # [m] of movement in a cell; where a pair is not proven clear over it, that is a contact
_BACK = 1e-6  # [m] a pair that began inside the margin may come nearer than it began: what rounding takes
_CLOSE_STEP = 5e-3  # [s] between samples of a pair inside the margin
_EDGE_STEP = 0.1  # [rad] length of the pieces of a straight line in joint space


@dataclass(frozen=True)
class Closest:
    """The two bodies nearest to each other; distance [m], negative where they overlap, infinite without any pair."""

    distance: float
    first: str
    second: str


@dataclass(frozen=True)
class Contact:
    """Two bodies nearer than allowed, at time [s] into a segment; distance [m] there."""

    segment: int
    time: float
    first: str
    second: str
    distance: float


class CollisionModel:
    """Collision shapes of an arm and the pairs of them that must not touch.

    Pairs are of shapes with at least two joints between them (links of one joint meet in it), and of the table with shapes that
    can come nearer to it. A description's own exclusions are not followed. Shapes that touch in every posture are left out, for
    nothing could hold them apart: ignored_pairs names their bodies, `unchecked_pairs()` tells more. body_pairs: bodies of the
    pairs checked. Not for use from two threads at once.
    """

    def __init__(
        self, model: RobotModel, shapes: ShapeSet, *, self_collision: bool, table_height: float | None
    ) -> None:
        self.model = model
        self.table_height = table_height
        self._pin_data = model.pin_model.createData()
        shape_list = shapes.shapes
        self._geometry = geometry_of(shape_list, table_height)
        bodies = [shape.body for shape in shape_list] + [TABLE]
        self._shapes = packed(shape_list)
        self._chain = (
            np.array([joint.shortname() == pin.JointModelPZ().shortname() for joint in model.pin_model.joints][1:]),
            np.array([placement.rotation for placement in model.pin_model.jointPlacements][1:]),
            np.array([placement.translation for placement in model.pin_model.jointPlacements][1:]),
        )
        self._table = 0.0 if table_height is None else float(table_height)
        pairs = candidates(model, shape_list, self_collision=self_collision, table_height=table_height)
        self._use(pairs)
        touching = always_touching(model, self._geometry)
        self.ignored_pairs = tuple(sorted({(bodies[pairs[p][0]], bodies[pairs[p][1]]) for p in touching}))
        self._use([pair for p, pair in enumerate(pairs) if p not in touching])
        self._names = [(bodies[a], bodies[b]) for a, b in self._pairs]
        self.body_pairs = tuple(sorted(set(self._names)))
        # compiles the kernels, which takes seconds the first time on a machine, before motion depends on them
        rest = np.zeros((1, 6, len(model.joints)))
        self.minimum_distance(rest[0, 0])
        self._prove(rest, np.ones(1), slice(None), np.zeros(len(self._pairs)), None, True)
        kernels.variation(rest, 0, 0.0, 1.0, self._levers, 0) if len(self._pairs) else None

    @classmethod
    def from_description(
        cls, text_or_path: str | Path, model: RobotModel, *, self_collision: bool, table_height: float | None
    ) -> CollisionModel:
        """Collision model of the arm that model was built from; table_height [m] in the base frame, None for no table.

        text_or_path: MJCF or URDF as text or path, or a compiled MjModel. Raises ModelError.
        """
        shapes = shapes_from_description(text_or_path, model)
        return cls(model, shapes, self_collision=self_collision, table_height=table_height)

    def minimum_distance(self, q: np.ndarray) -> Closest:
        """The nearest pair at q (J,) [rad]."""
        best = Closest(np.inf, "", "")
        q = np.ascontiguousarray(q, dtype=np.float64)
        bounds = kernels.pair_bounds(q, self._pairs, self._chain, self._shapes, self._table, 1e-3)
        self._place(q)
        for p in np.argsort(bounds).tolist():
            if bounds[p] >= best.distance:
                break
            distance = self._distance(p)
            if distance < best.distance:
                best = Closest(distance, *self._names[p])
        return best

    def check_motion(
        self, coefficients: np.ndarray, durations: np.ndarray, *, margin: float = MARGIN
    ) -> Contact | None:
        """The first place where a curve is not proven to keep every pair at least margin [m] apart, or None.

        coefficients (N, 6, J): quintics in powers of the seconds since the segment's start; durations (N,) [s]. A pair
        that is nearer than margin at the start may stay so while it comes no nearer than it began (within 0.2 mm; where
        its movement is too fast to prove that, it is sampled every 5 ms). Raises ValueError for shapes that do not fit
        and for values that are not finite.
        """
        C = np.ascontiguousarray(coefficients, dtype=np.float64)
        durations = np.ascontiguousarray(durations, dtype=np.float64)
        count = len(durations)
        if C.shape != (count, 6, len(self.model.joints)) or durations.shape != (count,):
            raise ValueError(
                f"coefficients and durations have shapes {C.shape} and {durations.shape}, "
                f"allowed are (N, 6, {len(self.model.joints)}) and (N,)"
            )
        if not np.isfinite(C.sum() + durations.sum()):
            raise ValueError("coefficients or durations are not finite")
        if not count or not len(self._pairs):
            return None
        # most curves are clear; of one that is not only the part up to the contact matters
        clear, contact = self._check(C, durations, margin, hurry=True)
        if not clear and contact is None:
            _, contact = self._check(C, durations, margin, hurry=False)
        return contact

    def edge_free(self, q_from: np.ndarray, q_to: np.ndarray, margin: float = MARGIN) -> bool:
        """Whether the straight line in joint space between two positions (J,) [rad] is clear by check_motion()."""
        q_from, q_to = np.asarray(q_from, dtype=np.float64), np.asarray(q_to, dtype=np.float64)
        change = q_to - q_from
        pieces = max(1, int(np.ceil(np.abs(change).max() / _EDGE_STEP)))
        C = np.zeros((pieces, 6, len(change)))
        C[:, 0] = q_from + np.arange(pieces)[:, None] / pieces * change
        C[:, 1] = change / pieces
        return self.check_motion(C, np.ones(pieces), margin=margin) is None

    def _use(self, pairs: list[tuple[int, int, np.ndarray]]) -> None:
        self._geometry_data = look_at(self._geometry, [(a, b) for a, b, _ in pairs])
        self._pairs = np.array([(a, b) for a, b, _ in pairs], dtype=np.int64).reshape(-1, 2)
        self._levers = np.array([levers for _, _, levers in pairs]).reshape(-1, len(self.model.joints))

    def _place(self, q: np.ndarray) -> None:
        self._placed_at = np.ascontiguousarray(q)
        pin.updateGeometryPlacements(self.model.pin_model, self._pin_data, self._geometry, self._geometry_data, q)

    def _distance(self, p: int) -> float:
        """Of a pair, where the shapes were placed last."""
        distance = pin.computeDistance(self._geometry, self._geometry_data, p).min_distance - _GJK_ERROR
        if distance < 0.0:
            # coal's depth of an overlap can be far too large; a higher bound from below is nearer the truth
            pair = self._pairs[p : p + 1]
            bounds = kernels.pair_bounds(self._placed_at, pair, self._chain, self._shapes, self._table, np.inf)
            distance = max(distance, float(bounds[0]))
        return distance

    def _check(self, C, durations, margin: float, *, hurry: bool) -> tuple[bool, Contact | None]:
        """Whether the kernel left nothing to exact distances, and the first contact that those found."""
        margins = np.full(len(self._pairs), margin)
        found, first = self._prove(C, durations, slice(None), margins, None, hurry)
        close = np.flatnonzero(first < margin)
        if len(close):
            self._place(C[0, 0])
            starts = np.array([self._distance(p) for p in close.tolist()])
            margins[close] = np.minimum(starts - _BACK, margin)
            again, _ = self._prove(C, durations, close, margins[close], starts, hurry)
            again[:, 0] = close[again[:, 0]]
            found = np.concatenate([found, again])
        for segment in np.unique(found[:, 1]).tolist():
            first_place, contact = float(durations[segment]), None
            for p in found[found[:, 1] == segment, 0].tolist():
                place = self._search(C, segment, p, first_place, margins[p], close=margins[p] < margin)
                if place is not None:
                    first_place = place[0]
                    contact = Contact(segment, place[0], *self._names[p], place[1])
            if contact is not None or hurry:
                return False, contact
        return not len(found), None

    def _prove(self, C, durations, selected, margins, starts, hurry: bool) -> tuple[np.ndarray, np.ndarray]:
        pairs, levers = self._pairs[selected], self._levers[selected]
        if starts is None:
            starts = np.full(len(pairs), -np.inf)
        found, first = np.empty((len(pairs) * len(durations), 2), dtype=np.int64), np.empty(len(pairs))
        moving = (C, durations, pairs, levers, margins, starts, hurry)
        count = kernels.prove(*moving, self._chain, self._shapes, self._table, found, first)
        return found[:count], first

    def _search(
        self, C, segment: int, p: int, end: float, margin: float, close: bool
    ) -> tuple[float, float] | None:
        """First time and distance where exact distances do not prove a pair clear from a segment's start to end [s]."""

        c = C[segment]

        def distance(t: float) -> float:
            self._place(((((c[5] * t + c[4]) * t + c[3]) * t + c[2]) * t + c[1]) * t + c[0])
            return self._distance(p)

        left, right = (0.0, distance(0.0)), (end, distance(end))
        ahead = [right]
        while ahead:
            right = ahead[-1]
            if left[1] < margin:
                return left
            moved = kernels.variation(C, segment, left[0], right[0], self._levers, p)
            short = right[0] - left[0] <= _CLOSE_STEP if close else False
            if moved < left[1] + right[1] - 2.0 * margin or (short and right[1] >= margin):
                left = ahead.pop()
            elif short or (moved < _SMALLEST and not close):
                return min(left, right, key=lambda place: place[1])
            else:
                middle = 0.5 * (left[0] + right[0])
                ahead.append((middle, distance(middle)))
        return None
