"""The actions that drive grippers, by the card's names for them."""

from __future__ import annotations

from importlib import import_module

PACKAGE = "control_msgs"
GRIPPER_ACTIONS = {"gripper_command": "GripperCommand", "parallel_gripper_command": "ParallelGripperCommand"}
"""Interfaces of a card's gripper that are actions, and their names. gripper_controllers serve the first up to Jazzy,
parallel_gripper_action_controller serves the second from Jazzy on."""


def type_name(interface: str) -> str:
    """Of the action of an interface, as ROS writes it."""
    return f"{PACKAGE}/action/{GRIPPER_ACTIONS[interface]}"


def gripper_action(interface: str) -> type:
    """The action of an interface. Raises ValueError, which says how to get it, where it is not installed."""
    name = GRIPPER_ACTIONS[interface]
    try:
        return getattr(import_module(f"{PACKAGE}.action"), name)
    except (ImportError, AttributeError):
        raise ValueError(
            f"interface '{interface}' needs the action {name} of the package {PACKAGE}, which is not installed; "
            "install it (ros-<distro>-control-msgs), or drive the gripper as 'jtc' or 'binary'"
        ) from None
