"""Language tasks on the tabletop: what is laid out, what is said, and when it is done.

Everything drawn at random comes from one generator seeded with (task, seed): the same pair gives the same scene and
the same words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from vla_contract.card import InterfaceCard
from vla_sim.scene import BLOCK_HALF, BOWL_RADIUS, COASTER_HEIGHT, COLORS, OBJECTS

REGION_MIN = np.array([0.36, -0.24])
REGION_MAX = np.array([0.62, 0.24])
"""Corners of the region where objects are laid, x and y in the robot's base frame [m]."""

FINGER_CLEARANCE = 0.055
"""Free space kept around an object that will be grasped: half the open hand beyond a block [m]."""

PICK_HEIGHT = 0.10
"""Height of the block's centre above the table from which it counts as picked up [m]."""

TASK_NAMES = ("pick", "place_in_bowl", "cup_on_coaster", "stack")


class TaskError(ValueError):
    """An unknown task, or one that the card has no wording for. The message names what is allowed."""


@dataclass(frozen=True)
class TaskInstance:
    """One trial's task.

    Attributes:
        name: Task name, one of `TASK_NAMES`.
        seed: Seed that drew everything below.
        instruction: The sentence for the policy.
        target: Object to grasp (body name).
        destination: Object to bring it to, None for pick.
        layout: Object name -> (x, y, yaw) on the table [m, m, rad]. Objects not listed are absent.
        arm_offset: Added to the home joint positions at the start [rad]. Shape (n_joints,).
        look: Random factors on light, table colour and camera position; see `SimWorld.reset`.
    """

    name: str
    seed: int
    instruction: str
    target: str
    destination: str | None
    layout: dict[str, tuple[float, float, float]]
    arm_offset: np.ndarray
    look: dict[str, np.ndarray] = field(default_factory=dict)


class ObjectView(Protocol):
    """What success needs to see of the world."""

    def object_position(self, name: str) -> np.ndarray: ...
    def object_up(self, name: str) -> np.ndarray: ...
    def is_held(self, name: str) -> bool: ...


def make_task(card: InterfaceCard, name: str, seed: int, *, n_joints: int = 7) -> TaskInstance:
    """Draw a task instance.

    Raises:
        TaskError: Unknown name, or a card without wording for it.
    """
    if name not in TASK_NAMES:
        raise TaskError(f"unknown task '{name}', allowed are: {', '.join(TASK_NAMES)}")
    wordings = {task.name: task.wording for task in card.tasks}
    if name not in wordings:
        raise TaskError(f"the card '{card.name}' has no task '{name}', it has: {', '.join(wordings) or 'none'}")
    rng = np.random.default_rng([TASK_NAMES.index(name), seed])
    colors = list(COLORS)
    color = colors[seed % len(colors)]
    others = [c for c in colors if c != color]
    rng.shuffle(others)
    target, destination = f"{color}_block", None
    extras: list[str] = []
    if name == "pick":
        extras = [f"{c}_block" for c in others[: rng.integers(1, 5)]]
        if rng.random() < 0.2:
            extras = [str(rng.choice(["bowl", "coaster", "cup"])), *extras[:2]]
    elif name == "place_in_bowl":
        destination = "bowl"
        extras = [f"{c}_block" for c in others[: rng.integers(0, 3)]]
    elif name == "cup_on_coaster":
        target, destination = "cup", "coaster"
        extras = [f"{c}_block" for c in others[: rng.integers(0, 3)]]
    elif name == "stack":
        destination = f"{others[0]}_block"
        extras = [f"{c}_block" for c in others[1 : 1 + rng.integers(0, 2)]]
    wanted = [target] + ([destination] if destination else []) + extras
    template = str(wordings[name][rng.integers(len(wordings[name]))])
    instruction = template.format(color=color, other=others[0])
    return TaskInstance(
        name=name,
        seed=seed,
        instruction=instruction,
        target=target,
        destination=destination,
        layout=_lay_out(rng, wanted),
        arm_offset=rng.normal(0.0, 0.04, n_joints),
        look={
            "light": rng.uniform(0.88, 1.12, 3),
            "table": rng.uniform(0.90, 1.08, 3),
            "camera": rng.normal(0.0, 0.003, (2, 3)),
        },
    )


def _lay_out(rng: np.random.Generator, names: list[str]) -> dict[str, tuple[float, float, float]]:
    """Positions without overlap, with room for the open hand around each object."""
    while True:
        layout: dict[str, tuple[float, float, float]] = {}
        for name in names:
            spec = OBJECTS[name]
            for _ in range(60):
                xy = rng.uniform(REGION_MIN, REGION_MAX)
                if all(
                    math.dist(xy, other[:2]) > spec.footprint + OBJECTS[placed].footprint + FINGER_CLEARANCE
                    for placed, other in layout.items()
                ):
                    yaw = rng.uniform(-spec.yaw_period / 2, spec.yaw_period / 2) if spec.yaw_period else 0.0
                    layout[name] = (float(xy[0]), float(xy[1]), float(yaw))
                    break
            else:
                break
        if len(layout) == len(names):
            return layout


def goal_distance(task: TaskInstance, world: ObjectView) -> float:
    """How far the target still has to go [m], 0 or more.

    To lift it: the height that its origin lacks of `PICK_HEIGHT`. To bring it somewhere: the horizontal distance between its
    origin and that of its destination.
    """
    target = world.object_position(task.target)
    if task.destination is None:
        return max(0.0, PICK_HEIGHT - float(target[2]))
    return float(np.linalg.norm(target[:2] - world.object_position(task.destination)[:2]))


def is_success(task: TaskInstance, world: ObjectView) -> bool:
    """Whether the task is done now, from ground truth. Heights are above the table [m]."""
    target = world.object_position(task.target)
    if task.name == "pick":
        return bool(target[2] > PICK_HEIGHT and world.is_held(task.target))
    destination = world.object_position(task.destination)
    offset = float(np.linalg.norm(target[:2] - destination[:2]))
    if world.is_held(task.target):
        return False
    if task.name == "place_in_bowl":
        return offset < BOWL_RADIUS - 0.01 and target[2] < 0.06
    upright = world.object_up(task.target)[2] > 0.95
    if task.name == "cup_on_coaster":
        return upright and offset < 0.025 and abs(target[2] - COASTER_HEIGHT) < 0.006
    return offset < BLOCK_HALF and abs(target[2] - destination[2] - 2 * BLOCK_HALF) < 0.008
