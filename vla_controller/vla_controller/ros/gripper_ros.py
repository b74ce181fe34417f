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

_CHECK_S, _LOOK_S, _PATIENCE_S = 0.1, 0.5, 3.0
_SAY_AGAIN_S = 5.0


class GripperSenders:
    """One publisher or action client for each such gripper of the card.

    binary: a std_msgs/Float64MultiArray with one number, as a forward_command_controller takes it on its topic
    ``commands``. gripper_command and parallel_gripper_command: a goal for the action of that name of control_msgs; the newest
    replaces the one before. A command that found nobody, or a server of another type, that was refused or not answered is
    reported to whoever made it (``GripperCommand.failed``) and in the log, there once in a while.
    needed: False for a dry run, which sends nothing. problem: a gripper whose action nobody serves, or as another type, in words,
    once that has lasted for some seconds; empty: none. Raises ValueError where an action is needed that is not installed.
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
                self._clients[gripper.topic] = ActionClient(node, action, gripper.topic), action, gripper.interface
        self.problem = ""
        self._missed_since: float | None = None
        if self._clients:
            node.create_timer(_CHECK_S, self._on_check, clock=Clock(clock_type=ClockType.STEADY_TIME))
            node.create_timer(_LOOK_S, self._on_look, clock=Clock(clock_type=ClockType.STEADY_TIME))

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
        client, action, interface = self._clients[command.topic]
        self._waiting.pop(command.topic, None)
        if not client.server_is_ready():
            self._fail(command, self._why_not_ready(command.topic, interface))
            return
        self._waiting[command.topic] = command, time.monotonic() + ANSWER_S
        goal = make_goal(action, command.interface, command.joint, command.position)
        client.send_goal_async(goal).add_done_callback(partial(self._on_answer, command))

    def _on_look(self) -> None:
        """A gripper that nobody serves, or as another type, is told before anything is commanded."""
        absent = [(topic, kind) for topic, (client, _, kind) in self._clients.items() if not client.server_is_ready()]
        missing = [self._why_not_ready(*one) for one in absent]
        now = time.monotonic()
        self._missed_since = (self._missed_since or now) if missing else None
        self.problem = "; ".join(missing) if missing and now - self._missed_since >= _PATIENCE_S else ""
        if self.problem:
            self._say("", self.problem)

    def _why_not_ready(self, topic: str, interface: str) -> str:
        name = self._node.resolve_topic_name(topic)
        others = dict(get_action_names_and_types(self._node)).get(name, [])
        wanted = type_name(interface)
        others = [kind for kind in others if kind != wanted]
        if not others:
            return f"no gripper answers on the action '{topic}'"
        fits = [other for other in GRIPPER_ACTIONS if type_name(other) in others]
        advice = f"; the card's interface would be {fits[0]}" if fits else ""
        kinds = ", ".join(others)
        return f"the action '{topic}' is of type {kinds}, the card says {interface} ({wanted}){advice}"

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
        self._say(command.topic, f"{why}: {command.position} not commanded, the next chunk does it again")

    def _say(self, topic: str, words: str) -> None:
        said, since = self._said.get(topic, ("", 0.0))
        if words != said or time.monotonic() >= since + _SAY_AGAIN_S:
            self._said[topic] = words, time.monotonic()
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
