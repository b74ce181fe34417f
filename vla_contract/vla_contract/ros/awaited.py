"""Tells in a node's log what it waits for, every few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.timer import Timer

from vla_contract.awaited import PERIOD_S, Awaited


def tell_awaited(node: Node, awaited: Callable[[], Awaited | None], period_s: float = PERIOD_S) -> Timer:
    """awaited: gives what the node waits for now; None: nothing yet, or no more."""

    def tell() -> None:
        now = awaited()
        if now is None:
            return
        name = node.resolve_topic_name  # remapped, too: counting does not do that by itself
        lines = now.words(
            time.monotonic(), lambda topic: node.count_publishers(name(topic)), lambda topic: node.count_subscribers(name(topic)),
            name,
        )  # fmt: skip
        if lines:
            node.get_logger().warning("; ".join(lines))

    # a clock that is never set: a simulator's, which is awaited as well, would not tick
    return node.create_timer(period_s, tell, clock=Clock(clock_type=ClockType.STEADY_TIME))
