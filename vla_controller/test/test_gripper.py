"""Gripper commands: on change, at their time, and held by a stop."""

import uuid
from types import SimpleNamespace

import numpy as np
import pytest
from cells import MS, Rig, arm_section, make_card, straight

from vla_controller.planning.gripper import Gripper, GripperCommand, Grippers


def with_gripper(values):
    return np.hstack([straight(), np.resize(np.asarray(values, dtype=float), 16)[:, None]])


def commands(rig):
    """(instant, position) of each gripper command."""
    return rig.gripper_log


class LoggingRig(Rig):
    def __init__(self, *args, **options):
        self.gripper_log = []
        super().__init__(*args, **options)

    def take(self, output):
        for message in output.trajectories:
            if message.topic == "panda_hand_controller/joint_trajectory":
                assert message.stamp_ns == 0 and message.joint_names == ("panda_finger_joint1",)
                assert message.velocities.tolist() == [[0.0]] and message.times_ns.tolist() == [300 * MS]
                self.gripper_log.append((self.now, float(message.positions[0, 0])))
        return super().take(output)


@pytest.fixture
def rig():
    return LoggingRig()


def test_first_wish_and_each_change_go_out_when_due(rig):
    start = rig.now + 20 * MS
    rig.send(with_gripper([1] * 4 + [0] * 6 + [1] * 6))
    rig.run(2000)
    assert commands(rig) == [(start + 100 * MS, 0.04), (start + 500 * MS, 0.0), (start + 1100 * MS, 0.04)]


def test_hysteresis(rig):
    rig.send(with_gripper([0.9, 0.45, 0.55, 0.41, 0.39, 0.45, 0.55, 0.59, 0.61] + [0.61] * 7))
    rig.run(2000)
    assert [p for _, p in commands(rig)] == [0.04, 0.0, 0.04]


def test_nothing_is_sent_twice_across_chunks(rig):
    for sequence in range(4):
        rig.send(with_gripper([0] * 16), sequence)
        rig.run(300)
    assert [p for _, p in commands(rig)] == [0.0]


def test_a_newer_chunk_replaces_what_was_scheduled(rig):
    rig.send(with_gripper([1] * 8 + [0] * 8))
    rig.run(400)
    rig.send(with_gripper([1] * 16), 1)
    rig.run(2000)
    assert [p for _, p in commands(rig)] == [0.04]


def test_a_change_in_skipped_steps_is_made_up_for_at_once(rig):
    rig.send(with_gripper([1] * 16))
    rig.run(500)
    rig.send(with_gripper([0] * 16), 1, stamp_ns=rig.now - 200 * MS)
    assert commands(rig)[-1] == (rig.now, 0.0)


@pytest.mark.parametrize("how", ["stop", "brake"])
def test_a_stop_holds_the_gripper(rig, how):
    rig.send(with_gripper([1] * 8 + [0] * 8))
    rig.run(400)
    if how == "stop":
        rig.take(rig.controller.stop(rig.now))
    else:
        rig.send(np.empty((0, 7)), 1)
    rig.run(2000)
    assert [p for _, p in commands(rig)] == [0.04]


def test_a_new_run_says_it_again(rig):
    rig.send(with_gripper([1] * 16))
    rig.run(500)
    rig.send(with_gripper([1] * 16), 0, run_id=uuid.UUID(int=5).hex)
    rig.run(500)
    assert [p for _, p in commands(rig)] == [0.04, 0.04]


def test_polarity_is_the_cards():
    section = arm_section()
    section["gripper"].update(open_value=0.0, closed_value=1.0)
    rig = LoggingRig(make_card(arms=[section]))
    rig.send(with_gripper([0] * 16))
    rig.run(500)
    assert [p for _, p in commands(rig)] == [0.04]


@pytest.mark.parametrize("interface", ["binary", "gripper_command"])
def test_other_interfaces_get_a_command_of_their_own_and_no_trajectory(interface):
    card = make_card(arms=[gripper_section(interface)]).arms[0].gripper
    gripper = Gripper(card)
    gripper.schedule(np.array([1.0, 0.0]), np.array([100 * MS, 200 * MS]), 0, 2, 0)
    assert gripper.due(50 * MS) == []
    assert gripper.due(100 * MS) == [GripperCommand("tool/commands", interface, "panda_finger_joint1", 0.04)]
    assert gripper.due(250 * MS) == [GripperCommand("tool/commands", interface, "panda_finger_joint1", 0.0)]
    assert gripper.due(300 * MS) == []


def test_commands_of_two_arms_are_parted_by_their_interface():
    sections = [arm_section("left", "panda"), arm_section("right", "other")]
    sections[1]["gripper"].update(interface="binary", topic="tool/commands")
    card = make_card(arms=sections)
    arms = [SimpleNamespace(card=arm, gripper_column=card.gripper_column(arm.name)) for arm in card.arms]
    grippers = Grippers(arms)
    chunk = SimpleNamespace(actions=np.zeros((1, card.action_dim)))
    grippers.schedule(chunk, SimpleNamespace(due_ns=np.array([5]), first=0, last=1), 0)
    trajectories, commands = grippers.ready(10)
    assert [t.topic for t in trajectories] == ["panda_hand_controller/joint_trajectory"]
    assert [(c.topic, c.interface, c.position) for c in commands] == [("tool/commands", "binary", 0.0)]
    assert grippers.ready(20) == ([], [])


@pytest.mark.parametrize("dry_run", [False, True])
def test_the_core_hands_out_gripper_commands_unless_it_is_a_dry_run(dry_run):
    rig = Rig(make_card(arms=[gripper_section("binary")]), dry_run=dry_run)
    commands, send = [], rig.take
    rig.take = lambda output: (commands.extend(output.grippers), send(output))[1]
    rig.send(with_gripper([1] * 4 + [0] * 12))
    rig.run(2000)
    assert [c.position for c in commands] == ([] if dry_run else [0.04, 0.0])


def gripper_section(interface):
    section = arm_section()
    section["gripper"].update(interface=interface, topic="tool/commands")
    return section


def binary_gripper():
    return Gripper(make_card(arms=[gripper_section("binary")]).arms[0].gripper)


def schedule(gripper, *values, now_ms=0):
    """A chunk whose values are due from now on, every 100 ms."""
    due_ns = (now_ms + 100 * np.arange(len(values))) * MS
    gripper.schedule(np.array(values, dtype=float), due_ns, 0, len(values), now_ms * MS)


def positions(commands):
    return [command.position for command in commands]


def test_a_command_that_failed_is_sent_again_by_the_next_chunk():
    gripper = binary_gripper()
    schedule(gripper, 0, 0)
    (command,) = gripper.due(0)
    command.failed()
    assert gripper.due(200 * MS) == []  # nothing moves between chunks: a stop may have come
    schedule(gripper, 0, 0, now_ms=300)
    assert positions(gripper.due(300 * MS)) == [0.0]
    schedule(gripper, 0, 0, now_ms=600)
    assert gripper.due(700 * MS) == []


def test_a_command_that_failed_is_sent_again_by_steps_skipped():
    gripper = binary_gripper()
    schedule(gripper, 0, 0)
    gripper.due(0)[0].failed()
    gripper.schedule(np.zeros(4), np.arange(4) * 100 * MS, 2, 4, 150 * MS)
    assert positions(gripper.due(150 * MS)) == [0.0]


def test_after_a_failure_the_next_due_wish_is_sent_as_well():
    gripper = binary_gripper()
    schedule(gripper, 1, 0, 1)
    gripper.due(0)[0].failed()
    assert positions(gripper.due(100 * MS)) == [0.0]
    assert positions(gripper.due(200 * MS)) == [0.04]


def test_a_failed_command_keeps_its_hysteresis():
    gripper = binary_gripper()
    schedule(gripper, 1)
    gripper.due(0)[0].failed()
    schedule(gripper, 0.45, now_ms=100)
    assert positions(gripper.due(100 * MS)) == [0.04] and gripper.is_open


def test_the_failure_of_a_command_that_was_replaced_says_nothing():
    gripper = binary_gripper()
    schedule(gripper, 1, 0)
    (first,) = gripper.due(0)
    gripper.due(100 * MS)
    first.failed()
    schedule(gripper, 0, now_ms=200)
    assert gripper.due(200 * MS) == []


def test_a_failure_after_a_stop_moves_nothing():
    rig = Rig(make_card(arms=[gripper_section("binary")]))
    commands, take = [], rig.take
    rig.take = lambda output: (commands.extend(output.grippers), take(output))[1]
    rig.send(with_gripper([0] * 16))
    rig.run(200)
    rig.take(rig.controller.stop(rig.now))
    commands[0].failed()
    rig.run(1000)
    assert positions(commands) == [0.0]
    rig.take(rig.controller.resume(rig.now))
    rig.run(500)
    assert positions(commands) == [0.0]
    rig.send(with_gripper([0] * 16), 1)
    rig.run(200)
    assert positions(commands) == [0.0, 0.0]
