"""Chunks and reports whose times are known to the nanosecond, and a bag of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.chunk import ActionChunk
from vla_contract.report import ChunkReport, Phase, Verdict
from vla_evidence.ledger.builder import LedgerBuilder
from vla_evidence.ledger.content import Ledger

MS = 1_000_000
T0 = 1_800_000_000_000_000_000  # a wall clock
RUN = "0123456789abcdef0123456789abcdef"
BOOTED = T0 - 3_600_000_000_000  # node time at which the steady clock was 0
PERIOD = 100 * MS


@dataclass(frozen=True)
class Times:
    """One chunk's true parts [ns] from its camera stamp on; `executed` is the due stamp, from the camera stamp."""

    receipt: int = 4 * MS
    wait: int = 3 * MS
    inference: int = 25 * MS
    transport: int = 2 * MS
    planning: int = 6 * MS
    executed: int = 200 * MS
    other_host: int = 0
    """The controller's steady clock less the policy's."""
    set_back: int = 0
    """By how much the node clock was set back just before inference."""

    def draw(self, rng: np.random.Generator) -> Times:
        """The same, with parts drawn anew, in odd nanoseconds."""
        names = ("receipt", "wait", "inference", "transport", "planning")
        return replace(self, **{name: int(rng.integers(1, 2 * getattr(self, name))) for name in names})


def make_chunk(card: InterfaceCard, sequence: int, times: Times = Times(), *, run: str = RUN, **changes) -> ActionChunk:
    """A chunk decided from the chart at T0 + sequence * 0.4 s."""
    stamp = T0 + sequence * 4 * PERIOD
    start = stamp + times.receipt + times.wait
    fields = dict(
        stamp_ns=stamp, frame_id="panda_link0", image_stamps_ns=(stamp, stamp - 8 * MS), state_stamp_ns=stamp + MS, run_id=run,
        sequence=sequence, card_hash=card.card_hash, action_space=card.action_space, names=tuple(card.action.names),
        actions=np.zeros((16, card.action_dim)), step_period_ns=PERIOD, valid_for_ns=2_000 * MS,
        inference_start_ns=start - times.set_back, inference_end_ns=start + times.inference - times.set_back,
        inference_start_steady_ns=start - BOOTED, inference_end_steady_ns=start + times.inference - BOOTED,
        image_receipt_steady_ns=stamp + times.receipt - BOOTED,
    )  # fmt: skip
    return ActionChunk(**{**fields, **changes})


def make_brake(card: InterfaceCard, sequence: int, run: str = RUN) -> ActionChunk:
    """Horizon 0, with the stamps that the policy node leaves out."""
    none = dict.fromkeys(("inference_start_ns", "inference_end_ns", "inference_start_steady_ns", "inference_end_steady_ns",
                          "image_receipt_steady_ns"), 0)  # fmt: skip
    actions = np.empty((0, card.action_dim))
    return make_chunk(card, sequence, run=run, actions=actions, image_stamps_ns=(), **none)


def make_reports(
    chunk: ActionChunk, times: Times = Times(), verdict: Verdict = Verdict.ACCEPTED, **changes
) -> list[ChunkReport]:
    """SCHEDULED and CLOSED, as the controller would send them."""
    received = chunk.stamp_ns + times.receipt + times.wait + times.inference + times.transport
    accepted = verdict in (Verdict.ACCEPTED, Verdict.SUPERSEDED)
    steady = received - BOOTED + times.other_host
    fields = dict(
        run_id=chunk.run_id, sequence=chunk.sequence, chunk_stamp_ns=chunk.stamp_ns, received_steady_ns=steady,
        published_steady_ns=steady + times.planning if accepted else 0, stamp_ns=received - times.set_back,
    )  # fmt: skip
    fields.update(changes)
    first = chunk.stamp_ns + times.executed if verdict is Verdict.ACCEPTED else 0
    scheduled = ChunkReport(phase=Phase.SCHEDULED, verdict=Verdict.ACCEPTED if accepted else verdict, **fields)
    closed = ChunkReport(**{"phase": Phase.CLOSED, "verdict": verdict, "first_executed_ns": first, **fields})
    return [scheduled, closed]


def lost_report(sequence: int, run: str = RUN) -> ChunkReport:
    """CLOSED alone, of a chunk that never arrived."""
    return ChunkReport(
        stamp_ns=T0, phase=Phase.CLOSED, run_id=run, sequence=sequence, chunk_stamp_ns=0, verdict=Verdict.LOST
    )


def book(card: InterfaceCard | None, *told, **options) -> Ledger:
    """A ledger of (chunk, reports) in order."""
    builder = LedgerBuilder(card, **options)
    for chunk, reports in told:
        builder.on_chunk(chunk, chunk.stamp_ns)
        for report in reports:
            builder.on_report(report)
    return builder.ledger()


def normal(
    card: InterfaceCard, sequence: int, times: Times = Times(), **changes
) -> tuple[ActionChunk, list[ChunkReport]]:
    """A chunk with the reports that follow it when all goes well."""
    chunk = make_chunk(card, sequence, times, **changes)
    return chunk, make_reports(chunk, times)


def write_bag(
    path: Path, card: InterfaceCard, chunks: int = 40, *, with_card: bool = True, with_chunks: bool = True,
    with_reports: bool = True,
) -> Path:  # fmt: skip
    """An MCAP file: both cameras at 30 Hz, joint states at 100 Hz, chunks with their reports. One chunk is refused, one
    message on vla/action_chunk is cut short."""
    from mcap.writer import Writer
    from rclpy.serialization import serialize_message
    from sensor_msgs.msg import Image, JointState

    from vla_contract.ros.convert import chunk_to_msg, report_to_msg
    from vla_contract.ros.stamps import ns_to_stamp
    from vla_msgs.msg import ActionChunk as ChunkMsg
    from vla_msgs.msg import ChunkReport as ReportMsg

    rng = np.random.default_rng(4)
    events: list[tuple[int, str, type, bytes]] = []

    def put(at_ns: int, topic: str, message) -> None:
        events.append((at_ns, topic, type(message), serialize_message(message)))

    for k in range(chunks if with_chunks else 0):
        times = replace(Times().draw(rng), executed=(200 + 100 * (k % 5 == 0)) * MS)
        chunk = make_chunk(card, k, times)
        verdict = Verdict.STALE if k == 7 else Verdict.ACCEPTED
        put(chunk.inference_end_ns + MS, "/cell/vla/action_chunk", chunk_to_msg(chunk))
        for report in make_reports(chunk, times, verdict) if with_reports else ():
            put(report.stamp_ns + 8 * MS, "/cell/vla/chunk_report", report_to_msg(report))
    end = T0 + chunks * 4 * PERIOD
    for camera in card.cameras:
        for k in range((end - T0) * 30 // 1_000_000_000):
            if k in (50, 51):
                continue
            image = Image(width=4, height=4, encoding="rgb8", step=12, data=bytes(48))
            stamp = T0 + k * 1_000_000_000 // 30
            image.header.stamp = ns_to_stamp(stamp)
            put(stamp + 3 * MS, f"/cell/{camera.topic}", image)
    for k in range((end - T0) // (10 * MS)):
        state = JointState(name=["panda_joint1"], position=[0.1])
        state.header.stamp = ns_to_stamp(T0 + k * 10 * MS)
        put(T0 + k * 10 * MS + MS, f"/cell/{card.state.topic}", state)
    if with_chunks:
        events.append((end, "/cell/vla/action_chunk", ChunkMsg, b"\x00\x01\x00\x00broken"))
    with open(path, "wb") as file:
        writer = Writer(file)
        writer.start(profile="ros2", library="test")
        if with_card:
            import yaml

            writer.add_metadata("vla", {"card": yaml.safe_dump(card.to_dict())})
        channels: dict[str, int] = {}
        for at_ns, topic, kind, data in sorted(events, key=lambda e: e[0]):
            if topic not in channels:
                package = "vla_msgs" if kind in (ChunkMsg, ReportMsg) else "sensor_msgs"
                schema = writer.register_schema(f"{package}/msg/{kind.__name__}", "ros2msg", b"")
                channels[topic] = writer.register_channel(topic, "cdr", schema)
            writer.add_message(channels[topic], at_ns, data, at_ns)
        writer.finish()
    return path
