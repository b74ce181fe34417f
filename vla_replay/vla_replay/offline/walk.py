"""A bag as events in the order of receipt, each with the time that the nodes' clock showed. One pass, flat memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

from vla_bags.reader import Bag
from vla_bags.recorded_cameras import find_camera
from vla_contract.card import CameraCard, InterfaceCard
from vla_contract.chunk import ActionChunk, ChunkError
from vla_contract.ros.convert import chunk_from_msg, report_from_msg, run_id_from_msg
from vla_contract.ros.stamps import stamp_to_ns
from vla_contract.ros.streams import Frame, read_frame, state_message
from vla_replay.offline.delay import was_set_back
from vla_replay.offline.divergence import said
from vla_replay.offline.errors import ReplayError

SAME_CLOCK_NS = 5_000_000_000
"""A receive time this near to a stamp is of the same clock [ns]."""
JITTER_NS = 10_000_000
"""A /clock that goes back by no more was only heard out of order [ns]."""
LEAD_NS = 100_000_000
"""So far a stamp may lie ahead of a /clock that ticks coarsely, and receive times out of order [ns]."""
APART_NS = 4_000_000_000
"""So far sensors' stamps lie apart where nothing but them tells the time; what is further back was set back [ns]."""


class Kind(Enum):
    """What an event is; its data is a Frame, a JointState message, an ActionChunk, a ChunkReport, or (run_id, text)."""

    FRAME = "frame"
    STATE = "state"
    CHUNK = "chunk"
    REPORT = "report"
    SHADOW = "shadow"
    INSTRUCTION = "instruction"
    MALFORMED = "malformed"


@dataclass(frozen=True)
class Event:
    """now_ns: node time at receipt. stamp_ns: of the message's header, 0 where it has none. times: see ``NodeTime``."""

    now_ns: int
    kind: Kind
    data: object
    stamp_ns: int = 0
    times: int = 0


class NodeTime:
    """Node time of each message: of /clock where it was recorded, else its receive time, else the newest stamp.

    times: how often /clock, or the receive times, were seen to be set back.
    """

    def __init__(self, follows_clock: bool) -> None:
        self._follows_clock = follows_clock
        self._wall: bool | None = None
        self._now_ns = self._before_ns = self._received_ns = 0
        self.times = 0

    def on_clock(self, stamp_ns: int) -> None:
        """A message of /clock."""
        if self._now_ns - JITTER_NS <= stamp_ns < self._now_ns:
            return
        if stamp_ns < self._now_ns:
            self._before_ns = self._now_ns
            self.times += 1
        self._now_ns = stamp_ns

    def at(self, received_ns: int, stamp_ns: int) -> int:
        """stamp_ns: of a sensor's message, 0 of others."""
        if self._wall is None and stamp_ns and not self._follows_clock:
            self._wall = abs(received_ns - stamp_ns) < SAME_CLOCK_NS
        if self._wall:
            if received_ns < self._received_ns - LEAD_NS:
                self.times += 1
                self._received_ns = received_ns
            self._received_ns = max(self._received_ns, received_ns)
            return received_ns
        if self._follows_clock:
            # A sensor's message that was under way while the clock was set back has a stamp of the time before.
            if self._now_ns + LEAD_NS < stamp_ns <= self._before_ns + LEAD_NS:
                return self._now_ns
            return max(self._now_ns, stamp_ns)  # /clock ticks coarsely, and a stamp is never ahead of its own clock
        if stamp_ns and was_set_back(self._now_ns - APART_NS, stamp_ns):
            self._now_ns = stamp_ns
        return self._newest(stamp_ns)

    def _newest(self, stamp_ns: int) -> int:
        self._now_ns = max(self._now_ns, stamp_ns)
        return self._now_ns


class Walk:
    """Iterates once over a bag.

    Attributes:
        missing: Topics of the card that the bag lacks, by relative name.
        counts: Events of each kind so far.
        malformed: Chunks and reports that could not be read, with the reasons.

    Raises:
        ReplayError: The bag has no action chunks, no joint states, or no camera of the card; while iterating, a chunk whose
            action space, columns or step period are not the card's.
    """

    def __init__(self, bag: Bag, card: InterfaceCard) -> None:
        self._bag, self._card = bag, card
        self.counts: dict[str, int] = {}
        self.malformed: list[str] = []
        self._contract = {
            "action_space": card.action_space, "names": tuple(card.action.names), "step_period_ns": card.step_period_ns,
        }  # fmt: skip
        self._cameras: dict[str, CameraCard] = {}
        self.missing: list[str] = []
        for camera in card.cameras:
            found = find_camera(bag, camera)
            if found is None:
                self.missing.append(camera.image_topic)
            else:
                topic, as_recorded = found
                self._cameras[topic] = as_recorded
        self._others: dict[str, str] = {}
        self._states = card.state.topics
        for relative in (
            *self._states, "vla/action_chunk", "vla/chunk_report", "vla/policy_status", "vla/shadow/action_chunk",
        ):  # fmt: skip
            topic = bag.find(relative, self._states.get(relative))
            if topic is not None:
                self._others[topic] = relative
            elif relative != "vla/shadow/action_chunk":
                self.missing.append(relative)
        told = {card.state.topic, *(card.state.topic_of(field) for field in card.state.fields)}
        for needed in (*(topic for topic in self._states if topic in told), "vla/action_chunk"):
            if needed in self.missing:
                raise ReplayError(f"{bag.path}: no {needed} in this bag; it has {', '.join(sorted(bag.topics)) or 'no topic'}")
        if not self._cameras:
            wanted = ", ".join(camera.image_topic for camera in card.cameras)
            raise ReplayError(f"{bag.path}: no camera of the card in this bag ({wanted}); nothing to observe")

    def __iter__(self) -> Iterator[Event]:
        bag, card = self._bag, self._card
        clock = bag.topics.get("/clock")
        time = NodeTime(clock is not None and clock.count > 0)
        topics = [*self._cameras, *self._others, *(["/clock"] if clock else [])]
        for entry, message in bag.messages(topics=topics):
            if entry.topic == "/clock":
                time.on_clock(stamp_to_ns(message.clock))
                continue
            camera = self._cameras.get(entry.topic)
            if camera is not None:
                frame = read_frame(camera, message)
                now_ns = time.at(entry.stamp_ns, frame.stamp_ns)
                yield self._count(Event(now_ns, Kind.FRAME, frame, frame.stamp_ns, time.times))
                continue
            relative = self._others[entry.topic]
            if relative in self._states:
                message = state_message(card.state, relative, message)
                stamp_ns = stamp_to_ns(message.header.stamp)
                now_ns = time.at(entry.stamp_ns, stamp_ns)
                yield self._count(Event(now_ns, Kind.STATE, message, stamp_ns, time.times))
                continue
            now_ns = time.at(entry.stamp_ns, 0)
            if relative == "vla/policy_status":
                run_id = run_id_from_msg(message.run_id)
                if run_id and message.instruction:
                    yield Event(now_ns, Kind.INSTRUCTION, (run_id, message.instruction), times=time.times)
                continue
            yield self._count(replace(self._read(relative, message, now_ns), times=time.times))

    def _read(self, relative: str, message, now_ns: int) -> Event:
        kind = {"vla/action_chunk": Kind.CHUNK, "vla/chunk_report": Kind.REPORT}.get(relative, Kind.SHADOW)
        try:
            data = report_from_msg(message) if kind is Kind.REPORT else chunk_from_msg(message)
        except (ChunkError, ValueError) as error:
            self.malformed.append(f"{relative} {message.sequence}: {error}")
            return Event(now_ns, Kind.MALFORMED, str(error))
        if kind is not Kind.REPORT and data.horizon:  # a brake asks for nothing that could be misread
            self._check_contract(relative, data)
        return Event(now_ns, kind, data, data.stamp_ns)

    def _check_contract(self, relative: str, chunk: ActionChunk) -> None:
        for field, ours in self._contract.items():
            theirs = getattr(chunk, field)
            if theirs != ours:
                raise ReplayError(
                    f"{self._bag.path}: {field} of {relative} is {said(theirs)}, card {self._card.name} has {said(ours)}; "
                    "give the card under which the bag was recorded"
                )

    def _count(self, event: Event) -> Event:
        self.counts[event.kind.value] = self.counts.get(event.kind.value, 0) + 1
        return event


__all__ = ["Event", "Frame", "Kind", "NodeTime", "Walk"]
