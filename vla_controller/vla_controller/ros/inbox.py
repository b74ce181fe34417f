"""Everything that waits on a subscription, at once: a flood is answered in one go, and leaves no backlog."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rclpy.subscription import Subscription

from vla_contract.action_space import ActionSpace
from vla_contract.chunk import ActionChunk, ChunkError
from vla_contract.ros.convert import chunk_from_msg, run_id_from_msg
from vla_contract.ros.stamps import stamp_to_ns
from vla_msgs.msg import ActionChunk as ChunkMsg


def take_waiting(subscription: Subscription, most: int) -> list[Any]:
    """Messages that wait, oldest first, without blocking. most: so many are taken, and the rest left for the next call."""
    messages: list[Any] = []
    handle = subscription.handle
    with handle:
        while len(messages) < most:
            taken = handle.take_message(subscription.msg_type, subscription.raw)
            if taken is None:
                break
            messages.append(taken[0])
    return messages


def sort_chunks(messages: Iterable[Any]) -> tuple[list[ActionChunk], list[tuple[Any, str]]]:
    """Chunks, and messages that are none with the reason; each in order of arrival."""
    chunks: list[ActionChunk] = []
    malformed: list[tuple[Any, str]] = []
    for message in messages:
        try:
            chunks.append(chunk_from_msg(message))
        except ChunkError as error:
            malformed.append((message, str(error)))
    return chunks, malformed


def outline(message: ChunkMsg) -> ActionChunk:
    """What can be read of a message that is no chunk."""
    return ActionChunk(
        stamp_ns=stamp_to_ns(message.header.stamp), frame_id=message.header.frame_id, image_stamps_ns=(),
        state_stamp_ns=0, run_id=run_id_from_msg(message.run_id), sequence=message.sequence,
        card_hash=message.card_hash, action_space=ActionSpace.JOINT_POSITION, names=(), actions=[],
        step_period_ns=0, valid_for_ns=0,
    )  # fmt: skip
