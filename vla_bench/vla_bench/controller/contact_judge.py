"""Which parts of an arm touch in a posture, by MuJoCo's contacts and by coal's distances. Shares no code with the checker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import coal
import mujoco
import numpy as np

JOINTS_APART = 2
"""Bodies with fewer of the arm's joints between them meet in those: neither judge looks at them."""
NEAR = 0.02
"""Nearer than this a distance is told [m]."""


@dataclass(frozen=True)
class Judgement:
    """Distances [m] between two parts of the arm in one posture; infinite where none is nearer than NEAR.

    mujoco, coal: the smallest, among shapes of the arm itself. fingers: the smallest of MuJoCo's in which a finger takes part.
    """

    mujoco: float
    coal: float
    fingers: float


class ContactJudge:
    """An arm as MuJoCo compiles it, all its shapes made to touch each other, the description's exclusions removed.

    What touches in every posture that it is shown first (``leave_out``) is no contact that a motion makes. Fingers are what
    moves with joints that are not the arm's own.
    """

    def __init__(self, description: str, joints: Sequence[str]) -> None:
        """description: text of a MJCF or URDF of one arm without scene. joints: the arm's, from base to tool."""
        spec = mujoco.MjSpec.from_string(description)
        spec.compiler.fusestatic = False  # or bodies that do not move against each other lose their names
        spec.compiler.boundmass, spec.compiler.boundinertia = 1e-3, 1e-6
        for exclude in list(spec.excludes):
            spec.delete(exclude)
        for geom in spec.geoms:
            if geom.contype or geom.conaffinity:
                geom.contype = geom.conaffinity = 1
                geom.margin = NEAR
        self.model = spec.compile()
        self._data = mujoco.MjData(self.model)
        model = self.model
        self._address = model.jnt_qposadr[[model.joint(name).id for name in joints]]
        self._own = [int(model.joint(name).id) for name in joints]
        joint, finger = _joints_of_bodies(model, self._own)
        self._finger = finger[model.geom_bodyid]
        joint = joint[model.geom_bodyid]
        touches = (model.geom_contype != 0) | (model.geom_conaffinity != 0)
        self._judged = (np.abs(joint[:, None] - joint[None]) >= JOINTS_APART) & touches[:, None] & touches[None]
        own = self._judged & ~self._finger[:, None] & ~self._finger[None]
        self._pairs = np.argwhere(np.triu(own))
        self._shapes = [_coal_shape(model, geom) for geom in range(model.ngeom)]

    def postures(self, count: int, seed: int) -> np.ndarray:
        """All joints (count, nq) [rad, m], the fingers' too, evenly over their ranges; a turn where there is none."""
        model = self.model
        limited = model.jnt_limited.astype(bool)
        low = np.where(limited, model.jnt_range[:, 0], -np.pi)
        high = np.where(limited, model.jnt_range[:, 1], np.pi)
        return np.random.default_rng(seed).uniform(low, high, (count, model.njnt))

    def arm_of(self, posture: np.ndarray) -> np.ndarray:
        """The arm's own joints (J,) of a posture."""
        return posture[self._own]

    def leave_out(self, postures: np.ndarray) -> list[tuple[str, str]]:
        """Judges no pair of shapes any more that touches in each of these. Returns the bodies that they belong to."""
        always: set[tuple[int, int]] | None = None
        for posture in postures:
            geoms, distances = self._contacts(posture)
            touching = {tuple(pair) for pair in np.sort(geoms[distances < 0.0], axis=1).tolist()}
            always = touching if always is None else always & touching
            if not always:
                return []
        names = set()
        for a, b in always:
            self._judged[a, b] = self._judged[b, a] = False
            names.add(tuple(sorted(self.model.body(self.model.geom_bodyid[geom]).name for geom in (a, b))))
        self._pairs = self._pairs[self._judged[self._pairs[:, 0], self._pairs[:, 1]]]
        return sorted(names)

    def judge(self, posture: np.ndarray) -> Judgement:
        """posture (nq,): see ``postures``."""
        geoms, distances = self._contacts(posture)
        finger = self._finger[geoms].any(axis=1)
        nearest = [float(distances[chosen].min(initial=np.inf)) for chosen in (~finger, finger)]
        return Judgement(nearest[0], self._by_coal(), nearest[1])

    def _contacts(self, posture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of shapes (C, 2) and their distances (C,) [m] below NEAR, of those judged."""
        data = self._data
        data.qpos[self.model.jnt_qposadr] = posture
        mujoco.mj_kinematics(self.model, data)
        mujoco.mj_collision(self.model, data)
        geoms, distances = data.contact.geom, data.contact.dist
        kept = self._judged[geoms[:, 0], geoms[:, 1]] & (distances < NEAR)
        return geoms[kept], distances[kept]

    def _by_coal(self) -> float:
        """The smallest distance of the shapes where MuJoCo has just placed them [m]."""
        data, model = self._data, self.model
        first, second = self._pairs.T
        apart = np.linalg.norm(data.geom_xpos[first] - data.geom_xpos[second], axis=1)
        close = self._pairs[apart < model.geom_rbound[first] + model.geom_rbound[second] + NEAR]
        poses = {
            geom: coal.Transform3s(data.geom_xmat[geom].reshape(3, 3), data.geom_xpos[geom]) for geom in np.unique(close).tolist()
        }
        nearest = np.inf
        for a, b in close.tolist():
            request, result = coal.DistanceRequest(), coal.DistanceResult()
            nearest = min(nearest, coal.distance(self._shapes[a], poses[a], self._shapes[b], poses[b], request, result))
        return nearest if nearest < NEAR else np.inf


def _joints_of_bodies(model: mujoco.MjModel, own: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Of each body how many of the arm's joints move it, and whether another joint does."""
    count, finger = np.zeros(model.nbody, dtype=int), np.zeros(model.nbody, dtype=bool)
    for body in range(1, model.nbody):
        parent = model.body_parentid[body]
        first = model.body_jntadr[body]
        joints = set(range(first, first + model.body_jntnum[body]))
        count[body] = count[parent] + len(joints & set(own))
        finger[body] = finger[parent] or bool(joints - set(own))
    return count, finger


def _coal_shape(model: mujoco.MjModel, geom: int) -> coal.CollisionGeometry:
    kind, size = mujoco.mjtGeom(int(model.geom_type[geom])), model.geom_size[geom].tolist()
    if kind == mujoco.mjtGeom.mjGEOM_SPHERE:
        return coal.Sphere(size[0])
    if kind == mujoco.mjtGeom.mjGEOM_CAPSULE:
        return coal.Capsule(size[0], 2.0 * size[1])
    if kind == mujoco.mjtGeom.mjGEOM_CYLINDER:
        return coal.Cylinder(size[0], 2.0 * size[1])
    if kind == mujoco.mjtGeom.mjGEOM_BOX:
        return coal.Box(*(2.0 * half for half in size))
    raise ValueError(f"geom {geom} is a {kind.name}; allowed are sphere, capsule, cylinder and box")
