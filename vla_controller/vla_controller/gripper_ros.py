"""Sends the commands of grippers that no joint trajectory controller drives."""

from __future__ import annotations

from rclpy.action import ActionClient
from rclpy.node import Node
from std_msgs.msg import Float64MultiArray

from vla_contract.card import InterfaceCard
from vla_contract.ros.qos import RELIABLE

from .gripper import GripperCommand

MAX_EFFORT = 20.0
"""Force in a gripper_command goal [N], below what the common grippers hold with."""


class GripperSenders:
    """One publisher or action client for each such gripper of the card.

    binary: a std_msgs/Float64MultiArray with one number, as a forward_command_controller takes it on its topic
    ``commands``. gripper_command: a goal for the action control_msgs/GripperCommand; the newest replaces the one before.
    needed: False for a dry run, which sends nothing. Raises ValueError where gripper_command is needed and control_msgs
    is not installed.
    """

    def __init__(self, node: Node, card: InterfaceCard, *, needed: bool = True) -> None:
        self._node = node
        self._publishers, self._clients = {}, {}
        for gripper in (arm.gripper for arm in card.arms if arm.gripper and needed):
            if gripper.interface == "binary":
                self._publishers[gripper.topic] = node.create_publisher(Float64MultiArray, gripper.topic, RELIABLE)
            elif gripper.interface == "gripper_command":
                self._action = _gripper_action(gripper.name)
                self._clients[gripper.topic] = ActionClient(node, self._action, gripper.topic)

    def send(self, command: GripperCommand) -> None:
        """Sends it and does not wait. A gripper that is not there is told in the log."""
        if command.topic in self._publishers:
            self._publishers[command.topic].publish(Float64MultiArray(data=[command.position]))
        elif command.topic in self._clients:
            self._send_goal(command)

    def _send_goal(self, command: GripperCommand) -> None:
        client = self._clients[command.topic]
        if not client.server_is_ready():
            self._node.get_logger().error(f"no gripper answers on the action '{command.topic}': {command.position} not sent")
            return
        goal = self._action.Goal()
        goal.command.position, goal.command.max_effort = command.position, MAX_EFFORT
        client.send_goal_async(goal).add_done_callback(lambda future: self._on_answer(command, future))

    def _on_answer(self, command: GripperCommand, future) -> None:
        if not future.cancelled() and future.exception() is None and not future.result().accepted:
            self._node.get_logger().error(f"the gripper on '{command.topic}' refused {command.position}")


def _gripper_action(gripper: str):
    try:
        from control_msgs.action import GripperCommand as Action
    except ImportError:
        raise ValueError(
            f"gripper {gripper}: interface 'gripper_command' needs the package control_msgs, which is not installed; "
            "install it (ros-<distro>-control-msgs), or drive the gripper as 'jtc' or 'binary'"
        ) from None
    return Action
