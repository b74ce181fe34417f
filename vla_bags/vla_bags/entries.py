"""What a bag holds, whatever its storage."""

from __future__ import annotations

from dataclasses import dataclass


class BagError(ValueError):
    """A bag that cannot be read, or lacks what is asked of it. The message names the bag and what is wrong."""


@dataclass(frozen=True)
class Topic:
    """One topic of a bag.

    Args:
        name: Absolute name.
        type: ROS type ("sensor_msgs/msg/Image").
        count: Messages that can be read.
        definition: The type's message definition with those that it contains, empty where the bag has none.
    """

    name: str
    type: str
    count: int
    definition: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One message as it was recorded.

    Args:
        topic: Absolute name.
        type: ROS type.
        stamp_ns: When it was received (log time) [ns].
        data: Serialized message (CDR).
    """

    topic: str
    type: str
    stamp_ns: int
    data: bytes
