"""The simulated cell: MuJoCo physics, joint trajectory controllers, cameras and ground truth, stepped in virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import mujoco
import numpy as np

from vla_contract.card import InterfaceCard
from vla_motion.trajectory import JointTrajectory
from vla_sim.card_fit import WorldError, check_card
from vla_sim.expert import ExpertState, grasp_spec
from vla_sim.jtc import JointTrajectoryEndpoint
from vla_sim.jtc_message import TrajectoryMessage
from vla_sim.projection import project_point
from vla_sim.rendering import new_renderer
from vla_sim.scene import OBJECTS, scene_assets, scene_mjcf
from vla_sim.tasks import TaskInstance, goal_distance, is_success, make_task

TIMESTEP_NS = 2_000_000
"""Physics step and period of the joint trajectory controllers [ns]."""
HOLD_NS = 200_000_000
"""How long success must last before it counts [ns]."""


@dataclass(frozen=True)
class TaskProgress:
    """Ground truth of the trial under way.

    Attributes:
        success: The task has been done at some time, for `HOLD_NS` without a break.
        done_now: It is done at this instant.
        first_touched: First object that a finger touched, empty if none yet.
        destination: Object to bring the target to, empty for none.
        goal_distance: How far the target still has to go [m], see `tasks.goal_distance`.
        objects: Positions of the objects present, base frame [m].
    """

    task: str
    seed: int
    instruction: str
    target: str
    success: bool
    done_now: bool
    first_touched: str
    held: str
    destination: str
    goal_distance: float
    objects: dict[str, np.ndarray]


class SimWorld:
    """One robot cell.

    Args:
        card: Interface card; its one arm must be the Panda, its cameras must exist in the scene.
        rule: Replacement rule of the joint trajectory controller, `legacy` or `splice`; the card's by default.
        detail: What the cameras see, as `scene_mjcf` says.

    Raises:
        WorldError: The card names joints, cameras or topics that the scene does not have.
    """

    def __init__(self, card: InterfaceCard, *, rule: str | None = None, detail: str = "plain") -> None:
        self.card = card
        self.model = mujoco.MjModel.from_xml_string(scene_mjcf(detail), scene_assets())
        self.data = mujoco.MjData(self.model)
        check_card(card, self.model)
        self._arm = card.arms[0]
        gripper = self._arm.gripper
        self.joint_names = (*self._arm.joints, gripper.joint)
        m = self.model
        self._q_index = np.array([m.joint(j).qposadr[0] for j in self.joint_names])
        self._v_index = np.array([m.joint(j).dofadr[0] for j in self.joint_names])
        self._n = len(self._arm.joints)
        self._mirror = m.joint("panda_finger_joint2")
        self._free = {name: (m.joint(f"{name}_free").qposadr[0], m.joint(f"{name}_free").dofadr[0]) for name in OBJECTS}
        self._body = {name: m.body(name).id for name in OBJECTS}
        self._object_of_geom = np.full(m.ngeom, -1)
        self._names = list(OBJECTS)
        for k, name in enumerate(self._names):
            self._object_of_geom[m.geom_bodyid == self._body[name]] = k
        fingers = [m.body("panda_leftfinger").id, m.body("panda_rightfinger").id]
        self._finger_of_geom = np.select([m.geom_bodyid == fingers[0], m.geom_bodyid == fingers[1]], [0, 1], -1)
        actuators = [m.actuator(j).id for j in self.joint_names]
        self._actuators = np.array(actuators)
        self._mirror_actuator = m.actuator("panda_finger_joint2").id
        # Feeding the velocity forward through a PD servo: ctrl = q + (kv / kp) v.
        self._lead = m.actuator_biasprm[actuators, 2] / m.actuator_biasprm[actuators, 1]
        self._tool = m.site(self._arm.tool_frame).id
        self._nominal = {
            "light": m.light_diffuse[0].copy(),
            "table": m.mat_rgba[m.material("wood").id].copy(),
            "camera": m.cam_pos.copy(),
        }
        self._rule = rule or self._arm.replacement_rule
        self._renderers: dict[str, mujoco.Renderer] = {}
        self.now_ns = 1_000_000_000  # a stamp of zero would mean "now"
        self.task: TaskInstance | None = None
        self._active = True
        self._new_endpoints()

    def _new_endpoints(self) -> None:
        gripper = self._arm.gripper
        self._endpoints = {
            self._arm.trajectory_topic: JointTrajectoryEndpoint(self._arm.joints, TIMESTEP_NS, self._rule),
            gripper.topic: JointTrajectoryEndpoint([gripper.joint], TIMESTEP_NS, self._rule),
        }

    # Trials.

    def reset(self, task_name: str, seed: int) -> TaskInstance:
        """Lay out a task and put the arm at its start. Virtual time goes on; trajectories are forgotten.

        Raises:
            TaskError: Unknown task.
        """
        task = make_task(self.card, task_name, seed, n_joints=self._n)
        m, d = self.model, self.data
        mujoco.mj_resetData(m, d)
        start = np.clip(
            np.array(self._arm.home) + task.arm_offset,
            np.array(self._arm.limits.position_lower) + 0.05,
            np.array(self._arm.limits.position_upper) - 0.05,
        )
        d.qpos[self._q_index[: self._n]] = start
        d.qpos[[self._q_index[self._n], self._mirror.qposadr[0]]] = self._arm.gripper.open_position
        for k, name in enumerate(self._names):
            q, _ = self._free[name]
            present = name in task.layout
            x, y, yaw = task.layout.get(name, (float(k), 0.0, 0.0))
            # Absent objects float below the floor, weightless, where nothing sees or touches them.
            d.qpos[q : q + 3] = [x, y, OBJECTS[name].rest_height + 0.0005 if present else -4.0]
            d.qpos[q + 3 : q + 7] = [np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)]
            m.body_gravcomp[self._body[name]] = 0.0 if present else 1.0
        m.light_diffuse[0] = self._nominal["light"] * task.look["light"].mean()
        m.mat_rgba[m.material("wood").id, :3] = self._nominal["table"][:3] * task.look["table"]
        m.cam_pos[: len(self._nominal["camera"])] = self._nominal["camera"]
        for offset, name in zip(task.look["camera"], ("front", "wrist"), strict=True):
            m.cam_pos[m.camera(name).id] += offset
        self._new_endpoints()
        self.task = task
        self._first_touched = -1
        self._done_since: int | None = None
        self._success = False
        self._touching: list[set[int]] = [set(), set()]
        self._commanded = d.qpos[self._q_index].copy()
        self._set_control(self._commanded, np.zeros(self._n + 1))
        mujoco.mj_forward(m, d)
        return task

    def step(self, count: int = 1) -> None:
        """Advance by `count` physics steps of 2 ms: controllers, physics, ground truth."""
        d, n = self.data, self._n
        arm, hand = self._endpoints.values()
        for _ in range(count):
            if self._active:
                q, v = d.qpos[self._q_index], d.qvel[self._v_index]
                arm_q, arm_v, _ = arm.update(self.now_ns, TIMESTEP_NS, q[:n], v[:n])
                hand_q, hand_v, _ = hand.update(self.now_ns, TIMESTEP_NS, q[n:], v[n:])
                self._commanded = np.concatenate((arm_q, hand_q))
                self._set_control(self._commanded, np.concatenate((arm_v, hand_v)))
            mujoco.mj_step(self.model, d)
            self.now_ns += TIMESTEP_NS
            if self.now_ns % 10_000_000 == 0:
                self._watch()

    def set_active(self, active: bool) -> None:
        """Activates or deactivates both joint trajectory controllers, as a controller manager does.

        Not active they hear and say nothing, and the drives hold what was commanded last; afterwards what is measured."""
        if active and not self._active:
            self._new_endpoints()
        if self._active and not active:
            self._set_control(self._commanded, np.zeros(self._n + 1))
        self._active = active

    def set_clock(self, by_ns: int) -> None:
        """The clock that stamps are of was set: adds by_ns to the time [ns]. Motion under way goes on as it was."""
        self.now_ns += by_ns
        if self._done_since is not None:
            self._done_since += by_ns

    def _set_control(self, q: np.ndarray, v: np.ndarray) -> None:
        control = q + self._lead * v
        self.data.ctrl[self._actuators] = control
        self.data.ctrl[self._mirror_actuator] = control[-1]

    def _watch(self) -> None:
        """Ground truth at 100 Hz: what is touched, and whether the task is done."""
        contacts = self.data.contact.geom
        self._touching = [set(), set()]
        for a, b in contacts:
            for finger, other in ((self._finger_of_geom[a], b), (self._finger_of_geom[b], a)):
                if finger >= 0 and self._object_of_geom[other] >= 0:
                    self._touching[finger].add(int(self._object_of_geom[other]))
        if self._first_touched < 0:
            touched = self._touching[0] | self._touching[1]
            if touched:
                self._first_touched = min(touched)
        if self.task is not None and is_success(self.task, self):
            self._done_since = self.now_ns if self._done_since is None else self._done_since
            self._success = self._success or self.now_ns - self._done_since >= HOLD_NS
        else:
            self._done_since = None

    # What the robot gives and takes.

    def submit(self, trajectory: JointTrajectory | TrajectoryMessage, topic: str | None = None) -> tuple[bool, str]:
        """Hand a message to the controller of a topic, the trajectory's own by default: (accepted, reason).

        One that is not active drops it without a word, as the real one does.
        """
        topic = topic or trajectory.topic
        endpoint = self._endpoints.get(topic)
        if endpoint is None:
            return False, f"no controller listens on '{topic}', there are: {', '.join(self._endpoints)}"
        return endpoint.submit(trajectory, self.now_ns) if self._active else (True, "")

    @property
    def trajectory_topics(self) -> tuple[str, ...]:
        """Topics that take a JointTrajectory."""
        return tuple(self._endpoints)

    def controllers(self) -> Iterator[tuple[str, JointTrajectoryEndpoint, np.ndarray, np.ndarray]]:
        """Of each active joint trajectory controller: its topic, itself, and measured position and velocity (J,)."""
        if not self._active:
            return
        q, v = self.data.qpos[self._q_index], self.data.qvel[self._v_index]
        for (topic, endpoint), joints in zip(self._endpoints.items(), (slice(self._n), slice(self._n, None))):
            yield topic, endpoint, q[joints], v[joints]

    def joint_state(self) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
        """Names, positions [rad, m] and velocities [rad/s, m/s] of arm and finger. Shapes (n,)."""
        return self.joint_names, self.data.qpos[self._q_index].copy(), self.data.qvel[self._v_index].copy()

    def stage(self, camera: str) -> mujoco.Renderer:
        """A renderer that holds the scene as it is now; its `render()` gives RGB, (height, width, 3) uint8, at any later time.

        Call it and `render()` from one thread only: the OpenGL context belongs to the thread of the first call.
        """
        renderer = self._renderers.get(camera)
        if renderer is None:
            spec = next(c for c in self.card.cameras if c.name == camera)
            renderer = self._renderers[camera] = new_renderer(self.model, spec.height, spec.width)
        renderer.update_scene(self.data, camera)
        return renderer

    def render(self, camera: str) -> np.ndarray:
        """RGB image of a camera at the card's size, as seen now. Shape (height, width, 3), uint8."""
        return self.stage(camera).render()

    def close(self) -> None:
        """Free the OpenGL contexts."""
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers.clear()

    # Ground truth.

    def object_position(self, name: str) -> np.ndarray:
        """Position of an object's origin in the base frame [m]. Shape (3,)."""
        return self.data.xpos[self._body[name]].copy()

    def object_up(self, name: str) -> np.ndarray:
        """The object's own z axis in the base frame. Shape (3,)."""
        return self.data.xmat[self._body[name]].reshape(3, 3)[:, 2].copy()

    def is_held(self, name: str) -> bool:
        """Whether both fingers touch the object."""
        k = self._names.index(name)
        return k in self._touching[0] and k in self._touching[1]

    def named_points(self) -> np.ndarray:
        """Where what is to be grasped, and where it goes, are in each camera's image; see `project`.

        Shape (cameras, 2, 2).
        """
        task = self.task
        grasp = self.object_position(task.target) + [0.0, 0.0, grasp_spec(task.target).height]
        points = np.full((len(self.card.cameras), 2, 2), np.nan)
        for row, camera in zip(points, self.card.cameras, strict=True):
            row[0] = self.project(camera.name, grasp)
            if task.destination:
                row[1] = self.project(camera.name, self.object_position(task.destination))
        return points

    def held_object(self) -> str:
        """The object between the fingers, empty if none."""
        both = self._touching[0] & self._touching[1]
        return self._names[min(both)] if both else ""

    def object_quaternion(self, name: str) -> np.ndarray:
        """Orientation of an object in the base frame, ROS order x, y, z, w. Shape (4,)."""
        return np.roll(self.data.xquat[self._body[name]], -1)

    def vertical_fov(self, camera: str) -> float:
        """Vertical field of view [rad]."""
        return float(np.radians(self.model.cam_fovy[self.model.camera(camera).id]))

    def project(self, camera: str, position: np.ndarray) -> np.ndarray:
        """See `project_point`."""
        return project_point(self.model, self.data, camera, position)

    def tool_pose(self) -> np.ndarray:
        """True pose of the tool in the base frame. Shape (4, 4)."""
        pose = np.eye(4)
        pose[:3, 3] = self.data.site_xpos[self._tool]
        pose[:3, :3] = self.data.site_xmat[self._tool].reshape(3, 3)
        return pose

    def expert_state(self, commanded_tool: np.ndarray) -> ExpertState:
        """What the expert plans from, with the commanded tool pose (4, 4) in the base frame."""
        task = self.task
        rotation = self.data.xmat[self._body[task.target]].reshape(3, 3)
        finger = float(self.data.qpos[self._q_index[self._n]])
        held = self.is_held(task.target) and finger < grasp_spec(task.target).half_width + 0.003
        return ExpertState(
            tool=commanded_tool[:3, 3].copy(),
            rotation=commanded_tool[:3, :3].copy(),
            finger=finger,
            target=self.object_position(task.target),
            yaw=float(np.arctan2(rotation[1, 0], rotation[0, 0])),
            destination=self.object_position(task.destination) if task.destination else None,
            held=held,
        )

    def progress(self) -> TaskProgress:
        """Ground truth of the trial under way.

        Raises:
            WorldError: Before the first `reset`.
        """
        if self.task is None:
            raise WorldError("no task is laid out: call vla_sim/reset first")
        return TaskProgress(
            task=self.task.name,
            seed=self.task.seed,
            instruction=self.task.instruction,
            target=self.task.target,
            success=self._success,
            done_now=self._done_since is not None,
            held=self.held_object(),
            first_touched=self._names[self._first_touched] if self._first_touched >= 0 else "",
            destination=self.task.destination or "",
            goal_distance=goal_distance(self.task, self),
            objects={name: self.object_position(name) for name in self.task.layout},
        )
