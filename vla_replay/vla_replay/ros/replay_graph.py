"""Plays a bag's sensors into the running graph on /clock: a thin shell over rclpy. Messages go out as they were recorded, images
that the recorder packed as the raw ones that they were."""

from __future__ import annotations

import struct
import threading
import time
from collections import Counter
from dataclasses import replace

from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image

from vla_bags.reader import Bag, Entry, message_type
from vla_bags.recorded_cameras import find_camera
from vla_contract.card import InterfaceCard
from vla_contract.image_encodings import ImageError
from vla_contract.rivals import Claim, RivalError
from vla_contract.ros.convert import run_id_from_msg
from vla_contract.ros.image_packing import unpack_serialized
from vla_contract.ros.qos import LATCHED
from vla_contract.ros.rival_watch import RivalWatch
from vla_contract.ros.stamps import ns_to_stamp
from vla_evidence.figures.replay import PlayedFigures, PlayedRun
from vla_graph.errors import GraphError
from vla_graph.ros.client import GraphClient
from vla_msgs.msg import PolicyStatus
from vla_replay.offline.delay import was_set_back
from vla_replay.offline.errors import ReplayError
from vla_replay.offline.walk import NodeTime

CLOCK_NS = 10_000_000
"""Between two messages of /clock, in the time of the bag [ns]."""
WAIT_S = 20.0
_DEPTH = 10


def header_stamp_ns(data: bytes) -> int:
    """Stamp of a serialized message that begins with a std_msgs/Header [ns]; its CDR has it behind four bytes."""
    sec, nanosec = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, 4)
    return sec * 1_000_000_000 + nanosec


class GraphPlayer:
    """Publishes images, camera info, joint states, robot description and /clock. A context manager.

    Stamps stay as recorded: whoever listens has to run with use_sim_time. The clock never goes back: where the recording's
    was set back, it stands until it is passed again, and that is counted.

    Args:
        rate: Speed of time.
        run: Sends the instruction of each recorded run to vla/run_task when it began, and cancels it when it ended.
        instruction: For runs whose instruction is not in the bag, and instead of it where given.
        wait_s: How long to wait for subscribers.

    Raises:
        ReplayError: A rate out of range, no sensors in the bag, or somebody else publishes what is to be played.
    """

    def __init__(
        self, bag: Bag, card: InterfaceCard, *, rate: float = 1.0, run: bool = False, instruction: str | None = None,
        wait_s: float = WAIT_S,
    ) -> None:  # fmt: skip
        if not 0.01 <= rate <= 100.0:
            raise ReplayError(f"rate is {rate:g}, allowed is 0.01 to 100")
        self._bag, self._card, self._rate, self._with_runs = bag, card, rate, run
        self._words, self._wait_s = instruction, wait_s
        sensors = [*card.state.topics]
        self._packed: dict[str, str] = {}
        """The card's encoding of each topic that has packed what the card's camera sends raw."""
        self._topics: dict[str, str] = {}
        for camera in card.cameras:
            sensors += [camera.image_topic, camera.info_topic]
            topic, as_recorded = find_camera(bag, camera, any_type=True) or ("", camera)
            if as_recorded.compressed and not camera.compressed:
                self._topics[topic] = camera.image_topic
                self._packed[topic] = camera.encoding
        self._topics |= {bag.find(n): n for n in sensors if bag.find(n) and n not in self._topics.values()}
        needed = [*card.state.topics, *(camera.image_topic for camera in card.cameras)]
        missing = [name for name in needed if name not in self._topics.values()]
        if len(missing) == len(needed):
            raise ReplayError(f"{bag.path}: none of {', '.join(needed)} in this bag; nothing to play")
        self._missing = missing
        self._needed = [name for name in needed if name not in missing]
        latched = bag.find("robot_description")
        self._client = GraphClient("vla_replay", keep_chunks=True)
        node = self._client.node
        claims = [Claim("/clock", "publishes the clock"), *(Claim(name, "publishes") for name in self._topics.values())]
        advice = "end it first: a bag is played into a graph without a simulator or a robot"
        try:
            RivalWatch(node, claims, advice).before_start()
        except RivalError as error:
            self._client.close()
            raise ReplayError(str(error)) from None
        self._clock = node.create_publisher(Clock, "/clock", QoSProfile(depth=_DEPTH))
        # Reliable, because a reliable publisher reaches subscribers of both kinds.
        qos = QoSProfile(depth=_DEPTH, reliability=ReliabilityPolicy.RELIABLE)
        self._publishers = {
            topic: node.create_publisher(
                Image if topic in self._packed else message_type(bag.topics[topic].type, topic), name, qos
            )
            for topic, name in self._topics.items()
        }
        if latched:
            self._publishers[latched] = node.create_publisher(
                message_type(bag.topics[latched].type, latched), "robot_description", LATCHED
            )
            self._topics[latched] = "robot_description"
        self._latched = latched
        self._played: Counter[str] = Counter()
        self._unreadable: Counter[str] = Counter()
        self._ticks = self._set_back = 0
        self._late_s = 0.0
        self._runs: dict[str, PlayedRun] = {}
        self._handles: dict[str, object] = {}
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> GraphPlayer:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def play(self) -> PlayedFigures:
        """Waits for subscribers, then plays to the end. Returns what was played.

        Raises:
            ReplayError: Nobody listens to a sensor or to /clock in time; it names the topics.
        """
        self._wait()
        if self._latched:
            for entry in self._bag.entries(topics=[self._latched]):
                self._publish(entry)
        status = self._bag.find("vla/policy_status")
        bag_clock = self._bag.topics.get("/clock")
        node_time = NodeTime(bag_clock is not None and bag_clock.count > 0)
        topics = [t for t in self._topics if t != self._latched]
        topics += [t for t in (status, "/clock" if bag_clock else None) if t]
        begin = time.monotonic()
        first_ns: int | None = None
        now_ns = clock_ns = 0
        for entry in self._bag.entries(topics=topics):
            if entry.topic == "/clock":
                node_time.on_clock(header_stamp_ns(entry.data))  # a Clock is one stamp
                continue
            there_ns = node_time.at(entry.stamp_ns, header_stamp_ns(entry.data) if entry.topic != status else 0)
            if not there_ns:
                continue
            if first_ns is None:
                first_ns = now_ns = clock_ns = there_ns
                self._tick(clock_ns)
            if there_ns < now_ns:
                self._set_back += was_set_back(now_ns, there_ns)
                there_ns = now_ns
            while clock_ns + CLOCK_NS <= there_ns:
                clock_ns += CLOCK_NS
                self._sleep_until(begin + (clock_ns - first_ns) * 1e-9 / self._rate)
                self._tick(clock_ns)
            self._sleep_until(begin + (there_ns - first_ns) * 1e-9 / self._rate)
            now_ns = there_ns
            if entry.topic == status:
                self._follow_run(entry)
            else:
                self._publish(entry)
        wall = time.monotonic() - begin
        return self._figures((now_ns - (first_ns or 0)) * 1e-9, wall)

    def _wait(self) -> None:
        wanted = {name: self._publishers[topic] for topic, name in self._topics.items() if name in self._needed}
        wanted["/clock"] = self._clock
        deadline = time.monotonic() + self._wait_s
        while silent := [name for name, publisher in wanted.items() if not publisher.get_subscription_count()]:
            if time.monotonic() > deadline:
                raise ReplayError(
                    f"nobody listens to {', '.join(silent)} after {self._wait_s:g} s: start the graph with use_sim_time:=true "
                    "and without a simulator of its own"
                )
            time.sleep(0.05)

    def _tick(self, clock_ns: int) -> None:
        self._clock.publish(Clock(clock=ns_to_stamp(clock_ns)))
        self._ticks += 1

    def _publish(self, entry: Entry) -> None:
        message, name = entry.data, self._topics[entry.topic]
        if entry.topic in self._packed:
            try:
                message = unpack_serialized(entry.data, self._packed[entry.topic])
            except ImageError:
                self._unreadable[name] += 1
                return
        self._publishers[entry.topic].publish(message)
        self._played[name] += 1

    def _sleep_until(self, due: float) -> None:
        left = due - time.monotonic()
        if left > 0:
            time.sleep(left)
        else:
            self._late_s = max(self._late_s, -left)

    # Runs

    def _follow_run(self, entry: Entry) -> None:
        if not self._with_runs:
            return
        from rclpy.serialization import deserialize_message

        message = deserialize_message(entry.data, PolicyStatus)
        run_id = run_id_from_msg(message.run_id)
        going = message.state >= PolicyStatus.RUNNING
        if going and run_id and run_id not in self._runs:
            self._end_runs()
            words = self._words or message.instruction
            self._runs[run_id] = PlayedRun(instruction=words, accepted=False, remark="")
            thread = threading.Thread(target=self._begin_run, args=(run_id, words), daemon=True)
            self._threads.append(thread)
            thread.start()
        elif not going:
            self._end_runs()

    def _begin_run(self, run_id: str, words: str) -> None:
        run = self._runs[run_id]
        try:
            handle = self._client.send(words, 0.0)
        except GraphError as error:
            self._runs[run_id] = replace(run, remark=str(error))
            return
        self._runs[run_id] = replace(run, accepted=bool(handle.accepted))
        if handle.accepted:
            self._handles[run_id] = handle

    def _end_runs(self) -> None:
        for run_id in list(self._handles):
            self._handles.pop(run_id).cancel_goal_async()

    def _figures(self, seconds: float, wall: float) -> PlayedFigures:
        for thread in self._threads:
            thread.join(timeout=self._wait_s)
        self._end_runs()
        if self._runs:
            time.sleep(0.5)  # the last chunks and the brake
        heard = self._client.heard
        return PlayedFigures(
            bag=str(self._bag.path), seconds=round(seconds, 3), wall_seconds=round(wall, 3), rate=self._rate,
            played=dict(self._played), missing_topics=tuple(self._missing), clock_messages=self._ticks,
            clock_set_back=self._set_back, latest_ms=round(self._late_s * 1e3, 1), chunks_heard=len(heard.chunks),
            runs=tuple(self._runs.values()), unreadable=dict(self._unreadable),
        )  # fmt: skip
