"""Declares a parameter of a node with what it means, so that `ros2 param describe` and docs/reference/parameters.md tell it."""

from __future__ import annotations

from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node


def declare(node: Node, name: str, default: Any, description: str, bounds: tuple[float, float] | None = None) -> Any:
    """Declares a parameter that is read once, when the node starts, and returns its value.

    Args:
        description: Meaning, with the unit in brackets.
        bounds: Smallest and largest value, both allowed; of whole numbers where the default is one.

    Raises:
        rclpy.exceptions.InvalidParameterException and its kin: the value given is of another type, or out of bounds.
    """
    descriptor = ParameterDescriptor(description=description, read_only=True)
    if bounds is not None and isinstance(default, int):
        descriptor.integer_range = [IntegerRange(from_value=int(bounds[0]), to_value=int(bounds[1]), step=1)]
    elif bounds is not None:
        descriptor.floating_point_range = [FloatingPointRange(from_value=bounds[0], to_value=bounds[1], step=0.0)]
    return node.declare_parameter(name, default, descriptor).value
