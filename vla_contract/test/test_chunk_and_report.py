"""Chunk and report: shapes are checked, values are not, and nothing changes afterwards."""

import numpy as np
import pytest

from vla_contract.action_space import ActionSpace, arm_action_names
from vla_contract.chunk import ActionChunk, ChunkError
from vla_contract.report import ChunkReport, Clamp, ClampLimit, Phase, Verdict

NAMES = ("arm.x", "arm.y", "arm.gripper")


def make_chunk(actions, names=NAMES, **changes) -> ActionChunk:
    fields = dict(
        stamp_ns=1_000, frame_id="base", image_stamps_ns=(1_000,), state_stamp_ns=1_000, run_id="0" * 31 + "1", sequence=0,
        card_hash="abc", action_space=ActionSpace.EE_DELTA, names=names, actions=actions, step_period_ns=100, valid_for_ns=400,
    )  # fmt: skip
    return ActionChunk(**{**fields, **changes})


def make_report(**changes) -> ChunkReport:
    fields = dict(stamp_ns=5, phase=0, run_id="", sequence=0, chunk_stamp_ns=1, verdict=0, names=NAMES)
    return ChunkReport(**{**fields, **changes})


def test_rows_are_steps_and_columns_are_names():
    chunk = make_chunk([[1, 2, 0], [3, 4, 1]])
    assert chunk.horizon == 2 and chunk.actions.dtype == np.float64
    assert chunk.actions[1].tolist() == [3, 4, 1]
    assert chunk.step_stamps_ns().tolist() == [1_100, 1_200]


@pytest.mark.parametrize("nothing", [[], np.empty((0, 3)), np.empty((0, 0))])
def test_a_horizon_of_zero_is_a_brake(nothing):
    chunk = make_chunk(nothing)
    assert chunk.horizon == 0 and chunk.actions.shape == (0, 3)
    assert chunk.step_stamps_ns().size == 0


@pytest.mark.parametrize(
    "actions, message",
    [
        ([[1, 2]], "actions: 2 columns, 3 names need 3"),
        ([1, 2, 3], r"actions: shape \(3,\), allowed is \(horizon, 3\)"),
        ([[1, 2, 3], [1, 2]], "actions: not a rectangular array of numbers"),
        ([["a", "b", "c"]], "actions: not a rectangular array of numbers"),
        (np.zeros((1, 1, 3)), r"actions: shape \(1, 1, 3\)"),
    ],
)
def test_shapes_that_do_not_fit(actions, message):
    with pytest.raises(ChunkError, match=message):
        make_chunk(actions)


def test_other_parts_that_do_not_fit():
    with pytest.raises(ChunkError, match=r"reference_positions: shape \(1, 2\)"):
        make_chunk([], reference_positions=[[1, 2]])
    with pytest.raises(ChunkError, match="action_space: 9, allowed are 0 JOINT_POSITION, 1 "):
        make_chunk([], action_space=9)


def test_values_that_are_not_finite_reach_the_controller():
    assert np.isnan(make_chunk([[np.nan, np.inf, 0]]).actions[0, 0])


def test_a_chunk_keeps_its_own_copy():
    actions = np.zeros((2, 3))
    chunk = make_chunk(actions)
    actions[0, 0] = 9
    assert chunk.actions[0, 0] == 0
    with pytest.raises(ValueError, match="read-only"):
        chunk.actions[0, 0] = 9


def test_what_was_reported_does_not_change_afterwards():
    given = {
        "planned_actions": np.array([[1.0, 2.0, 3.0]]),
        "step_stamps_ns": np.array([70]),
        "commanded_minus_measured": np.array([0.25, 0.5]),
    }
    report = make_report(**given)
    for name, array in given.items():
        kept = array.copy()
        array[...] = 9
        with pytest.raises(ValueError, match="read-only"):
            getattr(report, name)[...] = 8
        np.testing.assert_array_equal(getattr(report, name), kept)


def test_spaces_part_into_absolute_relative_and_delta():
    for space in ActionSpace:
        assert space.is_absolute + space.is_relative + space.is_delta == 1
        assert space.is_cartesian == space.name.startswith("EE_")


def test_column_names_of_an_arm():
    assert arm_action_names(ActionSpace.EE_POSE, "arm", ["j1"], True)[-2:] == ["arm.rz", "arm.gripper"]
    assert arm_action_names(ActionSpace.JOINT_DELTA, "arm", ["j1", "j2"], False) == ["j1", "j2"]


def test_a_report_has_a_row_for_each_step_stamp():
    report = make_report(planned_actions=np.ones((2, 3)), step_stamps_ns=[10, 20])
    assert report.phase is Phase.SCHEDULED and report.verdict is Verdict.ACCEPTED
    assert report.step_stamps_ns.dtype == np.int64
    with pytest.raises(ChunkError, match=r"planned_actions: shape \(2, 3\), allowed is \(1 step stamps, 3 names\)"):
        make_report(planned_actions=np.ones((2, 3)), step_stamps_ns=[10])


def test_a_report_that_says_no_more_tells_of_nothing_done():
    report = make_report()
    done = (report.steps_executed, report.steps_skipped, report.steps_clamped, report.steps_superseded)
    stamps = (report.first_executed_ns, report.last_executed_ns, report.received_steady_ns, report.published_steady_ns)
    assert done == stamps == (0, 0, 0, 0)
    assert report.clamps == report.anchor == () and report.planned_actions.shape == (0, 3)


def test_refusals_are_told_from_what_is_executed():
    assert not Verdict.ACCEPTED.is_refusal and not Verdict.BRAKE.is_refusal
    assert all(verdict.is_refusal for verdict in Verdict if verdict >= 2)


@pytest.mark.parametrize(
    "limit, kind",
    [
        ("velocity panda_joint3", ClampLimit.VELOCITY),
        ("tool_speed", ClampLimit.TOOL_SPEED),
        ("workspace z", ClampLimit.WORKSPACE),
        ("something else", ClampLimit.OTHER),
    ],
)
def test_the_first_word_of_a_clamp_is_its_kind(limit, kind):
    assert make_report(clamps=[(3, limit, 0.5)]).clamps == (Clamp(3, limit, 0.5),)
    assert Clamp(3, limit, 0.5).kind is kind
