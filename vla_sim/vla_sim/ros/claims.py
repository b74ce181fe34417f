"""What a simulated cell alone may do: say where its joints are, and what time it is."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from vla_contract.rivals import Claim
from vla_contract.ros.rival_watch import RivalWatch

ADVICE = "end it first, or start this one in another namespace or ROS_DOMAIN_ID"
CLOCK_TOPIC = "/clock"
_LOOK_S = 0.2


class SoleCell:
    """Sees to it that a node is the only one that publishes its joint states, and /clock where it does.

    A robot beside a simulated one would be moved by what is meant for the other: who comes later ends this node, which sets
    ``failure`` and the event ``ended``.
    """

    def __init__(self, node: Node, state_topics: Iterable[str], *, clock: bool = False) -> None:
        claims = [Claim(topic, "publishes joint states") for topic in state_topics]
        if clock:
            claims.append(Claim(CLOCK_TOPIC, "publishes the clock"))
        self._node, self._watch = node, RivalWatch(node, claims, ADVICE, named=True)

    def before_start(self) -> None:
        """Raises RivalError where somebody is there already."""
        self._watch.before_start()

    def watch(self, ended: threading.Event) -> None:
        """From now on, once the node has its publishers."""

        seen = 0

        def look() -> None:
            nonlocal seen
            rival = self._watch.look()
            seen = seen + 1 if rival else 0
            if seen > 1 and not ended.is_set():  # its name comes a moment after it
                self._node.failure = f"{rival} beside this node: ended, because the two cannot be told apart"
                ended.set()

        self._node.create_timer(_LOOK_S, look, clock=Clock(clock_type=ClockType.STEADY_TIME))
