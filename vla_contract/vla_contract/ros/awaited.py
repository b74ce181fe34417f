"""Tells in a node's log what it waits for, every few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.timer import Timer

from vla_contract.awaited import PERIOD_S, Awaited, Listening

_LOOK_S = 0.25


def tell_awaited(node: Node, awaited: Callable[[], Awaited | None], period_s: float = PERIOD_S) -> Timer:
    """awaited: gives what the node waits for now; None: nothing yet, or no more."""

    listening = Listening(period_s)

    def tell() -> None:
        now = awaited()
        if not listening.is_due(time.monotonic(), now):
            return
        name = node.resolve_topic_name  # remapped, too: counting does not do that by itself
        lines = now.words(
            time.monotonic(), lambda topic: node.count_publishers(name(topic)), lambda topic: node.count_subscribers(name(topic)),
            name,
        )  # fmt: skip
        if lines:
            node.get_logger().warning("; ".join(lines))

    # a clock that is never set: a simulator's, which is awaited as well, would not tick
    return node.create_timer(_LOOK_S, tell, clock=Clock(clock_type=ClockType.STEADY_TIME))
