"""What the fault matrix judges switched controllers by, and what its relay makes of joint states."""

import numpy as np
import pytest

pytest.importorskip("rclpy")

from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import JointState

from vla_bench.faults.leaps import LEAP_RAD, Leaps, blind_messages, blind_spells
from vla_bench.ros.fault_relay import halves

MS = 1_000_000
LIMIT = np.array([15.0, 7.5])


def leaps(heard, acceleration, off=(), leap_rad=LEAP_RAD, blind=()):
    return Leaps(heard, acceleration, off, leap_rad).in_words(blind)


def swing(count=60, period_ms=20, late=()):
    """A reference within the limits, states now and then late."""
    stamps = [(k * period_ms + (7 if k in late else 0)) * MS for k in range(count)]
    times = np.array(stamps) * 1e-9
    q = np.stack([0.5 * np.sin(4.0 * times), 0.3 * np.cos(4.0 * times)], axis=1)
    v = np.stack([2.0 * np.cos(4.0 * times), -1.2 * np.sin(4.0 * times)], axis=1)
    return list(zip(stamps, q, v))


def test_a_motion_within_the_limits_leaps_nowhere():
    assert leaps(swing(), LIMIT) == leaps(swing(late=(7, 8, 30)), LIMIT) == leaps([], LIMIT) == []


@pytest.mark.parametrize("size", [0.0018, 0.02])
def test_a_leap_of_one_joint_is_seen_and_counted(size):
    heard = swing()
    heard = [(t, q + [0.0, size * (k >= 25)], v) for k, (t, q, v) in enumerate(heard)]
    (words,) = leaps(heard, LIMIT)
    assert words.startswith("1 leaps; the first: the reference leaps by 0.00" if size < 0.01 else "1 leaps; the first: the ")
    assert words.endswith("within 20 ms")


def test_a_simulator_that_was_held_up_is_not_taken_for_a_leap():
    heard = swing()
    stalled = heard[25][0]  # 100 ms pass in which nothing is sampled; the first state after them still has the old set point
    late = [(t + 100 * MS, q, v) for t, q, v in heard[25:26]]
    caught_up = [(t, q, v) for t, q, v in swing(80) if t > stalled + 100 * MS]
    assert leaps(heard[:25] + late + caught_up, LIMIT) == []
    beyond = [(t, q + [0.02, 0.0], v) for t, q, v in caught_up[3:]]
    assert leaps(heard[:25] + late + caught_up[:3] + beyond, LIMIT) != []


def test_a_leap_to_a_stop_that_was_on_its_way_when_messages_came_again_is_no_fault_and_any_other_is():
    heard = swing()
    heard = [(t, q + [0.0, 0.02 * (k >= 25)], v) for k, (t, q, v) in enumerate(heard)]
    on_ns = 490 * MS  # the leap is from 480 to 500 ms
    assert blind_spells([100 * MS, on_ns], [on_ns + 25 * MS]) == [(on_ns, on_ns + 60 * MS)]
    assert leaps(heard, LIMIT, (), 3e-4, blind_spells([on_ns], [on_ns + 25 * MS])) == []
    for stop_ns in (on_ns - 100 * MS, on_ns + 60 * MS):
        assert leaps(heard, LIMIT, (), 3e-4, blind_spells([on_ns], [stop_ns])) != []
    assert leaps(heard, LIMIT, (), 3e-4, blind_spells([on_ns - 200 * MS], [on_ns - 190 * MS])) != []


def test_states_in_halves_keep_each_joints_values():
    message = JointState(name=["a", "b", "c"], position=[0.1, 0.2, 0.3], velocity=[1.0, 2.0, 3.0])
    message.header.stamp.sec = 7
    first, second = (deserialize_message(half, JointState) for half in halves(serialize_message(message)))
    assert (first.name, list(first.position), list(first.velocity)) == (["a"], [0.1], [1.0])
    assert (second.name, list(second.position), list(second.velocity)) == (["c", "b"], [0.3, 0.2], [3.0, 2.0])
    assert first.header.stamp.sec == second.header.stamp.sec == 7 and not len(first.effort)


@pytest.mark.parametrize(
    ("off_ms", "on_ms", "arrival_ms", "is_blind"),
    [
        (450, 480, 484, True), (440, 480, 484, True), (438, 480, 484, False),  # a word was due, and had not come
        (450, 480, 449, False), (450, 480, 474, True), (450, 480, 469, False),  # before it went off, and before it was on again
        (250, 280, 284, False),  # the leap is long after it
    ],
)  # fmt: skip
def test_a_leap_with_a_message_that_was_planned_before_a_word_was_due_is_counted_apart(off_ms, on_ms, arrival_ms, is_blind):
    heard = [(t, q + [0.0, 0.02 * (k >= 25)], v) for k, (t, q, v) in enumerate(swing())]  # from 480 to 500 ms
    off = [(100 * MS, 900 * MS), (off_ms * MS, on_ms * MS)]
    found = Leaps(heard, LIMIT)
    spells = blind_messages([arrival_ms * MS, 950 * MS], off)
    assert (found.in_words(spells) == []) is is_blind
    assert found.notes == ({"blind leaps": int(is_blind), "largest [rad]": 0.01924 * is_blind} if spells else {})
    assert len(found.in_words()) == 1, "and nothing is forgotten"
