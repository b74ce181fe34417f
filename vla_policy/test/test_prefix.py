"""The steps of a new chunk that repeat the chunk under way, in each action space, on its grid and off it."""

from dataclasses import replace

import numpy as np
import pytest

from vla_contract.action_space import ActionSpace
from vla_contract.card import parse_card
from vla_contract.node_settings import check_committed_steps
from vla_contract.report import ChunkReport, Phase, Verdict
from vla_policy.running.prefix import committed_prefix

MS = 1_000_000
BEGIN = 1_700_000_000_000 * MS
PERIOD = 100 * MS
CARTESIAN = ("x", "y", "z", "rx", "ry", "rz")


def card_of(card, space):
    content = card.to_dict()
    arm = content["arms"][0]
    motion = [f"{arm['name']}.{axis}" for axis in CARTESIAN] if space.startswith("EE") else list(arm["joints"])
    content["action"].update(space=space, names=[*motion, f"{arm['name']}.gripper"])
    return parse_card(content)


def report_of(card, actions, **changes):
    anchor = (0.4, 0.0, 0.3, 1.0, 0.0, 0.0, 0.0) if card.action_space.is_cartesian else tuple(np.linspace(-1, 1, 7))
    fields = {
        "stamp_ns": BEGIN, "phase": Phase.SCHEDULED, "run_id": "1" * 32, "sequence": 3, "chunk_stamp_ns": BEGIN,
        "verdict": Verdict.ACCEPTED, "action_space": card.action_space, "names": tuple(card.action.names),
        "planned_actions": actions, "step_stamps_ns": BEGIN + PERIOD * np.arange(1, len(actions) + 1), "anchor": anchor,
    }  # fmt: skip
    return ChunkReport(**{**fields, **changes})


@pytest.fixture(params=["EE_DELTA", "EE_POSE", "JOINT_DELTA", "JOINT_POSITION", "JOINT_RELATIVE"])
def cell(card, request):
    made = card_of(card, request.param)
    rng = np.random.default_rng(4)
    actions = rng.uniform(-0.3, 0.3, (16, made.action_dim))
    actions[:, -1] = np.arange(16) >= 6
    return made, report_of(made, actions)


def test_steps_at_the_same_instant_are_no_plan_and_a_nanosecond_apart_they_are_one(cell):
    card, report = cell
    observed = np.zeros(7)
    apart = np.cumsum(np.r_[0, np.ones(15, np.int64)]) + BEGIN + PERIOD
    for stamps, known in ((apart, True), (np.minimum(apart, apart[-2]), False)):
        found = committed_prefix(card, replace(report, step_stamps_ns=stamps), BEGIN, 1, observed)
        assert len(found) == known


def test_on_the_grid_they_are_the_planned_steps_themselves(cell):
    card, report = cell
    observed = np.array(report.anchor) if card.action_space is ActionSpace.JOINT_RELATIVE else np.zeros(7)
    prefix = committed_prefix(card, report, BEGIN + 4 * PERIOD, 3, observed)
    np.testing.assert_allclose(prefix, report.planned_actions[4:7], atol=1e-12)
    np.testing.assert_array_equal(prefix[:, -1], [0, 0, 1])


def test_between_two_steps_the_motion_is_the_same_and_grippers_are_not_averaged(cell):
    card, report = cell
    steps, observed = report.planned_actions, np.linspace(-0.5, 0.5, 7)
    prefix = committed_prefix(card, report, BEGIN + 4 * PERIOD + 30 * MS, 3, observed)
    first, last = 0.7 * steps[4] + 0.3 * steps[5], 0.7 * steps[6] + 0.3 * steps[7]
    if card.action_space is ActionSpace.JOINT_RELATIVE:
        first, last = (row + [*(np.array(report.anchor) - observed), 0.0] for row in (first, last))
    motion = slice(0, 3) if card.action_space.is_cartesian else slice(0, 7)  # turns do not simply add up
    np.testing.assert_allclose(prefix[[0, 2], motion], np.stack([first, last])[:, motion], atol=1e-9)
    np.testing.assert_array_equal(prefix[:, -1], [0, 1, 1])


def test_turns_add_up_to_the_same_turn(card):
    card = card_of(card, "EE_DELTA")
    actions = np.zeros((16, 7))
    actions[:, 3:6] = [0.0, 0.2, 0.0]
    actions[5:, 3:6] = [0.1, 0.0, 0.0]
    prefix = committed_prefix(card, report_of(card, actions), BEGIN + 3 * PERIOD + 50 * MS, 4, np.zeros(7))
    np.testing.assert_allclose(prefix[0, 3:6], [0.0, 0.2, 0.0], atol=1e-12)
    np.testing.assert_allclose(prefix[2:, 3:6], [[0.1, 0.0, 0.0]] * 2, atol=1e-12)
    # half of each: exp(0.05 x) exp(0.1 y), whose half turn is the product of the quaternions
    half = np.array([np.sin(0.025) * np.cos(0.05), np.cos(0.025) * np.sin(0.05), np.sin(0.025) * np.sin(0.05)])
    angle = 2 * np.arcsin(np.linalg.norm(half))
    np.testing.assert_allclose(prefix[1, 3:6], angle * half / np.linalg.norm(half), atol=1e-12)


def test_a_chunk_that_is_slowed_down_is_repeated_at_its_own_pace(cell):
    card, report = cell
    slow = replace(report, step_stamps_ns=BEGIN + 2 * PERIOD * np.arange(1, 17))
    observed = np.array(report.anchor) if card.action_space is ActionSpace.JOINT_RELATIVE else np.zeros(7)
    prefix = committed_prefix(card, slow, BEGIN + 8 * PERIOD, 3, observed)
    np.testing.assert_allclose(prefix, report.planned_actions[4:7], atol=1e-12)


def test_before_its_first_step_it_stands_and_after_its_last_nothing_is_repeated(card):
    card = card_of(card, "EE_DELTA")
    report = report_of(card, np.full((16, 7), 0.01))
    early = committed_prefix(card, report, BEGIN - 2 * PERIOD, 3, np.zeros(7))
    np.testing.assert_allclose(early[:, :6], np.array([[0.0], [0.0], [0.01]]) * np.ones(6), atol=1e-9)
    assert len(committed_prefix(card, report, BEGIN + 14 * PERIOD, 3, np.zeros(7))) == 2
    assert len(committed_prefix(card, report, BEGIN + 15 * PERIOD + 10 * MS, 3, np.zeros(7))) == 0
    assert len(committed_prefix(card, report, BEGIN + 99 * PERIOD, 3, np.zeros(7))) == 0


@pytest.mark.parametrize("change", [
    {"planned_actions": np.empty((0, 7)), "step_stamps_ns": np.empty(0)}, {"anchor": ()},
    {"action_space": ActionSpace.JOINT_DELTA}, {"names": tuple("abcdefg")}, {"planned_actions": np.full((16, 7), np.nan)},
    {"step_stamps_ns": np.full(16, BEGIN)},
])  # fmt: skip
def test_a_report_that_tells_no_plan_gives_no_steps(card, change):
    card = card_of(card, "EE_DELTA")
    report = report_of(card, np.zeros((16, 7)), **change)
    assert committed_prefix(card, report, BEGIN + PERIOD, 3, np.zeros(7)).shape == (0, 7)


@pytest.mark.parametrize(("space", "steps", "words"), [
    ("EE_DELTA", 13, "committed_steps is 13, allowed are 0 to 12: the horizon, 16, without the replan_steps, 4"),
    ("EE_DELTA", -1, "allowed are 0 to 12"),
    ("EE_RELATIVE", 1, "allowed is 0 with action space EE_RELATIVE"),
])  # fmt: skip
def test_what_cannot_be_repeated_is_refused(card, space, steps, words):
    with pytest.raises(ValueError, match=words):
        check_committed_steps(card_of(card, space), steps, 4)
    check_committed_steps(card_of(card, space), 0, 4)
