"""Hands on a simulated cell from outside: a camera moved, a lamp dimmed, objects added or moved, the hand pushed.

Nothing here is called unless a perturbation is asked for, and the next `SimWorld.reset` and `PerturbedWorld.restore` undo it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import mujoco
import numpy as np

from vla_sim.scene import OBJECTS
from vla_sim.tasks import FINGER_CLEARANCE, REGION_MAX, REGION_MIN
from vla_sim.world import SimWorld

PUSH_STIFFNESS, PUSH_DAMPING = 30_000.0, 500.0
"""Of the spring and damper that drag the hand in a push [N/m, N s/m]. Stiff against the arm's servo, so that it follows."""
PUSH_FORCE_MAX = 260.0
"""Largest force of a push [N]."""
HAND_ROOM, HAND_HEIGHT = 0.09, 0.14
"""Nearer than this to the tool, seen from above, while the tool is lower than this, nothing is moved by magic: it would end
up inside a finger [m]."""
_nominal: WeakKeyDictionary[SimWorld, dict[str, np.ndarray]] = WeakKeyDictionary()


class PerturbedWorld:
    """A world and what may be done to it.

    Its lights when it is first seen here are those that `restore` goes back to.
    """

    def __init__(self, world: SimWorld) -> None:
        self.world = world
        headlight = world.model.vis.headlight
        now = {name: getattr(headlight, name).copy() for name in ("ambient", "diffuse")}
        self._headlight = _nominal.setdefault(world, now)
        self._tool = world.model.site(world.card.arms[0].tool_frame).id
        self._hand = int(world.model.site_bodyid[self._tool])

    def restore(self) -> None:
        """Undo what `reset` does not: the light around, and a push under way."""
        for name, value in self._headlight.items():
            getattr(self.world.model.vis.headlight, name)[:] = value
        self.world.data.xfrc_applied[self._hand] = 0.0

    # Once after a reset.

    def shift_camera(self, name: str, offset: np.ndarray) -> None:
        """Move a camera by an offset in its body's frame, still looking the same way [m]. Shape (3,)."""
        model = self.world.model
        model.cam_pos[model.camera(name).id] += offset
        mujoco.mj_forward(model, self.world.data)

    def scale_light(self, factor: float) -> None:
        """Brightness of the lamp and of the light around, times a factor."""
        model = self.world.model
        model.light_diffuse[0] *= factor
        for name, value in self._headlight.items():
            getattr(model.vis.headlight, name)[:] = value * factor

    def add_objects(self, names: list[str], rng: np.random.Generator) -> dict[str, tuple[float, float, float]]:
        """Lay absent objects on the table, clear of what lies there. Those that find no room stay away.

        Returns:
            Name -> (x, y, yaw) of those that were laid [m, m, rad].
        """
        world = self.world
        laid: dict[str, tuple[float, float, float]] = {}
        for name in names:
            for _ in range(200):
                xy = rng.uniform(REGION_MIN, REGION_MAX)
                yaw = float(rng.uniform(-math.pi / 4, math.pi / 4))
                if self._is_clear(xy, name, {**world.task.layout, **laid}):
                    laid[name] = (float(xy[0]), float(xy[1]), yaw)
                    self._place(name, *laid[name])
                    break
        mujoco.mj_forward(world.model, world.data)
        return laid

    def absent_objects(self) -> list[str]:
        """Objects of the scene that this task does not lay out, in the scene's order."""
        return [name for name in OBJECTS if name not in self.world.task.layout]

    # While a trial runs.

    def move_object(self, name: str, distance: float, rng: np.random.Generator) -> bool:
        """Move an object on the table by a distance in a drawn direction [m].

        Returns:
            False where nothing was moved: the hand is at the object, it does not lie on the table, or no direction is free.
        """
        world = self.world
        position = world.object_position(name)
        tool = world.tool_pose()[:3, 3]
        lying = abs(position[2] - OBJECTS[name].rest_height) < 0.005
        if not lying or world.is_held(name) or self._at_hand(position, tool):
            return False
        others = {other: (*world.object_position(other)[:2], 0.0) for other in world.task.layout if other != name}
        for angle in rng.uniform(-math.pi, math.pi, 24):
            xy = position[:2] + distance * np.array([math.cos(angle), math.sin(angle)])
            inside = bool(np.all(xy >= REGION_MIN) and np.all(xy <= REGION_MAX))
            if inside and not self._at_hand(xy, tool) and self._is_clear(xy, name, others):
                start, speed = self._address(name)
                world.data.qpos[start : start + 2] = xy
                world.data.qvel[speed : speed + 6] = 0.0
                mujoco.mj_forward(world.model, world.data)
                return True
        return False

    def hand_position(self) -> np.ndarray:
        """Of the tool in the base frame [m]. Shape (3,)."""
        return self.world.tool_pose()[:3, 3].copy()

    def push_hand(self, origin: np.ndarray, direction: np.ndarray, distance: float) -> None:
        """Drag the hand towards `origin + distance * direction`, as a spring does, until `release_hand` [m].

        Call before each physics step: the force follows the hand, and never pulls it back.
        """
        gone = float((self.hand_position() - origin) @ direction)
        velocity = np.zeros(6)
        mujoco.mj_objectVelocity(self.world.model, self.world.data, mujoco.mjtObj.mjOBJ_SITE, self._tool, velocity, 0)
        force = PUSH_STIFFNESS * (distance - gone) - PUSH_DAMPING * float(velocity[3:] @ direction)
        force = min(PUSH_FORCE_MAX, max(0.0, force))
        self.world.data.xfrc_applied[self._hand, :3] = force * direction

    def release_hand(self) -> None:
        """End of a push."""
        self.world.data.xfrc_applied[self._hand] = 0.0

    def _place(self, name: str, x: float, y: float, yaw: float) -> None:
        model, data = self.world.model, self.world.data
        start, _ = self._address(name)
        data.qpos[start : start + 3] = [x, y, OBJECTS[name].rest_height + 0.0005]
        data.qpos[start + 3 : start + 7] = [math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2)]
        model.body_gravcomp[model.body(name).id] = 0.0

    def _address(self, name: str) -> tuple[int, int]:
        joint = self.world.model.joint(f"{name}_free")
        return int(joint.qposadr[0]), int(joint.dofadr[0])

    @staticmethod
    def _at_hand(place: np.ndarray, tool: np.ndarray) -> bool:
        return bool(tool[2] < HAND_HEIGHT and math.dist(place[:2], tool[:2]) < HAND_ROOM)

    @staticmethod
    def _is_clear(xy: np.ndarray, name: str, layout: dict[str, tuple[float, float, float]]) -> bool:
        room = OBJECTS[name].footprint + FINGER_CLEARANCE
        return all(math.dist(xy, other[:2]) > room + OBJECTS[placed].footprint for placed, other in layout.items())


@dataclass(frozen=True)
class Dynamics:
    """Another cell of the same kind: factors on what a model of it gets wrong.

    Attributes:
        friction: On sliding friction of everything that touches.
        mass: On mass and inertia of the objects.
        servo: On stiffness and damping of the arm's servos.
        joint_friction: Added to each arm joint [N m].
    """

    friction: float = 1.0
    mass: float = 1.0
    servo: float = 1.0
    joint_friction: float = 0.0


OTHER_DYNAMICS = Dynamics(friction=0.6, mass=1.6, servo=0.5, joint_friction=1.0)
"""Of the second setup."""


def apply_dynamics(world: SimWorld, dynamics: Dynamics) -> None:
    """Change a world for good. Call once, before its first trial."""
    model = world.model
    model.geom_friction[:, 0] *= dynamics.friction
    for name in OBJECTS:
        body = model.body(name).id
        model.body_mass[body] *= dynamics.mass
        model.body_inertia[body] *= dynamics.mass
    for joint in world.card.arms[0].joints:
        actuator = model.actuator(joint).id
        model.actuator_gainprm[actuator, 0] *= dynamics.servo
        model.actuator_biasprm[actuator, 1:3] *= dynamics.servo
        model.dof_frictionloss[model.joint(joint).dofadr[0]] += dynamics.joint_friction
    mujoco.mj_setConst(model, world.data)
