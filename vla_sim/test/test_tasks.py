import math

import numpy as np
import pytest

from vla_sim.scene import COLORS, OBJECTS
from vla_sim.tasks import FINGER_CLEARANCE, PICK_HEIGHT, TASK_NAMES, TaskError, goal_distance, make_task


@pytest.mark.parametrize("name", TASK_NAMES)
def test_same_seed_same_trial(card, name):
    first, second, other = (make_task(card, name, seed) for seed in (7, 7, 8))
    assert first.layout == second.layout and first.instruction == second.instruction
    np.testing.assert_array_equal(first.arm_offset, second.arm_offset)
    assert first.layout != other.layout


@pytest.mark.parametrize("name", TASK_NAMES)
def test_the_hand_has_room_around_every_object(card, name):
    for seed in range(40):
        layout = make_task(card, name, seed).layout
        for a, pose_a in layout.items():
            for b, pose_b in layout.items():
                if a < b:
                    distance = math.dist(pose_a[:2], pose_b[:2])
                    assert distance > OBJECTS[a].footprint + OBJECTS[b].footprint + FINGER_CLEARANCE, (seed, a, b)


def test_five_consecutive_seeds_name_five_colours(card):
    targets = {make_task(card, "pick", seed).target for seed in range(1000, 1005)}
    assert targets == {f"{color}_block" for color in COLORS}


def test_the_instruction_names_what_is_to_be_done(card):
    for seed in range(30):
        task = make_task(card, "stack", seed)
        colors = [task.target.split("_")[0], task.destination.split("_")[0]]
        words = task.instruction.split()
        assert [w for w in words if w in COLORS] == colors
        assert {task.target, task.destination} <= set(task.layout)


def test_a_pick_scene_has_something_else_to_be_mistaken_for(card):
    assert all(len(make_task(card, "pick", seed).layout) >= 2 for seed in range(40))


class Placed:
    """Objects at given positions."""

    def __init__(self, **positions) -> None:
        self._positions = positions

    def object_position(self, name: str) -> np.ndarray:
        return np.array(self._positions[name])


def test_the_way_to_the_goal_is_height_for_a_pick_and_distance_on_the_table_else(card):
    pick, stack = make_task(card, "pick", 3), make_task(card, "stack", 3)
    for height, way in ((0.02, PICK_HEIGHT - 0.02), (PICK_HEIGHT, 0.0), (0.3, 0.0)):
        assert goal_distance(pick, Placed(**{pick.target: (0.5, 0.1, height)})) == pytest.approx(way)
    world = Placed(**{stack.target: (0.5, 0.1, 0.2), stack.destination: (0.53, 0.06, 0.02)})
    assert goal_distance(stack, world) == pytest.approx(0.05), "however high it is held"


def test_unknown_task_is_named_with_the_allowed_ones(card):
    with pytest.raises(TaskError, match="unknown task 'juggle', allowed are: pick, place_in_bowl"):
        make_task(card, "juggle", 0)


def test_task_that_the_card_lacks(card):
    without = card.model_copy(update={"tasks": [t for t in card.tasks if t.name != "stack"]})
    with pytest.raises(TaskError, match="has no task 'stack', it has: pick"):
        make_task(without, "stack", 0)
