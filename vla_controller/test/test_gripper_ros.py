"""Grippers without a trajectory controller: which message goes where, and what is said when a package is missing."""

import importlib.util
import os
import sys
import time
from types import ModuleType, SimpleNamespace

import pytest
from cells import arm_section, make_card

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2")

from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from std_msgs.msg import Float64MultiArray  # noqa: E402

from vla_contract.ros.qos import RELIABLE  # noqa: E402
from vla_controller import gripper_ros  # noqa: E402
from vla_controller.gripper import GripperCommand  # noqa: E402
from vla_controller.gripper_ros import MAX_EFFORT, GripperSenders  # noqa: E402


@pytest.fixture
def node():
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=20 + os.getpid() % 80)
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


@pytest.mark.skipif(importlib.util.find_spec("control_msgs") is not None, reason="control_msgs is installed")
def test_a_missing_package_is_named_unless_nothing_is_to_be_sent(node):
    card = card_with("gripper_command")
    with pytest.raises(ValueError, match="panda_hand: interface 'gripper_command' needs the package control_msgs.*'jtc'"):
        GripperSenders(node, card)
    senders = GripperSenders(node, card, needed=False)
    senders.send(GripperCommand("tool/commands", "gripper_command", "panda_finger_joint1", 0.0))


class FakeClient:
    """An action client whose server may be there or not."""

    ready = True

    def __init__(self, node, action, topic):
        self.topic, self.goals = topic, []
        FakeClient.last = self

    def server_is_ready(self):
        return self.ready

    def send_goal_async(self, goal):
        self.goals.append(goal)
        return SimpleNamespace(add_done_callback=lambda callback: None)


@pytest.mark.parametrize("ready", [True, False])
def test_gripper_command_sends_a_goal_where_a_server_is_there(node, monkeypatch, ready):
    class Goal:
        def __init__(self):
            self.command = SimpleNamespace(position=0.0, max_effort=0.0)

    package, actions = ModuleType("control_msgs"), ModuleType("control_msgs.action")
    actions.GripperCommand = SimpleNamespace(Goal=Goal)
    monkeypatch.setitem(sys.modules, "control_msgs", package)
    monkeypatch.setitem(sys.modules, "control_msgs.action", actions)
    monkeypatch.setattr(gripper_ros, "ActionClient", FakeClient)
    monkeypatch.setattr(FakeClient, "ready", ready)
    GripperSenders(node, card_with("gripper_command")).send(
        GripperCommand("tool/commands", "gripper_command", "panda_finger_joint1", 0.04)
    )
    goals = [(goal.command.position, goal.command.max_effort) for goal in FakeClient.last.goals]
    assert FakeClient.last.topic == "tool/commands" and goals == ([(0.04, MAX_EFFORT)] if ready else [])


def test_a_gripper_with_a_trajectory_controller_is_none_of_its_business(node):
    senders = GripperSenders(node, make_card())
    senders.send(GripperCommand("panda_hand_controller/joint_trajectory", "binary", "panda_finger_joint1", 0.04))
    assert node.count_publishers("panda_hand_controller/joint_trajectory") == 0
