"""A card's robot without physics: it is where it is commanded, and says no where the real controller would."""

import threading
import time

import numpy as np
import pytest

from vla_contract.card import InterfaceCard, parse_card
from vla_motion.trajectory import JointTrajectory
from vla_sim.jtc_message import TrajectoryMessage
from vla_sim.mock import MockCell, MockServer, focal_length, synthetic_image

MS = 1_000_000
PERIOD = 4 * MS
ARM = "panda_arm_controller/joint_trajectory"
HAND = "panda_hand_controller/joint_trajectory"


def with_gripper(card, **changes) -> InterfaceCard:
    content = card.to_dict()
    content["arms"][0]["gripper"].update(changes)
    return parse_card(content)


def run(cell: MockCell, seconds: float) -> None:
    for _ in range(round(seconds * 1e9 / cell.period_ns)):
        cell.step(cell.now_ns + cell.period_ns)


def to(cell: MockCell, topic: str, names, q, seconds: float = 1.0) -> JointTrajectory:
    """Rest to rest in that time, from now."""
    zeros = np.zeros((1, len(names)))
    return JointTrajectory(
        topic=topic, stamp_ns=cell.now_ns, joint_names=tuple(names), times_ns=np.array([round(seconds * 1e9)]),
        positions=np.array([q], dtype=float), velocities=zeros, accelerations=zeros,
    )  # fmt: skip


def test_it_stands_at_home_with_an_open_gripper_until_something_is_commanded(card):
    cell = MockCell(card)
    run(cell, 0.2)
    q, v = cell.joint_state()
    assert cell.joint_names == (*card.arms[0].joints, card.arms[0].gripper.joint)
    np.testing.assert_array_equal(q, [*card.arms[0].home, 0.04])
    np.testing.assert_array_equal(v, 0.0)


def test_it_begins_as_far_from_home_as_it_is_told_within_its_limits(card):
    arm = card.arms[0]
    cell = MockCell(card, away=-1.0)
    run(cell, 0.2)
    q, v = cell.joint_state()
    np.testing.assert_array_equal(q[: len(arm.joints)], [arm.home[0] - 1.0, *arm.home[1:]])
    np.testing.assert_array_equal(v, 0.0)
    with pytest.raises(ValueError, match="away is nan rad, allowed are -3 to 3"):
        MockCell(card, away=float("nan"))
    with pytest.raises(ValueError, match="away is -2.95 rad, allowed are .* to .*: the limits of panda_joint1"):
        MockCell(card, away=-2.95)


def test_joints_are_exactly_where_the_trajectory_says_and_end_there(card):
    cell, arm = MockCell(card), card.arms[0]
    run(cell, 0.1)
    goal = np.array(arm.home) + 0.3
    assert cell.submit(ARM, to(cell, ARM, arm.joints, goal))
    start = cell.now_ns
    run(cell, 0.5)
    # The command of a cycle is the sample one period ahead, on the quintic from rest to rest; the motion begins with the first
    # cycle after the message.
    share = ((cell.now_ns + PERIOD - start - PERIOD) / (1e9 - PERIOD), (cell.now_ns + PERIOD - start) / 1e9)
    low, high = (np.array(arm.home) + 0.3 * (10 * s**3 - 15 * s**4 + 6 * s**5) for s in share)
    q, v = cell.joint_state()
    assert np.all(q[:7] >= low - 1e-3) and np.all(q[:7] <= high + 1e-3)
    np.testing.assert_allclose(v[:7], 0.3 * 1.875, rtol=0.02)
    run(cell, 0.6)
    q, v = cell.joint_state()
    np.testing.assert_allclose(q[:7], goal, atol=1e-12)
    np.testing.assert_array_equal(v[:7], 0.0)


def test_with_lag_the_joints_come_later_and_settle_on_the_command(card):
    arm = card.arms[0]
    late, exact = MockCell(card, lag=0.05), MockCell(card)
    for cell in (late, exact):
        run(cell, 0.1)
        assert cell.submit(ARM, to(cell, ARM, arm.joints, np.array(arm.home) + 0.3))
        run(cell, 0.5)
    behind = exact.joint_state()[0][:7] - late.joint_state()[0][:7]
    np.testing.assert_allclose(behind, 0.05 * 0.3 * 1.875, rtol=0.1)
    run(late, 1.5)
    np.testing.assert_allclose(late.joint_state()[0][:7], np.array(arm.home) + 0.3, atol=1e-6)


def test_what_the_controller_refuses_is_refused_with_its_reason_and_moves_nothing(card):
    cell, arm = MockCell(card), card.arms[0]
    run(cell, 0.1)
    message = TrajectoryMessage.from_trajectory(to(cell, ARM, arm.joints, np.zeros(7)))
    message.points[-1].velocities = np.full(7, 0.1)
    assert cell.submit(ARM, message).reason == "end_velocity"
    assert cell.submit(ARM, to(cell, ARM, ["elbow"] * 7, np.zeros(7))).reason == "unknown_joint"
    run(cell, 0.2)
    np.testing.assert_array_equal(cell.joint_state()[0][:7], arm.home)
    with pytest.raises(KeyError):
        cell.submit("nobody/joint_trajectory", message)


def test_a_gripper_with_a_trajectory_controller(card):
    cell = MockCell(card)
    assert cell.trajectory_topics == (ARM, HAND)
    run(cell, 0.1)
    assert cell.submit(HAND, to(cell, HAND, [card.arms[0].gripper.joint], [0.0], 0.3))
    run(cell, 0.4)
    assert cell.joint_state()[0][7] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("interface", ["binary", "gripper_command"])
def test_a_gripper_that_is_told_a_position_goes_there_in_its_time_and_not_beyond(card, interface):
    cell = MockCell(with_gripper(card, interface=interface, topic="tool/commands"))
    assert cell.trajectory_topics == (ARM,)
    run(cell, 0.1)
    cell.move_gripper("tool/commands", -3.0)
    run(cell, 0.252)
    q, v = cell.joint_state()
    assert q[7] == pytest.approx(0.02, abs=4e-4) and v[7] == pytest.approx(-0.08)
    run(cell, 0.3)
    assert cell.joint_state()[0][7] == 0.0 and cell.joint_state()[1][7] == 0.0
    with pytest.raises(ValueError, match="nan"):
        cell.move_gripper("tool/commands", float("nan"))
    with pytest.raises(KeyError):
        cell.move_gripper(HAND, 0.0)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"rule": "newest"}, "'newest'.*legacy"), ({"lag": -1.0}, "lag is -1 s.*0 to 1"), ({"period_ns": 0}, "period is 0")],
)
def test_mistakes_name_what_is_allowed(card, options, words):
    with pytest.raises(ValueError, match=words):
        MockCell(card, **options)


def test_the_server_keeps_pace_with_the_clock_and_tells_the_state(card):
    cell, states, enough = MockCell(card, period_ns=2 * MS), [], threading.Event()

    def on_state(now_ns, q, v):
        states.append((now_ns, q))
        if len(states) == 40:
            enough.set()

    server = MockServer(cell, time.time_ns, on_state, state_period_ns=10 * MS)
    server.start()
    assert enough.wait(10.0)
    with server.lock:
        behind = time.time_ns() - cell.now_ns
    server.stop()
    assert -5 * MS < behind < 150 * MS
    gaps = np.diff([now for now, _ in states])
    assert np.median(gaps) == 10 * MS and np.all(gaps >= 10 * MS)
    count = len(states)
    time.sleep(0.05)
    assert len(states) == count


def test_an_error_in_the_thread_is_told(card):
    told = threading.Event()
    server = MockServer(MockCell(card), time.time_ns, lambda *_: 1 / 0, on_error=lambda error: told.set())
    server.start()
    assert told.wait(5.0)
    server.stop()


def test_images_have_the_cameras_shape_and_no_two_in_a_row_are_the_same(card):
    camera = card.cameras[0].model_copy(update={"width": 64, "height": 48})
    first, second = synthetic_image(camera, 0), synthetic_image(camera, 1)
    assert first.shape == (48, 64, 3) and first.dtype == np.uint8
    assert np.abs(first.astype(int) - first[..., ::-1]).mean() > 10, "red is not blue"
    assert (first != second).any() and first.mean() > 20 and first.std() > 5
    np.testing.assert_array_equal(first, synthetic_image(camera, 0))
    assert focal_length(camera) == pytest.approx(32 / np.tan(np.pi / 6))


def test_controllers_that_are_not_active_drop_what_comes_and_hold_where_they_stand_afterwards(card):
    cell = MockCell(card)
    run(cell, 0.1)
    joints, at = card.arms[0].joints, np.array(card.arms[0].home)
    assert cell.submit(ARM, to(cell, ARM, joints, at + 0.1, 0.2))
    run(cell, 0.1)
    cell.set_active(False)
    stood = cell.joint_state()[0]
    assert list(cell.controllers()) == []
    assert cell.submit(ARM, to(cell, ARM, joints, at + 0.3, 0.1)) == (True, "")
    run(cell, 0.3)
    positions, velocities = cell.joint_state()
    np.testing.assert_array_equal(positions, stood)
    np.testing.assert_array_equal(velocities, np.zeros(len(stood)))
    cell.set_active(True)
    run(cell, 0.5)
    np.testing.assert_array_equal(cell.joint_state()[0], stood)
    assert [topic for topic, *_ in cell.controllers()] == list(cell.trajectory_topics)
