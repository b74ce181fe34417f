import numpy as np
import pytest

from vla_motion import rotation as rot
from vla_sim.expert import Expert, ExpertState
from vla_sim.expert_motion import ACCELERATION, DESCENT_SPEED, SPEED, TURN_ACCELERATION, share_of_speed
from vla_sim.scene import OBJECTS
from vla_sim.tasks import TASK_NAMES, make_task

STEP = 0.1


def start(card, name, seed, period=STEP):
    """An expert and what it sees at the start of a trial, the tool a little tilted over its home."""
    task = make_task(card, name, seed)
    bodies = {body: np.array([x, y, OBJECTS[body].rest_height]) for body, (x, y, _) in task.layout.items()}
    shake = np.random.default_rng(seed).normal(0.0, 1.0, 6)
    state = ExpertState(
        tool=np.array([0.44, 0.0, 0.30]) + 0.02 * shake[:3],
        rotation=rot.exp(0.06 * shake[3:]) @ np.diag([1.0, -1.0, -1.0]),
        finger=0.04,
        target=bodies[task.target],
        yaw=task.layout[task.target][2],
        destination=bodies[task.destination] if task.destination else None,
        held=False,
    )
    return Expert(task.target, task.destination, period), state


def plans(card, name):
    for seed in range(25):
        expert, state = start(card, name, seed)
        yield seed, state, expert.plan(state, horizon=150)


@pytest.mark.parametrize("name", TASK_NAMES)
def test_no_step_differs_from_the_one_before_by_more_than_the_acceleration_allows(card, name):
    for seed, _, plan in plans(card, name):
        change = np.diff(plan, axis=0)
        allowed = 1.01 * ACCELERATION * STEP**2
        assert np.linalg.norm(change[:, :2], axis=1).max() < allowed, seed
        assert np.abs(change[:, 2]).max() < allowed, seed
        assert np.linalg.norm(change[:, 3:6], axis=1).max() < 1.01 * TURN_ACCELERATION * STEP**2, seed


@pytest.mark.parametrize("name", TASK_NAMES)
def test_speeds_stay_below_their_limits_and_are_reached(card, name):
    steps = np.concatenate([plan for *_, plan in plans(card, name)])
    assert np.linalg.norm(steps[:, :2], axis=1).max() == pytest.approx(SPEED * STEP, rel=1e-6)
    assert steps[:, 2].max() == pytest.approx(SPEED * STEP, rel=1e-6)
    assert steps[:, 2].min() == pytest.approx(-DESCENT_SPEED * STEP, rel=1e-6)


@pytest.mark.parametrize("name", TASK_NAMES)
def test_motions_end_where_they_lead_without_a_tail_of_tiny_steps(card, name):
    for seed, state, plan in plans(card, name):
        length = np.linalg.norm(plan[:, :3], axis=1)
        path = state.tool + np.cumsum(plan[:, :3], axis=0)
        assert length[-1] < 1e-9, (seed, "at rest in the end")
        grasp = state.target + [0.0, 0.0, 0.052 if name == "cup_on_coaster" else 0.0]
        assert np.linalg.norm(path - grasp, axis=1).min() < 1e-6, (seed, "a step ends exactly at the grasp")
        tiny = int(np.sum((length > 1e-6) & (length < 0.002)))
        assert tiny <= (2 if name == "pick" else 4), (seed, "one for each time the tool comes to rest")


def test_it_leaves_the_table_and_the_placed_object_from_rest(card):
    expert, state = start(card, "stack", 3)
    plan = expert.plan(state, horizon=150)
    rising = plan[:, 2] > 1e-6
    begins = np.flatnonzero(rising[1:] & ~rising[:-1]) + 1
    assert len(begins) == 2, "once with the block, once without"
    for k in begins:
        assert np.linalg.norm(plan[k - 1, :3]) < 1e-6
        assert plan[k, 2] < 0.008 < plan[k + 1, 2] < 0.016 < plan[k + 2, 2]


def test_the_first_step_of_a_trial_is_a_gentle_one_and_the_hand_is_fast_below(card):
    expert, state = start(card, "pick", 1)
    target = np.array([0.55, 0.2, 0.02])

    def first(height):
        tool = np.array([0.44, 0.0, height])
        return expert.act(ExpertState(tool, state.rotation, 0.04, target, 0.3, None, False))

    assert np.linalg.norm(first(0.32)[:2]) == pytest.approx(share_of_speed(0.32) * SPEED * STEP, rel=0.05)
    assert np.linalg.norm(first(0.30)[:2]) < 0.6 * SPEED * STEP
    assert np.linalg.norm(first(0.20)[:2]) == pytest.approx(SPEED * STEP)


@pytest.mark.parametrize("name", TASK_NAMES)
def test_planning_anew_on_the_way_changes_nothing(card, name):
    """The expert is asked again in the middle of a step, too: it then wants to be where it wanted to be before."""
    for seed in range(5):
        expert, state = start(card, name, seed)
        half, _ = start(card, name, seed, period=STEP / 2)
        path = np.cumsum(expert.plan(state, horizon=14)[:, :3], axis=0)
        twice = np.cumsum(half.plan(state, horizon=28)[:, :3], axis=0)[1::2]
        np.testing.assert_allclose(twice, path, atol=2e-3, err_msg=str(seed))


def test_closed_fingers_wait_above_the_block_until_they_are_open(card):
    expert, state = start(card, "pick", 2)
    tool = state.target + [0.0, 0.0, 0.15]
    closed = ExpertState(tool, np.diag([1.0, -1.0, -1.0]), 0.0, state.target, 0.0, None, False)
    heights = []
    for _ in range(20):
        action = expert.act(closed)
        assert action[6] == 1.0
        closed = ExpertState(closed.tool + action[:3], closed.rotation, 0.0, state.target, 0.0, None, False)
        heights.append(closed.tool[2] - state.target[2])
    assert min(heights) > 0.0799 and heights[-1] == pytest.approx(0.08, abs=1e-6)
