"""The `recorder` node: subscribes to what there is, and hands raw messages to a Recording. Deserializes no recorded message
but the policy's and the controller's word on card and checkpoint."""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import dataclass
from functools import partial

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from rclpy.subscription import Subscription
from rclpy.topic_endpoint_info import TopicEndpointInfo

from vla_bags.bag_folder import BagFolder
from vla_bags.definitions import Definitions
from vla_bags.ending import Ending
from vla_bags.entries import BagError
from vla_bags.identity import Identity
from vla_bags.image_packer import (
    PACKED_TYPE,
    RAW_TYPE,
    VIDEO,
    VIDEO_TYPE,
    ImageKeeping,
    ImagePacker,
    packed_topic,
    video_topic,
)
from vla_bags.offered_qos import Offered, Wanted, fitting
from vla_bags.reader import message_type
from vla_bags.recorded_topics import absolute, check_names, default_topics
from vla_bags.recorder_settings import RecorderSettings
from vla_bags.recording import IMAGE_TYPES, Recording, RecordingLimits
from vla_bags.ros.parameters import declare_parameters
from vla_bags.video_messages import VideoPacker, check_installed
from vla_contract.card import CardError
from vla_contract.command import this_command
from vla_contract.image_encodings import ImageError
from vla_contract.recording import RecordingError, check_disk
from vla_contract.ros.image_packing import pack_serialized
from vla_contract.ros.namespaces import wait_for_namespace
from vla_contract.ros.run import run_node
from vla_msgs.msg import ControllerStatus, PolicyInfo

POLL_S = 0.25
"""Between two looks at the graph for new topics [s]."""


@dataclass
class _Heard:
    subscription: Subscription
    wanted: Wanted


class RecorderNode(Node):
    """Records until `ended` is set; sets it itself where the recording is over, see `Ending`.

    Args:
        ended: Ends the process.
        settings: By default from ROS parameters of the same names.
        namespace: ROS namespace. Where settings are given somebody has to be in it: a launch file starts its robot meanwhile.

    Raises:
        BagError, CardError, ImageError, RecordingError, OSError: What the settings name cannot be used.
    """

    def __init__(self, ended: threading.Event, settings: RecorderSettings | None = None, namespace: str = "") -> None:
        check_names(namespace, ())
        super().__init__("recorder", namespace=namespace or None)
        self.recording: Recording | None = None
        self.failure: str | None = None
        launched = settings is None
        absent = wait_for_namespace(self, namespace) if not launched else ""
        if absent:
            raise BagError(f"{absent}; start the robot first")
        settings = settings or declare_parameters(self)
        self._identity = Identity(settings.card, settings.checkpoint, self.get_namespace())
        names = settings.topics or default_topics(self._identity.card)
        check_names(self.get_namespace(), names)
        self._topics = list(dict.fromkeys(absolute(name, self.get_namespace()) for name in names))
        self._definitions = Definitions()
        if settings.images.kind == VIDEO:
            check_installed()
        self._heard: dict[str, _Heard] = {}
        self._refused: dict[str, str] = {}
        self._not_packed: dict[str, str] = {}
        self._known: set[str] = set()
        check_disk(settings.out, settings.min_free_mib)
        command = this_command()
        about = {} if command is None else {"command": command.text, "command_folder": command.folder}
        self._folder = BagFolder(settings.out, {**self._identity.metadata, **about}, settings.compression)
        self._images, self._packed = settings.images, self._topics_to_pack(settings.images)
        self.recording = Recording(
            self._folder, RecordingLimits(min_free_bytes=settings.min_free_mib << 20),
            packer=ImagePacker(self._folder, settings.images, pack_serialized, VideoPacker) if self._packed else None,
        )  # fmt: skip
        self._ending = Ending(self.recording, settings.duration, stays=launched, end=ended.set, stay=self._go_on_unrecorded)
        self._dropped_said, self._polls = 0, 0
        self.create_timer(POLL_S, self._poll, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.get_logger().info(f"recording {len(self._topics)} topics to {settings.out}")

    def _topics_to_pack(self, images: ImageKeeping) -> set[str]:
        """Raw images of the card's cameras, unless what they would be packed onto is recorded as well."""
        if images.kind == "raw":
            return set()
        cameras = {absolute(c.topic, self.get_namespace()) for c in self._identity.card.cameras if not c.compressed}
        return {topic for topic in cameras if not {packed_topic(topic), video_topic(topic)}.intersection(self._topics)}

    def _packed_definitions(self) -> dict[str, str]:
        """Of the types that raw images may become, by name."""
        kinds = (PACKED_TYPE, VIDEO_TYPE) if self._images.kind == VIDEO else (PACKED_TYPE,)
        return {kind: self._definitions.complete(kind) for kind in kinds}

    # The graph

    def _poll(self) -> None:
        self._ending.look()
        if self._ending.over:
            return
        self._polls += 1
        for topic in self._topics:
            if topic not in self._heard or self._polls % 4 == 0:
                self._look_at(topic)
        self._say_dropped()

    def _go_on_unrecorded(self, why: str) -> None:
        self.get_logger().error(why)
        for heard in self._heard.values():
            self.destroy_subscription(heard.subscription)
        self._heard.clear()

    def _look_at(self, topic: str) -> None:
        publishers = self.get_publishers_info_by_topic(topic)
        if not publishers:
            return
        offered = [_offered(publisher) for publisher in publishers]
        wanted, before = fitting(offered), self._heard.get(topic)
        if before is not None:
            if before.wanted == wanted:
                return
            self.get_logger().info(f"{topic}: its publishers offer something else now; subscribing anew")
            self.destroy_subscription(before.subscription)
        self._subscribe(topic, publishers[0], offered, wanted)

    def _subscribe(self, topic: str, publisher: TopicEndpointInfo, offered: list[Offered], wanted: Wanted) -> None:
        name = publisher.topic_type
        if topic not in self._known:
            try:
                kind, definition = message_type(name, topic), self._definitions.complete(name)
            except BagError as error:
                self._refuse(topic, str(error))
                return
            self._known.add(topic)
            packed = self._packed_definitions() if name == RAW_TYPE and topic in self._packed else None
            self.recording.add_topic(topic, name, definition, offered, _type_hash(publisher), packed)
        else:
            kind = message_type(name, topic)
        profile = QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=30 if name in IMAGE_TYPES else 1000,
            reliability=ReliabilityPolicy.RELIABLE if wanted.reliable else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if wanted.transient_local else DurabilityPolicy.VOLATILE,
        )
        callback = partial(self._take, topic)
        for leaf, listener, message in (
            ("vla/policy_info", self._on_policy_info, PolicyInfo),
            ("vla/controller_status", self._on_controller_status, ControllerStatus),
        ):
            if topic == absolute(leaf, self.get_namespace()):
                callback = partial(self._take_and_read, topic, listener, message)
        subscription = self.create_subscription(kind, topic, lambda data, info: callback(data, info), profile, raw=True)
        self._heard[topic] = _Heard(subscription, wanted)

    def _refuse(self, topic: str, reason: str) -> None:
        if topic not in self._refused:
            self._refused[topic] = reason
            self.get_logger().error(f"{topic} is not recorded: {reason}")
            self.recording.note({"not_recorded": json.dumps(self._refused)})

    # Messages

    def _take(self, topic: str, data: bytes, info: dict) -> None:
        now = time.time_ns()
        self.recording.offer(topic, info["received_timestamp"] or now, info["source_timestamp"] or now, data)

    def _take_and_read(self, topic: str, listener, kind: type, data: bytes, info: dict) -> None:
        self._take(topic, data, info)
        changed, complaints = listener(deserialize_message(data, kind))
        if changed:
            self.recording.note(changed)
        for complaint in complaints:
            self.get_logger().error(complaint)

    def _on_policy_info(self, message: PolicyInfo) -> tuple[dict[str, str], list[str]]:
        return self._identity.hear_policy(message)

    def _on_controller_status(self, message: ControllerStatus) -> tuple[dict[str, str], list[str]]:
        return self._identity.hear_card("", message.card_hash)

    def _say_dropped(self) -> None:
        dropped = dict(self.recording.dropped)
        total = sum(dropped.values())
        if total > self._dropped_said and self._polls % 4 == 0:
            self._dropped_said = total
            words = ", ".join(f"{count} of {topic}" for topic, count in sorted(dropped.items()))
            slow = "disk or image encoder" if self._packed else "disk"
            self.get_logger().warning(f"the {slow} is too slow: dropped so far {words}")
        for topic, reason in self.recording.not_packed.items():
            if self._not_packed.get(topic) != reason:
                self._not_packed[topic] = reason
                self.get_logger().warning(f"{topic}: {reason}")

    def close(self) -> None:
        """Ends the bag."""
        if self.recording is None:
            return
        self.recording.close()
        self.failure = self.recording.failure
        silent = [topic for topic in self._topics if topic not in self._heard and topic not in self._refused]
        missing = f"; never there: {', '.join(silent)}" if silent else ""
        self.get_logger().info(f"{self.recording.written} messages in {self._folder.path}{missing}")


def _offered(publisher: TopicEndpointInfo) -> Offered:
    qos = publisher.qos_profile
    return Offered(
        reliability=qos.reliability.name.lower(),
        durability=qos.durability.name.lower(),
        history=qos.history.name.lower(),
        depth=qos.depth,
        deadline_ns=qos.deadline.nanoseconds,
        lifespan_ns=qos.lifespan.nanoseconds,
        liveliness=qos.liveliness.name.lower(),
        lease_ns=qos.liveliness_lease_duration.nanoseconds,
    )


def _type_hash(publisher: TopicEndpointInfo) -> str:
    text = str(publisher.topic_type_hash)
    return text if text.startswith("RIHS") else ""


def record(settings: RecorderSettings | None = None, namespace: str = "") -> int:
    """Records until Ctrl-C, SIGTERM or the end of the duration. Exit code: 0; 1 where the disk was full; of wrong settings 2
    where they are given, as to `vla record`, 1 where they are parameters."""
    mistakes = (BagError, CardError, ImageError, RecordingError, OSError)
    return run_node(lambda ended: RecorderNode(ended, settings, namespace), "recorder", mistakes, 1 if settings is None else 2)


if __name__ == "__main__":
    sys.exit(record())
