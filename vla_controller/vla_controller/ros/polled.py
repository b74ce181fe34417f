"""Inputs that wake nobody: at 1 kHz each waking would cost more than all that a controller at rest has to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.serialization import deserialize_message

from vla_contract.ros.qos import SENSOR_DEEP
from vla_controller.ros.inbox import take_waiting


class Gate(CallbackGroup):
    """Of what belongs to it an executor waits for nothing while it is shut.

    Each publisher brings two to four events, of a listener whose settings do not fit, say. They are to be logged, for which a
    second later will do; to look for them at each waking is half of its cost.
    """

    def __init__(self, *, is_open: bool = False) -> None:
        super().__init__()
        self.is_open = is_open

    def can_execute(self, entity: Any) -> bool:
        """See CallbackGroup."""
        return self.is_open

    def beginning_execution(self, entity: Any) -> bool:
        """See CallbackGroup."""
        return True

    def ending_execution(self, entity: Any) -> None:
        """See CallbackGroup."""


class Polled:
    """A topic whose messages wait, up to a hundred, until they are looked at.

    kind: type of its messages.
    """

    def __init__(self, node: Node, kind: type, topic: str) -> None:
        self._kind = kind
        self._subscription = node.create_subscription(
            kind, topic, lambda _: None, SENSOR_DEEP, callback_group=Gate(), raw=True
        )

    def newest_first(self) -> Iterator[Any]:
        """All that wait, each read as it is asked for; those that are not are gone."""
        for data in reversed(take_waiting(self._subscription, SENSOR_DEEP.depth)):
            yield deserialize_message(data, self._kind)
