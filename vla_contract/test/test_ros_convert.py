"""Messages say what the dataclasses say, field by field, and survive the wire."""

from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("vla_msgs.msg._action_chunk", reason="vla_msgs is not built")

from rclpy.serialization import deserialize_message, serialize_message
from trajectory_msgs.msg import JointTrajectory

from vla_contract.action_space import ActionSpace
from vla_contract.chunk import ActionChunk, ChunkError
from vla_contract.policy_info import PolicyInfo
from vla_contract.report import ChunkReport, Clamp, ClampLimit, Phase, Verdict
from vla_contract.ros import convert, qos
from vla_contract.status import ControllerState, Outcome, OutcomeSource, PolicyState, RunError
from vla_msgs import msg
from vla_msgs.action import RunTask

RUN = "0123456789abcdef0123456789abcdef"


def make_chunk() -> ActionChunk:
    """Every field different from its default and from the others."""
    return ActionChunk(
        stamp_ns=5_000_000_001, frame_id="base", image_stamps_ns=(5_000_000_001, 5_010_000_000), state_stamp_ns=5_000_000_002,
        run_id=RUN, sequence=np.int64(7), card_hash="abc", action_space=ActionSpace.EE_RELATIVE, names=("arm.x", "arm.gripper"),
        actions=[[0.1, 1.0], [np.nan, -np.inf], [1e-300, 0.0]], step_period_ns=100_000_000, valid_for_ns=1_600_000_003,
        committed_steps=2, reference_positions=[0.5, 0.25], inference_start_ns=6, inference_end_ns=8,
        inference_start_steady_ns=2**40, inference_end_steady_ns=2**40 + 1, image_receipt_steady_ns=2**40 + 2,
    )  # fmt: skip


def make_report() -> ChunkReport:
    return ChunkReport(
        stamp_ns=1, phase=Phase.CLOSED, run_id=RUN, sequence=3, chunk_stamp_ns=2, verdict=Verdict.INFEASIBLE, message="why",
        action_space=ActionSpace.EE_DELTA, names=("arm.x", "arm.y"), planned_actions=[[1, 2], [3, 4]], step_stamps_ns=[10, 20],
        anchor=(1, 2, 3, 0, 0, 0, 1), commanded_minus_measured=[0.1, 0.2], first_executed_ns=10, last_executed_ns=20,
        steps_executed=4, steps_skipped=5, steps_clamped=6, steps_superseded=7, clamps=(Clamp(1, "velocity j1", 0.5),),
        received_steady_ns=8, published_steady_ns=9, frame_id="base",
    )  # fmt: skip


def make_info() -> PolicyInfo:
    return PolicyInfo(
        policy="native", head="flow", checkpoint="a.safetensors", checkpoint_hash="f" * 64, card_name="cell", policy_hash="p",
        card_hash="c", camera_names=("front",), state_names=("j1.position", "j2.position"), action_space=ActionSpace.EE_DELTA,
        action_names=("arm.x",), step_period_ns=100_000_000, horizon=16, parameter_count=12, device="cuda:0",
        warm_inference_ns=30_000_000, stamp_ns=77,
    )  # fmt: skip


def over_the_wire(message):
    return deserialize_message(serialize_message(message), type(message))


@pytest.mark.parametrize(
    "record, to_msg, from_msg",
    [
        (make_chunk(), convert.chunk_to_msg, convert.chunk_from_msg),
        (make_report(), convert.report_to_msg, convert.report_from_msg),
        (make_info(), convert.info_to_msg, convert.info_from_msg),
    ],
    ids=["chunk", "report", "info"],
)
def test_every_field_survives(record, to_msg, from_msg):
    back = from_msg(over_the_wire(to_msg(record)))
    for field in fields(record):
        np.testing.assert_array_equal(getattr(back, field.name), getattr(record, field.name), err_msg=field.name)


def test_no_field_of_a_message_is_left_at_its_default():
    for record, to_msg in (
        (make_chunk(), convert.chunk_to_msg),
        (make_report(), convert.report_to_msg),
        (make_info(), convert.info_to_msg),
    ):
        message, empty = to_msg(record), type(to_msg(record))()
        for name in message.get_fields_and_field_types():
            assert str(getattr(message, name)) != str(getattr(empty, name)), name


@pytest.mark.parametrize(
    "enumerations, where",
    [
        ([ActionSpace], msg.ActionChunk),
        ([Phase, Verdict], msg.ChunkReport),
        ([ClampLimit], msg.ChunkClamp),
        ([PolicyState], msg.PolicyStatus),
        ([ControllerState], msg.ControllerStatus),
        ([RunError, Outcome, OutcomeSource], RunTask.Result),
    ],
)
def test_enumerations_are_the_constants_of_the_messages(enumerations, where):
    constants = {name: getattr(where, name) for name in vars(type(where)) if name[0].isalpha() and name.isupper()}
    assert constants == {member.name: member.value for enumeration in enumerations for member in enumeration}


def test_a_brake_is_a_chunk_without_steps():
    message = convert.chunk_to_msg(ActionChunk(1, "base", (), 1, "", 0, "", ActionSpace.EE_DELTA, ("arm.x",), [], 1, 1))
    assert message.horizon == 0 and bytes(message.run_id.uuid) == bytes(16)
    back = convert.chunk_from_msg(over_the_wire(message))
    assert back.horizon == 0 and back.run_id == ""


@pytest.mark.parametrize(
    "change, expected",
    [
        (dict(horizon=4), "actions: 6 values, horizon 4 of 2 names needs 8"),
        (dict(names=["a", "b", "c"]), "actions: 6 values, horizon 3 of 3 names needs 9"),
        (dict(action_space=17), "action_space: 17, allowed are 0 JOINT_POSITION"),
    ],
)
def test_messages_that_do_not_fit_are_refused(change, expected):
    message = convert.chunk_to_msg(make_chunk())
    for name, value in change.items():
        setattr(message, name, value)
    with pytest.raises(ChunkError, match=expected):
        convert.chunk_from_msg(message)


def test_run_ids():
    assert convert.run_id_from_msg(convert.run_id_to_msg("01234567-89ab-cdef-0123-456789abcdef")) == RUN
    with pytest.raises(ChunkError, match="run_id: 'first', allowed is a UUID"):
        convert.run_id_to_msg("first")


@pytest.mark.parametrize("ns", [0, 1, 999_999_999, 1_000_000_000, 1_700_000_000_123_456_789, -1, -1_500_000_000])
def test_stamps_are_exact(ns):
    for make in (convert.ns_to_stamp, convert.ns_to_duration):
        message = make(ns)
        assert convert.stamp_to_ns(message) == ns and 0 <= message.nanosec < 1_000_000_000


@pytest.mark.parametrize("with_velocities, with_accelerations", [(True, True), (True, False), (False, False)])
def test_trajectories(with_velocities, with_accelerations):
    values = np.arange(6.0).reshape(3, 2)
    trajectory = SimpleNamespace(
        stamp_ns=2_500_000_000, joint_names=("j1", "j2"), times_ns=np.array([0, 100_000_000, 1_200_000_000]), positions=values,
        velocities=values + 10 if with_velocities else None, accelerations=values + 20 if with_accelerations else None,
    )  # fmt: skip
    message = over_the_wire(convert.trajectory_to_msg(trajectory))
    assert message.points[2].time_from_start.sec == 1 and message.points[2].time_from_start.nanosec == 200_000_000
    assert list(message.points[1].positions) == [2.0, 3.0]
    back = convert.trajectory_from_msg(message)
    for name, value in vars(trajectory).items():
        np.testing.assert_array_equal(back[name], value, err_msg=name)


def test_columns_that_do_not_fit_the_joints_are_refused():
    trajectory = SimpleNamespace(
        stamp_ns=0, joint_names=("j1", "j2"), times_ns=[1, 2], positions=np.ones((2, 3)), velocities=None, accelerations=None
    )
    with pytest.raises(ChunkError, match=r"positions: shape \(2, 3\), 2 times and 2 joints need \(2, 2\)"):
        convert.trajectory_to_msg(trajectory)


def test_a_point_that_lacks_a_joint_is_named():
    trajectory = SimpleNamespace(
        stamp_ns=0, joint_names=("j1", "j2"), times_ns=[1, 2], positions=np.ones((2, 2)), velocities=np.ones((2, 2)),
        accelerations=None,
    )  # fmt: skip
    message = convert.trajectory_to_msg(trajectory)
    message.points[1].velocities = [1.0]
    with pytest.raises(ChunkError, match=r"points\[1\]\.velocities: 1 values, 2 joint names need 2"):
        convert.trajectory_from_msg(message)
    assert convert.trajectory_from_msg(JointTrajectory(joint_names=["j1"]))["positions"].shape == (0, 1)


def test_sensor_data_may_be_lost_and_the_latched_waits_for_newcomers():
    assert qos.SENSOR.reliability.name == "BEST_EFFORT"
    assert qos.RELIABLE.reliability.name == "RELIABLE" and qos.RELIABLE.durability.name == "VOLATILE"
    assert qos.LATCHED.durability.name == "TRANSIENT_LOCAL" and qos.LATCHED.reliability.name == "RELIABLE"


def test_a_wrench_becomes_values_that_are_named_as_its_fields(changed):
    from geometry_msgs.msg import Vector3, Wrench, WrenchStamped
    from sensor_msgs.msg import JointState

    from vla_contract.card import parse_card
    from vla_contract.ros.streams import state_class, state_message

    state = parse_card(changed("state", "sources", [
        {"topic": "/ft/wrench", "type": "wrench", "name": "wrist", "max_age": 0.1},
        {"topic": "hand/state", "type": "joint_states", "joints": ["finger"], "max_age": 0.1},
    ])).state  # fmt: skip
    sent = WrenchStamped(wrench=Wrench(force=Vector3(x=1.0, y=2.0, z=-3.0), torque=Vector3(x=0.1, y=0.2, z=0.3)))
    sent.header.stamp.sec = 7
    told = state_message(state, "/ft/wrench", sent)
    assert dict(zip(told.name, told.position)) == {
        "wrist.force.x": 1.0, "wrist.force.y": 2.0, "wrist.force.z": -3.0,
        "wrist.torque.x": 0.1, "wrist.torque.y": 0.2, "wrist.torque.z": 0.3,
    } and told.header.stamp.sec == 7  # fmt: skip
    assert list(state_message(state, "joint_states", JointState(name=["j1", "finger"], position=[1.0, 2.0])).name) == ["j1", ""]
    assert list(state_message(state, "hand/state", JointState(name=["j1", "finger"], position=[1.0, 2.0])).name) == ["", "finger"]
    assert [state_class(kind) for kind in state.topics.values()] == [JointState, WrenchStamped, JointState]
