"""Grippers without a trajectory controller: which message goes where, and what is said when a package is missing."""

import sys
import time
from functools import partial
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from cells import Rig, arm_section, make_card, straight

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2")

import control_msgs.action  # noqa: E402
from rclpy.action import ActionServer  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from std_msgs.msg import Float64MultiArray  # noqa: E402

from vla_contract.ros.qos import RELIABLE  # noqa: E402
from vla_controller.planning.gripper import GripperCommand  # noqa: E402
from vla_controller.ros import gripper_ros  # noqa: E402
from vla_controller.ros.gripper_ros import MAX_EFFORT, GripperSenders  # noqa: E402
from vla_graph.domains import free_domain  # noqa: E402


@pytest.fixture
def node():
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=free_domain())
    node = rclpy.create_node("grippers", context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


def card_with(interface):
    section = arm_section()
    section["gripper"].update(interface=interface, topic="tool/commands")
    return make_card(arms=[section])


def test_binary_publishes_one_number(node):
    heard = []
    node.create_subscription(Float64MultiArray, "tool/commands", lambda m: heard.append(list(m.data)), RELIABLE)
    senders = GripperSenders(node, card_with("binary"))
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    end = time.monotonic() + 10
    while not heard and time.monotonic() < end:
        senders.send(GripperCommand("tool/commands", "binary", "panda_finger_joint1", 0.04))
        executor.spin_once(timeout_sec=0.1)
    executor.shutdown()
    assert heard and heard[0] == [0.04]


@pytest.mark.parametrize(
    "interface, action", [("gripper_command", "GripperCommand"), ("parallel_gripper_command", "ParallelGripperCommand")]
)
def test_a_missing_package_is_named_unless_nothing_is_to_be_sent(node, monkeypatch, interface, action):
    monkeypatch.setitem(sys.modules, "control_msgs", None)
    monkeypatch.setitem(sys.modules, "control_msgs.action", None)
    card = card_with(interface)
    with pytest.raises(
        ValueError, match=f"panda_hand: interface '{interface}' needs the action {action} of the package control_msgs.*'jtc'"
    ):
        GripperSenders(node, card)
    senders = GripperSenders(node, card, needed=False)
    senders.send(GripperCommand("tool/commands", interface, "panda_finger_joint1", 0.0))


SERVED = {
    "gripper_command": control_msgs.action.GripperCommand,
    "parallel_gripper_command": control_msgs.action.ParallelGripperCommand,
}


@pytest.mark.parametrize("interface", SERVED)
def test_the_real_action_gets_the_position_and_the_force(node, interface):
    """Over the middleware, with the types that the environment has."""
    goals = []

    def execute(handle):
        goals.append(handle.request.command)
        handle.succeed()
        return SERVED[interface].Result(reached_goal=True)

    server = ActionServer(node, SERVED[interface], "tool/commands", execute)
    senders = GripperSenders(node, card_with(interface))
    command, failures = command_that_counts(0.02, interface)
    spin(node, 1.0)
    senders.send(command)
    spin(node, 1.0)
    server.destroy()
    assert failures == [] and len(goals) == 1
    if interface == "gripper_command":
        assert (goals[0].position, goals[0].max_effort) == (0.02, MAX_EFFORT)
    else:
        assert (goals[0].name, list(goals[0].position), list(goals[0].effort)) == (["panda_finger_joint1"], [0.02], [MAX_EFFORT])


@pytest.mark.parametrize("interface, other", [tuple(SERVED), tuple(SERVED)[::-1]])
def test_a_server_of_the_other_type_is_named(node, monkeypatch, interface, other):
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=node.context.get_domain_id())
    gripper = rclpy.create_node("gripper", context=context)
    ActionServer(gripper, SERVED[other], "tool/commands", lambda handle: None)
    senders, lines = GripperSenders(node, card_with(interface)), []
    monkeypatch.setattr(node, "get_logger", lambda: SimpleNamespace(error=lines.append))
    command, failures = command_that_counts(0.02, interface)
    spin(node, 1.0)
    senders.send(command)
    gripper.destroy_node()
    rclpy.shutdown(context=context)
    assert failures == [0.02] and len(lines) == 1
    assert f"control_msgs/action/{SERVED[other].__name__}" in lines[0] and f"would be {other}" in lines[0]


class Answer:
    """What an action client's send_goal_async hands back."""

    def __init__(self):
        self.callbacks = []

    def add_done_callback(self, callback):
        self.callbacks.append(callback)

    def done(self, accepted=True, error=None, cancelled=False):
        self.cancelled, self.exception = lambda: cancelled, lambda: error
        self.result = lambda: SimpleNamespace(accepted=accepted)
        for callback in self.callbacks:
            callback(self)


class FakeClient:
    """An action client whose server may be there or not."""

    ready = True

    def __init__(self, node, action, topic):
        self.topic, self.goals, self.answers = topic, [], []
        FakeClient.last = self

    def server_is_ready(self):
        return self.ready

    def send_goal_async(self, goal):
        self.goals.append((goal.command.position, goal.command.max_effort))
        self.answers.append(Answer())
        return self.answers[-1]


class Goal:
    def __init__(self):
        self.command = SimpleNamespace(position=0.0, max_effort=0.0)


@pytest.fixture
def senders(node, monkeypatch):
    """Those of a card with a gripper_command, over a client that FakeClient.last is."""
    package, actions = ModuleType("control_msgs"), ModuleType("control_msgs.action")
    actions.GripperCommand = SimpleNamespace(Goal=Goal)
    monkeypatch.setitem(sys.modules, "control_msgs", package)
    monkeypatch.setitem(sys.modules, "control_msgs.action", actions)
    monkeypatch.setattr(gripper_ros, "ActionClient", FakeClient)
    return GripperSenders(node, card_with("gripper_command"))


def command_that_counts(position=0.04, interface="gripper_command"):
    """A command, and the list that grows when it fails."""
    failures = []
    failed = partial(failures.append, position)
    return GripperCommand("tool/commands", interface, "panda_finger_joint1", position, failed), failures


def spin(node, seconds):
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        executor.spin_once(timeout_sec=0.02)
    executor.shutdown()


def test_a_gripper_that_is_not_there_is_told_before_anything_is_commanded(node, monkeypatch):
    monkeypatch.setattr(gripper_ros, "_PATIENCE_S", 0.8)
    senders = GripperSenders(node, card_with("gripper_command"))
    spin(node, 0.7)
    assert senders.problem == "", "it may be on its way"
    spin(node, 1.5)
    assert senders.problem == "no gripper answers on the action 'tool/commands'"
    server = ActionServer(node, SERVED["gripper_command"], "tool/commands", lambda handle: None)
    spin(node, 1.5)
    assert senders.problem == ""
    server.destroy()


@pytest.mark.parametrize("ready", [True, False])
def test_gripper_command_sends_a_goal_where_a_server_is_there(senders, monkeypatch, ready):
    monkeypatch.setattr(FakeClient, "ready", ready)
    command, failures = command_that_counts()
    senders.send(command)
    assert FakeClient.last.topic == "tool/commands"
    assert FakeClient.last.goals == ([(0.04, MAX_EFFORT)] if ready else [])
    assert failures == ([] if ready else [0.04])


@pytest.mark.parametrize(
    "answer, fails",
    [
        ({"accepted": True}, False),
        ({"accepted": False}, True),
        ({"error": RuntimeError("gone")}, True),
        ({"cancelled": True}, True),
    ],
)
def test_a_goal_that_is_not_taken_is_reported_as_failed(senders, answer, fails):
    command, failures = command_that_counts()
    senders.send(command)
    FakeClient.last.answers[0].done(**answer)
    assert failures == ([0.04] if fails else [])


def test_a_goal_that_is_never_answered_is_reported_as_failed_once(node, senders, monkeypatch):
    monkeypatch.setattr(gripper_ros, "ANSWER_S", 0.2)
    command, failures = command_that_counts()
    senders.send(command)
    assert failures == []
    spin(node, 1.0)
    assert failures == [0.04]


def test_an_answered_goal_is_not_waited_for(node, senders, monkeypatch):
    monkeypatch.setattr(gripper_ros, "ANSWER_S", 0.2)
    command, failures = command_that_counts()
    senders.send(command)
    FakeClient.last.answers[0].done()
    spin(node, 0.8)
    assert failures == []


def test_a_gripper_that_comes_late_still_closes(senders, monkeypatch):
    section = arm_section()
    section["gripper"].update(interface="gripper_command", topic="tool/commands")
    rig = Rig(make_card(arms=[section]))
    take = rig.take
    rig.take = lambda output: ([senders.send(command) for command in output.grippers], take(output))[1]
    monkeypatch.setattr(FakeClient, "ready", False)
    closed = np.hstack([straight(), np.zeros((16, 1))])
    rig.send(closed)
    rig.run(200)
    assert FakeClient.last.goals == []
    monkeypatch.setattr(FakeClient, "ready", True)
    rig.send(closed, 1)
    rig.run(200)
    assert FakeClient.last.goals == [(0.0, MAX_EFFORT)]
    FakeClient.last.answers[0].done(accepted=False)
    rig.send(closed, 2)
    rig.run(200)
    FakeClient.last.answers[1].done()
    rig.send(closed, 3)
    rig.run(200)
    assert FakeClient.last.goals == [(0.0, MAX_EFFORT)] * 2


def test_what_fails_is_logged_but_not_at_every_chunk(node, senders, monkeypatch):
    lines = []
    monkeypatch.setattr(node, "get_logger", lambda: SimpleNamespace(error=lines.append))
    monkeypatch.setattr(FakeClient, "ready", False)
    for _ in range(5):
        senders.send(command_that_counts()[0])
    assert len(lines) == 1 and "'tool/commands'" in lines[0] and "0.04" in lines[0] and "next chunk" in lines[0]
    monkeypatch.setattr(FakeClient, "ready", True)
    senders.send(command_that_counts()[0])
    FakeClient.last.answers[0].done(accepted=False)
    assert len(lines) == 2 and "refused" in lines[1]


def test_a_binary_command_that_nobody_hears_is_reported_as_failed(node):
    command, failures = command_that_counts(interface="binary")
    GripperSenders(node, card_with("binary")).send(command)
    assert failures == [0.04]


def test_a_gripper_with_a_trajectory_controller_is_none_of_its_business(node):
    senders = GripperSenders(node, make_card())
    senders.send(GripperCommand("panda_hand_controller/joint_trajectory", "binary", "panda_finger_joint1", 0.04))
    assert node.count_publishers("panda_hand_controller/joint_trajectory") == 0
