"""The message checks, against the verdicts of the original controller."""

from types import SimpleNamespace

import jtc_reference as reference
import pytest

from vla_sim.jtc_message import JtcParameters, TrajectoryMessage, check_message

CASES = reference.CONTENT["validation"]["cases"]


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_verdicts_are_those_of_the_original(case):
    parameters = dict(case["parameters"])
    interfaces = parameters.pop("command_interfaces", [])
    parameters = JtcParameters(**parameters, effort_command_interface="effort" in interfaces)
    joints = reference.CONTENT["validation"]["controller_joints"]
    reason = check_message(reference.message(case["message"]), joints, case["now_ns"], parameters)
    assert reason == (case["reason"] or "")


def test_a_ros_message_is_read_by_its_attributes():
    def time(sec, nanosec):
        return SimpleNamespace(sec=sec, nanosec=nanosec)

    row = SimpleNamespace(time_from_start=time(1, 5), positions=[0.5, 1.5], velocities=[], accelerations=[], effort=[])
    msg = SimpleNamespace(header=SimpleNamespace(stamp=time(2, 7)), joint_names=["b", "a"], points=[row])
    message = TrajectoryMessage.from_msg(msg)
    assert (message.stamp_ns, message.joint_names, message.points[0].time_ns) == (
        2_000_000_007,
        ("b", "a"),
        1_000_000_005,
    )
    assert message.points[0].positions.tolist() == [0.5, 1.5]
    assert message.points[0].velocities is None
    assert check_message(message, ("a", "b"), 0, JtcParameters()) == ""
