"""ROS messages to the events of a preflight."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vla_bags.reader import BagError, message_type
from vla_contract.card import CameraCard, InterfaceCard
from vla_contract.ros.images import ImageError, compressed_to_array, encoding_of, image_to_array
from vla_contract.ros.stamps import stamp_to_ns
from vla_contract.ros.streams import state_message
from vla_replay.preflight.events import CommandEvent, Event, HashEvent, ImageEvent, JointEvent
from vla_replay.preflight.topics import CHUNK, COMPRESSED, IMAGE, INFO, JOINTS, NUMBERS, TRAJECTORY, WRENCHES


class EventMaker:
    """Makes events of messages; knows which joint a gripper's topic of bare numbers moves."""

    def __init__(self, card: InterfaceCard) -> None:
        self._cameras = {camera.image_topic: camera for camera in card.cameras}
        self._state = card.state
        self._finger = {arm.gripper.topic: arm.gripper.joint for arm in card.arms if arm.gripper}

    def event(self, topic: str, kind: str, message: object, receive_ns: int) -> Event:
        """topic: relative; receive_ns: on the node's clock [ns]."""
        header = getattr(message, "header", None)
        stamp_ns = stamp_to_ns(header.stamp) if header is not None else None
        if kind in (IMAGE, COMPRESSED):
            return _image(topic, kind, message, receive_ns, stamp_ns, self._cameras.get(topic))
        if kind == JOINTS:
            values = {q: np.array(getattr(message, q), float) for q in ("position", "velocity", "effort")}
            return JointEvent(topic, kind, receive_ns, stamp_ns, self._names(topic, message.name), values)
        if kind == WRENCHES and topic in self._state.topics:
            told = state_message(self._state, topic, message)
            return JointEvent(topic, kind, receive_ns, stamp_ns, tuple(told.name), {"": np.array(told.position)})
        if kind == TRAJECTORY:
            return _trajectory(topic, kind, message, receive_ns, stamp_ns)
        if kind == NUMBERS and topic in self._finger and len(message.data) == 1:
            positions = np.array([[message.data[0]]])
            return CommandEvent(topic, kind, receive_ns, None, (self._finger[topic],), np.array([receive_ns]), positions)
        if kind == CHUNK:
            return HashEvent(topic, kind, receive_ns, stamp_ns, {"card_hash": message.card_hash}, message.horizon)
        if kind == INFO:
            hashes = {"card_hash": message.card_hash, "policy_hash": message.policy_hash}
            return HashEvent(topic, kind, receive_ns, None, hashes)
        return Event(topic, kind, receive_ns, stamp_ns)

    def _names(self, topic: str, names: Sequence[str]) -> tuple[str, ...]:
        """"" for each joint that the card has another topic for."""
        return tuple(self._state.names_on(topic, names) if topic in self._state.topics else names)


def _image(
    topic: str, kind: str, message: object, receive_ns: int, stamp_ns: int, camera: CameraCard | None
) -> ImageEvent:
    """As the message says that it is, whatever the card has: the check of encodings compares them."""
    compressed, encoding = kind == COMPRESSED, ""
    width, height = (0, 0) if compressed else (message.width, message.height)
    depth = camera.depth_range if camera else None
    try:
        encoding = encoding_of(message, camera.encoding if camera else "")
        pixels = compressed_to_array(message, encoding, depth) if compressed else image_to_array(message, depth)
    except ImageError as problem:
        return ImageEvent(topic, kind, receive_ns, stamp_ns, encoding, width, height, None, str(problem))
    return ImageEvent(topic, kind, receive_ns, stamp_ns, encoding, pixels.shape[1], pixels.shape[0], pixels)


def _trajectory(topic: str, kind: str, message: object, receive_ns: int, stamp_ns: int) -> CommandEvent:
    """Points without a position for each joint are left out; an empty trajectory stays, as a message without points."""
    names = tuple(message.joint_names)
    points = [point for point in message.points if len(point.positions) == len(names)]
    start = stamp_ns or receive_ns  # a stamp of zero means: on arrival
    times = np.array([start + stamp_to_ns(point.time_from_start) for point in points], np.int64)
    positions = np.array([list(point.positions) for point in points], float).reshape(len(points), len(names))
    return CommandEvent(topic, kind, receive_ns, stamp_ns, names, times, positions)


def message_class(kind: str) -> type | None:
    """The class of a message type, None where its package is not installed."""
    try:
        return message_type(kind)
    except BagError:
        return None
