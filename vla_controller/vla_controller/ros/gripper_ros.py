"""Sends the commands of grippers that no joint trajectory controller drives."""

from __future__ import annotations

import time
from functools import partial

from rclpy.action import ActionClient, get_action_names_and_types
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_msgs.msg import Float64MultiArray

from vla_contract.card import GripperCard, InterfaceCard
from vla_contract.gripper_actions import GRIPPER_ACTIONS, gripper_action, type_name
from vla_contract.ros.qos import RELIABLE
from vla_controller.planning.gripper import GripperCommand

MAX_EFFORT = 20.0
"""Force in the goal of an action [N], below what the common grippers hold with."""

ANSWER_S = 1.0
"""A goal that is neither accepted nor refused by then counts as lost [s]."""

_CHECK_S = 0.1
_SAY_AGAIN_S = 5.0


class GripperSenders:
    """One publisher or action client for each such gripper of the card.

    binary: a std_msgs/Float64MultiArray with one number, as a forward_command_controller takes it on its topic
    ``commands``. gripper_command and parallel_gripper_command: a goal for the action of that name of control_msgs; the newest
    replaces the one before. A command that found nobody, or a server of another type, that was refused or not answered is
    reported to whoever made it (``GripperCommand.failed``) and in the log, there once in a while.
    needed: False for a dry run, which sends nothing. Raises ValueError where an action is needed that is not installed.
    """

    def __init__(self, node: Node, card: InterfaceCard, *, needed: bool = True) -> None:
        self._node = node
        self._publishers, self._clients = {}, {}
        self._waiting: dict[str, tuple[GripperCommand, float]] = {}
        self._said: dict[str, tuple[str, float]] = {}
        for gripper in (arm.gripper for arm in card.arms if arm.gripper and needed):
            if gripper.interface == "binary":
                self._publishers[gripper.topic] = node.create_publisher(Float64MultiArray, gripper.topic, RELIABLE)
            elif gripper.interface in GRIPPER_ACTIONS:
                action = _action_of(gripper)
                self._clients[gripper.topic] = ActionClient(node, action, gripper.topic), action
        if self._clients:
            node.create_timer(_CHECK_S, self._on_check, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def send(self, command: GripperCommand) -> None:
        """Sends it and does not wait."""
        if command.topic in self._publishers:
            publisher = self._publishers[command.topic]
            if publisher.get_subscription_count():
                publisher.publish(Float64MultiArray(data=[command.position]))
            else:
                self._fail(command, f"no gripper listens to '{command.topic}'")
        elif command.topic in self._clients:
            self._send_goal(command)

    def _send_goal(self, command: GripperCommand) -> None:
        client, action = self._clients[command.topic]
        self._waiting.pop(command.topic, None)
        if not client.server_is_ready():
            self._fail(command, self._why_not_ready(command))
            return
        self._waiting[command.topic] = command, time.monotonic() + ANSWER_S
        goal = make_goal(action, command.interface, command.joint, command.position)
        client.send_goal_async(goal).add_done_callback(partial(self._on_answer, command))

    def _why_not_ready(self, command: GripperCommand) -> str:
        name = self._node.resolve_topic_name(command.topic)
        others = dict(get_action_names_and_types(self._node)).get(name, [])
        wanted = type_name(command.interface)
        others = [kind for kind in others if kind != wanted]
        if not others:
            return f"no gripper answers on the action '{command.topic}'"
        fits = [interface for interface in GRIPPER_ACTIONS if type_name(interface) in others]
        advice = f"; the card's interface would be {fits[0]}" if fits else ""
        kinds = ", ".join(others)
        return f"the action '{command.topic}' is of type {kinds}, the card says {command.interface} ({wanted}){advice}"

    def _on_answer(self, command: GripperCommand, future) -> None:
        waiting, _ = self._waiting.get(command.topic, (None, 0.0))
        if waiting is command:
            del self._waiting[command.topic]
        if future.cancelled() or future.exception() is not None:
            why = future.exception() or "it was cancelled"
            self._fail(command, f"the goal did not reach the gripper on '{command.topic}': {why}")
        elif not future.result().accepted:
            self._fail(command, f"the gripper on '{command.topic}' refused it")

    def _on_check(self) -> None:
        now = time.monotonic()
        for command in [command for command, deadline in self._waiting.values() if now >= deadline]:
            del self._waiting[command.topic]
            self._fail(command, f"the gripper on '{command.topic}' does not answer")

    def _fail(self, command: GripperCommand, why: str) -> None:
        command.failed()
        words, now = f"{why}: {command.position} not commanded, the next chunk does it again", time.monotonic()
        said, since = self._said.get(command.topic, ("", 0.0))
        if words != said or now >= since + _SAY_AGAIN_S:
            self._said[command.topic] = words, now
            self._node.get_logger().error(words)


def _action_of(gripper: GripperCard) -> type:
    try:
        return gripper_action(gripper.interface)
    except ValueError as error:
        raise ValueError(f"gripper {gripper.name}: {error}") from None


def make_goal(action: type, interface: str, joint: str, position: float) -> object:
    """A goal with this position [m] or [rad] for an action of GRIPPER_ACTIONS."""
    goal = action.Goal()
    if interface == "gripper_command":
        goal.command.position, goal.command.max_effort = position, MAX_EFFORT
    else:
        goal.command.name, goal.command.position, goal.command.effort = [joint], [position], [MAX_EFFORT]
    return goal
