"""The ledger of a bag, and the schema of ledger.json.

ledger.json:

    schema      1
    source      path of the bag, or "live"
    card        {"name", "card_hash"}, or null
    seconds     from the first to the last message heard
    cut_short   the recording has no end: all figures are of what was written until then; absent in older files
    overall     a section over all runs
    runs        [{"run_id", ...a section}]
    cadence     {"chunks" | camera | "joint_states" | topic of another source of the state: {
                    "messages", "rate_hz", "expected_hz" (card, or replanning), "interval": figures, "late" (intervals above
                    1.5 times the expected one), "absent" (messages that such gaps lack), "limit_ms" and "beyond_limit" (the
                    card's max_age; max_open_loop for chunks), "repeated" and "set_back" (stamps that stand still, go back)}}
                by header stamps; the chunks' by the stamps of their observations, within a run
    unreadable  {topic: messages whose stamps could not be read}
    notes       [sentences a reader must know]
    command     {"argv", "text", "folder"} of `vla ledger`, which writes it; null where another program did

A section:

    time             "wall", "simulated", "mixed" (the parts are those of the wall), or "unknown" where nothing was decided
    same_host        whether steady stamps of policy and controller are of one clock; null: nothing to tell it by
    sent             chunks, brakes included, and sequence numbers of which nothing was heard (`unheard`)
    accounted        chunks with a complete row (`complete`), or with a verdict that tells why there is none
                     (`told_by_verdict`: BRAKE, refused, superseded, lost)
    ledger_share     accounted / sent; null where nothing was sent
    in_flight        live only: chunks that may yet be closed, not counted in `sent`
    copies           chunks and reports about a sequence heard before
    verdicts         {verdict: chunks}; "none": nothing final was heard
    parts            {part: figures and "share" of the whole, over complete rows}; see row.py for what each part is
    steady           simulated time only: {part: figures} by the steady clock
    wholes           {"camera_to_controller" | "camera_to_trajectory" | "camera_to_actuation": figures}
    ages             {camera | "joint_states": figures}, at the start of inference
    identity         {"rows", "largest_error_ns"}: the parts of each complete row add up to camera_to_actuation, exactly
    missing          {stamp or report: chunks that lack it}
    unknown          {part: {why: chunks}}
    unaccounted      [{"run_id", "sequence", "why"}], the first 50 of `unaccounted_count`
    histograms       {whole: {"edges_ms" (N + 1), "counts" (N)}}, of the complete rows, in whole milliseconds

Figures: {"count", "p50_ms", "p95_ms", "p99_ms", "max_ms", "mean_ms"}, null where count is 0. Percentiles of parts do not add
up to the percentile of the whole; means over complete rows do.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from vla_bags.reader import BagError
from vla_bags.recorded_cameras import find_camera
from vla_contract.action_space import ActionSpace
from vla_contract.card import InterfaceCard
from vla_contract.chunk import ActionChunk, ChunkError
from vla_contract.node_settings import REPLAN_STEPS
from vla_contract.ros.convert import chunk_from_msg, report_from_msg, run_id_from_msg, stamp_to_ns
from vla_contract.ros.serialization import deserialize_message
from vla_evidence.ledger.builder import LedgerBuilder
from vla_evidence.ledger.content import Ledger
from vla_evidence.ledger.stamps import LedgerError, header_stamp_ns
from vla_msgs.msg import ActionChunk as ChunkMsg
from vla_msgs.msg import ChunkReport as ReportMsg
from vla_msgs.msg import PolicyInfo

if TYPE_CHECKING:
    from vla_bags.reader import Bag, Entry

__all__ = ["Ledger", "LedgerBuilder", "LedgerError", "build_ledger"]

CHUNKS, REPORTS, POLICY_INFO = "vla/action_chunk", "vla/chunk_report", "vla/policy_info"


def build_ledger(bag: Bag, *, card: InterfaceCard | None = None, replan_steps: int = REPLAN_STEPS) -> Ledger:
    """The ledger of everything in a bag, in one pass.

    Args:
        card: Instead of the bag's own.
        replan_steps: Steps between two decisions that the policy was started with; no bag says it.

    Raises:
        LedgerError: The bag has no chunks. The message says what it has.
        BagError: The bag cannot be read.
    """
    chunks = bag.find(CHUNKS)
    if chunks is None or not bag.topics[chunks].count:
        topics = ", ".join(sorted(bag.topics)) or "none at all"
        raise LedgerError(f"{bag.path}: no action chunks ({CHUNKS}) in this bag; its topics are {topics}")
    notes = ["the recording was cut short"] if bag.truncated else []
    notes += bag.notes
    if card is None:
        try:
            card = bag.card()
        except BagError as error:
            notes.append(f"without a card: cameras and joint states are not looked at, no rates are expected ({error})")
    builder = LedgerBuilder(card, replan_steps=replan_steps)
    handlers = _handlers(bag, card, builder, chunks)
    if bag.find(REPORTS) is None:
        notes.append(f"no {REPORTS} in this bag: nothing can be accounted for")
    unreadable: Counter[str] = Counter()
    for entry in bag.entries(list(handlers)):
        try:
            handlers[entry.topic](entry)
        except (LedgerError, ChunkError, ValueError) as error:
            unreadable[entry.topic] += 1
            if unreadable[entry.topic] == 1:
                notes.append(f"{entry.topic}: {error}")
    about = {"source": str(bag.path), "unreadable": dict(unreadable), "notes": tuple(notes), "cut_short": bag.truncated}
    return builder.ledger(**about)


def _handlers(bag: Bag, card: InterfaceCard | None, builder: LedgerBuilder, chunks: str) -> dict:
    """Topic -> what to do with an entry of it."""

    def on_chunk(entry: Entry) -> None:
        message = _read(entry, ChunkMsg)
        try:
            builder.on_chunk(chunk_from_msg(message), entry.stamp_ns)
        except ChunkError:
            builder.on_chunk(_outline(message), entry.stamp_ns)
            raise

    def on_report(entry: Entry) -> None:
        builder.on_report(report_from_msg(_read(entry, ReportMsg)), entry.stamp_ns)

    def on_clock(entry: Entry) -> None:
        builder.on_clock(header_stamp_ns(entry.data))  # rosgraph_msgs/Clock begins with a time as well

    def state_handler(topic: str):
        return lambda entry: builder.on_joint_state(header_stamp_ns(entry.data), entry.stamp_ns, topic)

    def camera_handler(name: str):
        return lambda entry: builder.on_image(name, header_stamp_ns(entry.data), entry.stamp_ns)

    wanted = {chunks: on_chunk, bag.find(REPORTS): on_report, "/clock" if "/clock" in bag.topics else None: on_clock}
    if card is not None:
        wanted |= {bag.find(topic): state_handler(topic) for topic in card.state.topics}
        for camera in card.cameras:
            topic, _ = find_camera(bag, camera, any_type=True) or (None, camera)
            wanted[topic] = camera_handler(camera.name)
    else:
        wanted[bag.find(POLICY_INFO)] = lambda entry: builder.on_policy_info(_read(entry, PolicyInfo).camera_names)
    wanted.pop(None, None)
    return wanted


def _read(entry: Entry, kind: type):
    try:
        return deserialize_message(entry.data, kind)
    except Exception as error:  # rclpy raises errors of its middleware
        raise LedgerError(f"a message is no {kind.__name__}: {error}") from None


def _outline(message: ChunkMsg) -> ActionChunk:
    """What is known of a message that is no chunk; its report says the rest."""
    return ActionChunk(
        stamp_ns=stamp_to_ns(message.header.stamp), frame_id="", image_stamps_ns=(), state_stamp_ns=0,
        run_id=run_id_from_msg(message.run_id), sequence=message.sequence, card_hash="",
        action_space=ActionSpace.JOINT_POSITION, names=(), actions=[], step_period_ns=0,
        valid_for_ns=stamp_to_ns(message.valid_for),
    )  # fmt: skip
