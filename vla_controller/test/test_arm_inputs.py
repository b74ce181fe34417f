"""Of what waits, the newest that can be used is handed on, whatever else a second driver sends behind it."""

import math
from types import SimpleNamespace

import pytest
from cells import HOME, JOINTS, MS, make_card

pytest.importorskip("rclpy", reason="needs ROS 2")

from sensor_msgs.msg import JointState

from vla_contract.ros.stamps import ns_to_stamp, stamp_to_ns
from vla_controller.ros.arm_inputs import ArmInputs

NOW = 10**18
FIRST, SECOND = JOINTS[:3], JOINTS[3:]


def state(age_ms, names=JOINTS, positions=None):
    positions = HOME.tolist()[: len(names)] if positions is None else positions
    message = JointState(name=list(names), position=positions)
    message.header.stamp = ns_to_stamp(NOW - age_ms * MS)
    return message


@pytest.fixture
def heard():
    """Ages [ms] of what is handed on of messages that wait, given in order of arrival; ``later`` moves the clock on [ms]."""
    inputs = ArmInputs.__new__(ArmInputs)
    card = make_card()
    inputs._card, inputs._newest_ns = card, {"joint_states": 0}

    def hear(*messages, later=0):
        polled = SimpleNamespace(newest_first=lambda: iter(messages[::-1]))
        taken = inputs._newest(frozenset(JOINTS), "joint_states", polled, NOW + later * MS)
        return [(NOW - stamp_to_ns(message.header.stamp)) // MS for message in taken]

    return hear


def test_the_newest_of_one_driver_is_enough(heard):
    assert heard(state(30), state(20), state(10)) == [10]


def test_parts_are_put_together(heard):
    assert heard(state(40, SECOND), state(30, FIRST), state(20, SECOND), state(10, SECOND)) == [30, 20, 10]


@pytest.mark.parametrize("behind", [
    state(0, positions=[math.nan, *HOME.tolist()[1:]]), state(0, positions=HOME.tolist()[:6]),
    state(0, names=[*JOINTS[:6], JOINTS[0]]), state(-900),
])
def test_what_cannot_be_used_does_not_hide_what_came_before_it(heard, behind):
    assert 10 in heard(state(20), state(10), behind)


def test_a_second_driver_that_lags_does_not_hide_the_first(heard):
    assert heard(state(10)) == [10]
    assert 5 in heard(state(5), state(300))


def test_after_the_clock_was_set_back_the_newest_is_enough_again(heard):
    assert heard(state(0)) == [0]
    assert heard(state(5_010), state(5_000), later=-5_000)[-1] == 5_000
    assert heard(state(4_820), state(4_800), later=-4_800) == [4_800]
