"""A cell to test with: a Panda written out from its published parameters, its card, and chunks for it."""

from __future__ import annotations

import math
import uuid

import numpy as np

from vla_contract.card import InterfaceCard, parse_card
from vla_contract.chunk import ActionChunk
from vla_controller.controller import ChunkController
from vla_motion.model import RobotModel

MS = 1_000_000
JOINTS = [f"panda_joint{i}" for i in range(1, 8)]
LOWER = [-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973]
UPPER = [2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973]
HOME = np.array([0.0, -0.45, 0.0, -2.35, 0.0, 1.9, 0.7854])
RUN = uuid.UUID(int=1).hex

# offset [m] and turn about x [rad] of each link in the one before, modified Denavit-Hartenberg
_LINKS = [
    ((0.0, 0.0, 0.333), 0.0),
    ((0.0, 0.0, 0.0), -math.pi / 2),
    ((0.0, -0.316, 0.0), math.pi / 2),
    ((0.0825, 0.0, 0.0), math.pi / 2),
    ((-0.0825, 0.384, 0.0), -math.pi / 2),
    ((0.0, 0.0, 0.0), math.pi / 2),
    ((0.088, 0.0, 0.0), math.pi / 2),
]

# spheres (centre [m], radius [m]) of the links that can meet each other or the table
_SPHERES = {
    2: [((0.0, -0.1, 0.0), 0.06), ((0.0, -0.2, 0.0), 0.06)],
    3: [((0.05, 0.0, -0.06), 0.06)],
    4: [((-0.0825, 0.1, 0.0), 0.06)],
    5: [((0.0, 0.0, -0.24), 0.05), ((0.0, 0.03, -0.12), 0.05)],
    7: [((0.0, 0.0, 0.06), 0.045), ((0.0, 0.0, 0.13), 0.04)],
}


def _spheres(link: int) -> str:
    return "".join(
        f'<collision><origin xyz="{x} {y} {z}"/><geometry><sphere radius="{radius}"/></geometry></collision>'
        for (x, y, z), radius in _SPHERES.get(link, ())
    )


def panda_urdf(prefix: str = "panda") -> str:
    """The arm from its base to a tool between the fingertips."""

    def vector(values):
        return " ".join(str(v) for v in values)

    text = f'<robot name="{prefix}"><link name="{prefix}_link0"/>'
    for i, (offset, turn) in enumerate(_LINKS):
        text += (
            f'<joint name="{prefix}_joint{i + 1}" type="revolute"><parent link="{prefix}_link{i}"/>'
            f'<child link="{prefix}_link{i + 1}"/><origin xyz="{vector(offset)}" rpy="{turn} 0 0"/><axis xyz="0 0 1"/>'
            f'<limit lower="{LOWER[i]}" upper="{UPPER[i]}" velocity="2.5" effort="87"/></joint>'
            f'<link name="{prefix}_link{i + 1}">{_spheres(i + 1)}</link>'
        )
    return text + (
        f'<joint name="{prefix}_tool_mount" type="fixed"><parent link="{prefix}_link7"/><child link="{prefix}_tool"/>'
        f'<origin xyz="0 0 {0.107 + 0.1034}" rpy="0 0 {-math.pi / 4}"/></joint><link name="{prefix}_tool"/></robot>'
    )


def panda_model(prefix: str = "panda") -> RobotModel:
    joints = [f"{prefix}_joint{i}" for i in range(1, 8)]
    return RobotModel.from_urdf(panda_urdf(prefix), joints, f"{prefix}_tool", f"{prefix}_link0")


def arm_section(name: str = "arm", prefix: str = "panda", rule: str = "legacy") -> dict:
    return {
        "name": name,
        "base_frame": f"{prefix}_link0",
        "tool_frame": f"{prefix}_tool",
        "joints": [f"{prefix}_joint{i}" for i in range(1, 8)],
        "trajectory_topic": f"{prefix}_arm_controller/joint_trajectory",
        "replacement_rule": rule,
        "home": HOME.tolist(),
        "gripper": {
            "name": f"{prefix}_hand",
            "interface": "jtc",
            "topic": f"{prefix}_hand_controller/joint_trajectory",
            "joint": f"{prefix}_finger_joint1",
            "open_position": 0.04,
            "closed_position": 0.0,
            "open_value": 1.0,
            "closed_value": 0.0,
        },
        "limits": {
            "position_lower": LOWER,
            "position_upper": UPPER,
            "velocity": [2.175] * 4 + [2.61] * 3,
            "acceleration": [15.0, 7.5, 10.0, 12.5, 15.0, 20.0, 20.0],
            "jerk": [7500.0, 3750.0, 5000.0, 6250.0, 7500.0, 10000.0, 10000.0],
            "workspace_min": [0.25, -0.4, 0.005],
            "workspace_max": [0.75, 0.4, 0.6],
            "tool_speed": 0.7,
            "tool_angular_speed": 2.0,
            "tracking_tolerance": 0.15,
            "collision": {"self_collision": True, "table_height": 0.0},
        },
    }


def make_card(
    space: str = "EE_DELTA", rule: str = "legacy", arms: list[dict] | None = None, horizon: int = 16
) -> InterfaceCard:
    arms = arms or [arm_section(rule=rule)]
    names: list[str] = []
    for arm in arms:
        if space.startswith("EE"):
            names += [f"{arm['name']}.{axis}" for axis in ("x", "y", "z", "rx", "ry", "rz")]
        else:
            names += arm["joints"]
        names.append(f"{arm['name']}.gripper")
    return parse_card(
        {
            "schema_version": 1,
            "name": "test_cell",
            "description": "for tests",
            "arms": arms,
            "cameras": [
                {"name": "front", "topic": "front/image_raw", "frame": "front_optical_frame", "width": 64, "height": 64,
                 "encoding": "rgb8", "rate": 30.0, "max_age": 0.25}
            ],
            "state": {"topic": "joint_states", "fields": [f"{joint}.position" for arm in arms for joint in arm["joints"]],
                      "max_age": 0.25, "max_skew": 0.05},
            "action": {"space": space, "names": names, "step_period": 0.1, "horizon": horizon},
            "max_open_loop": 2.0,
            "tasks": [{"name": "move", "wording": ["move"], "success_metric": "it moved", "time_limit": 10.0}],
            "dataset": {"licence": "Apache-2.0", "source": "none"},
            "failure_modes": [],
        }
    )  # fmt: skip


def make_chunk(card: InterfaceCard, actions: np.ndarray, stamp_ns: int, sequence: int = 0, **changes) -> ActionChunk:
    """A chunk of the card with these actions (H, D); motion columns alone (H, 6 or J) get an open gripper."""
    actions = np.asarray(actions, dtype=np.float64)
    if actions.size and len(card.arms) == 1 and actions.shape[1] == card.action_dim - 1:
        actions = np.hstack([actions, np.ones((len(actions), 1))])
    fields = {
        "stamp_ns": stamp_ns,
        "frame_id": card.arms[0].base_frame,
        "image_stamps_ns": (stamp_ns,),
        "state_stamp_ns": stamp_ns,
        "run_id": RUN,
        "sequence": sequence,
        "card_hash": card.card_hash,
        "action_space": card.action_space,
        "names": tuple(card.action.names),
        "actions": actions,
        "step_period_ns": card.step_period_ns,
        "valid_for_ns": 2_000 * MS,
        **changes,
    }
    return ActionChunk(**fields)


def straight(speed=(0.1, 0.0, 0.0), steps: int = 16, period: float = 0.1) -> np.ndarray:
    """EE_DELTA motion columns (steps, 6) of a constant tool velocity [m/s]."""
    actions = np.zeros((steps, 6))
    actions[:, :3] = np.array(speed) * period
    return actions


class Rig:
    """A controller with an arm that follows it without error; states come at 100 Hz, as does the tick."""

    def __init__(self, card: InterfaceCard | None = None, q=HOME, models=None, **options) -> None:
        self.card = card or make_card()
        self.models = models or [panda_model()]
        options.setdefault("planning_margin_ns", 20 * MS)
        self.controller = ChunkController(self.card, self.models if len(self.models) > 1 else self.models[0], **options)
        self.names = [joint for arm in self.card.arms for joint in arm.joints]
        self.q = np.concatenate([np.asarray(q, dtype=float)] * len(self.card.arms))
        self.now = 1_000 * MS
        self.trajectories: list = []
        self.reports: list = []
        self.follow = True
        for before in (60, 30, 0):  # long enough to be seen at rest
            self.now -= before * MS
            self.state()
            self.now += before * MS

    @property
    def model(self) -> RobotModel:
        return self.models[0]

    def take(self, output):
        self.trajectories += output.trajectories
        self.reports += output.reports
        self.output = output
        return output

    def state(self) -> None:
        commanded = self.controller.commanded_at(self.now)
        velocity = np.zeros_like(self.q)
        if commanded is not None and self.follow:
            self.q, velocity = commanded[0], commanded[1]
        self.controller.on_joint_state(self.now, self.names, self.q, velocity, self.now)

    def run(self, ms: int) -> None:
        """Time goes on, in steps of 10 ms."""
        end = self.now + ms * MS
        while self.now < end:
            self.now = min(self.now + 10 * MS, end)
            self.state()
            self.take(self.controller.tick(self.now))

    def send(self, actions, sequence: int = 0, stamp_ns: int | None = None, **changes):
        """A chunk arrives now, of an observation at stamp_ns (now by default)."""
        stamp_ns = self.now if stamp_ns is None else stamp_ns
        chunk = make_chunk(self.card, actions, stamp_ns, sequence, **changes)
        return self.take(self.controller.on_chunk(chunk, self.now))

    def tool(self, t_ns: int | None = None) -> np.ndarray:
        """T_base_tool commanded at t_ns (now by default)."""
        return self.model.forward(self.controller.commanded_at(self.now if t_ns is None else t_ns)[0][:7])

    @property
    def arm_messages(self) -> list:
        return [message for message in self.trajectories if "_arm_controller" in message.topic]

    def of_phase(self, phase) -> list:
        return [report for report in self.reports if report.phase is phase]
