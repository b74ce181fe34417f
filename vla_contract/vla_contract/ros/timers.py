"""Timers that go on when the clock of the computer is set."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.timer import Timer


def create_timer(node: Node, period_s: float, callback: Callable[[], None]) -> Timer:
    """Calls back every period_s [s]: of the simulator's clock under ``use_sim_time``, else of a clock that is never set.

    Without simulated time a node's own clock is the computer's: set back by an hour, its timers would be silent for an hour.
    """
    simulated = node.get_parameter("use_sim_time").value
    return node.create_timer(period_s, callback, clock=node.get_clock() if simulated else Clock(clock_type=ClockType.STEADY_TIME))
