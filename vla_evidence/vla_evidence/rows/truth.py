"""Ground truth as a bag has it: vla/task_state, also of bags that were recorded before it named the destination."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

OF_THE_GOAL = frozenset({"destination_object", "goal_distance"})
"""Fields of TaskState that bags of before December 2026 do not have."""
OLDER = (
    "vla/task_state was recorded without destination_object and goal_distance: the destination is taken from task and words, "
    "and the distance to the goal from the objects' positions"
)
_LIFTED_M = 0.10
"""Height from which the simulator counted an object as lifted when such bags were recorded [m]."""
_DESTINATIONS = {"place_in_bowl": "bowl", "cup_on_coaster": "coaster"}


@dataclass(frozen=True)
class TruthSample:
    """A TaskState, without its message.

    Attributes:
        destination: Object to bring the target to; empty: to none.
        goal_m: How far the target still has to go [m]; None: not known.
        objects: Positions by name, in the base frame of the card's first arm [m].
    """

    stamp_ns: int
    task: str
    seed: int
    instruction: str
    episode: int
    success: bool
    succeeded_once: bool
    target: str
    first_touched: str
    held: str
    objects: dict[str, np.ndarray]
    destination: str = ""
    goal_m: float | None = None


def truth_from_msg(message, absent: Collection[str] = ()) -> TruthSample:
    """Of a vla_msgs/TaskState.

    Args:
        absent: Fields that the recorded message does not have, see `Bag.absent_fields`. Where the goal's are among them, see
            `OLDER`.
    """
    from vla_contract.ros.convert import stamp_to_ns

    objects = {o.name: np.array([o.pose.position.x, o.pose.position.y, o.pose.position.z]) for o in message.objects}
    if OF_THE_GOAL & set(absent):
        destination = _destination_by_words(message.task, message.instruction, message.target_object, objects)
        goal = _goal_by_positions(objects, message.target_object, destination)
    else:
        destination = message.destination_object
        goal = message.goal_distance if math.isfinite(message.goal_distance) else None
    return TruthSample(
        stamp_ns=stamp_to_ns(message.header.stamp), task=message.task, seed=message.seed, instruction=message.instruction,
        episode=message.episode, success=message.success, succeeded_once=message.succeeded_once, target=message.target_object,
        first_touched=message.first_touched, held=message.held_object, objects=objects, destination=destination, goal_m=goal,
    )  # fmt: skip


def _destination_by_words(task: str, instruction: str, target: str, objects: Collection[str]) -> str:
    """The bowl, the coaster, or the other block that is named."""
    if task == "pick":
        return ""
    if task in _DESTINATIONS:
        return _DESTINATIONS[task]
    words = set(instruction.lower().split())
    named = [n for n in objects if n != target and n.endswith("_block") and n.split("_")[0] in words]
    return named[0] if named else ""


def _goal_by_positions(objects: dict[str, np.ndarray], target: str, destination: str) -> float | None:
    at, to = objects.get(target), objects.get(destination)
    if at is None:
        return None
    return max(0.0, _LIFTED_M - float(at[2])) if to is None else float(np.linalg.norm(at[:2] - to[:2]))
