"""Events back to a bag, so that a check of real bags can be measured without a graph."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from vla_bags.bag_folder import BagFolder
from vla_bags.definitions import Definitions
from vla_contract.card import InterfaceCard
from vla_contract.ros.images import array_to_image
from vla_contract.ros.serialization import serialize_message
from vla_contract.ros.stamps import ns_to_duration, ns_to_stamp
from vla_msgs.msg import ActionChunk, PolicyInfo
from vla_replay.preflight.events import CommandEvent, Event, HashEvent, ImageEvent, JointEvent
from vla_replay.preflight.topics import CHUNK, CLOCK, COMPRESSED


def write_bag(
    path: Path, card: InterfaceCard, events: Iterable[Event], *, card_text: str = "", namespace: str = ""
) -> None:
    """A bag of these events, received at their times. Raises BagError where the folder exists."""
    definitions = Definitions()
    metadata = {"card": card_text, "card_name": card.name, "card_hash": card.card_hash, "policy_hash": card.policy_hash}
    folder = BagFolder(path, {**metadata, "namespace": namespace})
    try:
        for event in sorted(events, key=lambda event: event.receive_ns):
            inside = f"/{namespace}/{event.topic}".replace("//", "/")
            topic = event.topic if event.topic.startswith("/") else inside
            if topic not in folder.topics:
                folder.add_topic(topic, event.type, definitions.complete(event.type), ())
            folder.write(topic, event.receive_ns, event.receive_ns, serialize_message(message_of(event)))
    finally:
        folder.close()


def message_of(event: Event) -> object:
    """The ROS message of an event."""
    if event.type == CLOCK:
        return Clock(clock=ns_to_stamp(event.stamp_ns))
    if isinstance(event, ImageEvent):
        message = _image(event)
    elif isinstance(event, JointEvent):
        message = JointState(name=list(event.names), **{q: values.tolist() for q, values in event.values.items()})
    elif isinstance(event, CommandEvent):
        message = JointTrajectory(joint_names=list(event.names))
        start = event.stamp_ns or event.receive_ns
        for time_ns, row in zip(event.times_ns, event.positions):
            message.points.append(JointTrajectoryPoint(positions=row.tolist(), time_from_start=ns_to_duration(time_ns - start)))
    elif isinstance(event, HashEvent):
        message = ActionChunk(horizon=event.horizon) if event.type == CHUNK else PolicyInfo()
        for name, value in event.hashes.items():
            setattr(message, name, value)
    else:
        raise TypeError(f"no message for {event}")
    if hasattr(message, "header") and event.stamp_ns is not None:
        message.header.stamp = ns_to_stamp(event.stamp_ns)
    return message


def _image(event: ImageEvent) -> object:
    if event.type == COMPRESSED:
        import cv2

        data = cv2.imencode(".jpg", event.pixels[..., ::-1])[1].tobytes()
        return CompressedImage(format="jpeg", data=array("B", data))
    pixels = np.ascontiguousarray(event.pixels[..., ::-1]) if event.encoding == "bgr8" else event.pixels
    message = array_to_image(pixels, event.stamp_ns or 0, "camera")
    message.encoding = event.encoding
    return message
