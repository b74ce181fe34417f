"""One chunk's times, cut into parts that add up.

Wall time. The chunk carries the start of inference on both clocks, node time and the policy host's steady clock. That
ties node stamps to steady ones, and puts all stamps on one axis:

    camera stamp -> receipt -> inference start -> inference end -> received -> published -> executed
       node         steady        both              steady          steady     steady       node

    camera_to_receipt = (inference_start - stamp) - (inference_start_steady - image_receipt_steady)
    wait              = inference_start_steady - image_receipt_steady
    inference         = inference_end_steady - inference_start_steady
    transport         = received_steady - inference_end_steady
    planning          = published_steady - received_steady
    lead              = (first_executed - inference_start) - (published_steady - inference_start_steady)

The six add up to ``camera_to_actuation`` = first_executed - stamp, the first five to ``camera_to_trajectory`` =
(inference_start - stamp) + (published_steady - inference_start_steady), the first four to ``camera_to_controller`` =
(inference_start - stamp) + (received_steady - inference_start_steady), to the nanosecond.

Simulated time. Seconds of /clock are not seconds of the steady clock, so the two are not mixed: four parts by node
stamps alone, which again add up to ``camera_to_actuation``, the first three to ``camera_to_controller``. The steady parts
are kept apart, as ``steady``:

    camera_to_inference = inference_start - stamp          inference   = inference_end - inference_start
    transport = SCHEDULED.stamp - inference_end            received_to_actuation = first_executed - SCHEDULED.stamp
"""

from __future__ import annotations

from dataclasses import dataclass, field

from vla_contract.report import Verdict
from vla_evidence.ledger.stamps import ChunkStamps, ReportStamps

LONGEST_NS = 60_000_000_000
"""A part longer than this is the distance of two clocks, not a time."""
EARLY_NS = 5_000_000
"""A camera's clock may be ahead of the node's by this much: such parts are kept, below zero as they are."""
SAME_HOST_NS = 100_000_000
"""Transport by steady and by node stamps may differ by this much, where both ends share their clocks."""
CLOCK_SET_NS = 20_000_000
"""Inference by steady and by node stamps may differ by this much, unless the node clock was set."""

WALL_PARTS = ("camera_to_receipt", "wait", "inference", "transport", "planning", "lead")
SIMULATED_PARTS = ("camera_to_inference", "inference", "transport", "received_to_actuation")
STEADY_PARTS = ("wait", "inference", "transport", "planning")
CAMERA_TO_CONTROLLER = "camera_to_controller"
WHOLES = (CAMERA_TO_CONTROLLER, "camera_to_trajectory", "camera_to_actuation")
MISSING = "a stamp is missing"
HOSTS_DIFFER = "policy and controller share no steady clock (different hosts)"
CLOCKS_DISAGREE = "steady and node stamps disagree about the way from policy to controller"
CLOCK_SET = "the node clock was set meanwhile, or the clocks differ"
PUBLISHED_LATE = "published after its first step was to begin, on a busy computer, or the node clock was set meanwhile"


@dataclass(frozen=True, slots=True)
class Row:
    """Parts, wholes and ages of one chunk [ns]. ``unknown``: part -> why. ``missing``: stamps that are not there."""

    simulated: bool
    parts: dict[str, int] = field(default_factory=dict)
    wholes: dict[str, int] = field(default_factory=dict)
    ages: dict[str, int] = field(default_factory=dict)
    steady: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Every part is known, and so is the whole."""
        return (
            len(self.parts) == len(SIMULATED_PARTS if self.simulated else WALL_PARTS)
            and "camera_to_actuation" in self.wholes
        )

    @property
    def error_ns(self) -> int:
        """Sum of the parts less the whole; 0 by the identity above. Only of a complete row."""
        return sum(self.parts.values()) - self.wholes["camera_to_actuation"]


def comparable(
    chunk: ChunkStamps, scheduled: ReportStamps | None, closed: ReportStamps | None, simulated: bool
) -> bool | None:
    """Whether the steady stamps of policy and controller are of one clock. None: one of them is missing."""
    received = _first("received_steady_ns", scheduled, closed)
    if not (received and chunk.inference_end_steady_ns):
        return None
    transport = received - chunk.inference_end_steady_ns
    if not 0 <= transport <= LONGEST_NS:
        return False
    if simulated or scheduled is None or not chunk.inference_end_ns:
        return True
    return abs(scheduled.stamp_ns - chunk.inference_end_ns - transport) <= SAME_HOST_NS


def make_row(
    chunk: ChunkStamps,
    scheduled: ReportStamps | None,
    closed: ReportStamps | None,
    cameras: tuple[str, ...],
    *,
    simulated: bool = False,
    same_host: bool | None = None,
) -> Row:
    """The times of a chunk with a horizon above 0.

    Args:
        cameras: Names of the cameras, in the order of the chunk's image stamps.
        simulated: Its node stamps are simulated time.
        same_host: What is known of its run. False: nothing across the two hosts is believed.
    """
    row = Row(simulated, missing=_missing(chunk, scheduled, closed))
    _ages(row, chunk, cameras)
    received = _first("received_steady_ns", scheduled, closed)
    published = _first("published_steady_ns", scheduled, closed)
    executed = closed.first_executed_ns if closed is not None else 0
    apart = HOSTS_DIFFER if same_host is False else ""
    if not apart and comparable(chunk, scheduled, closed, simulated) is False:
        apart = CLOCKS_DISAGREE
    steady = _steady_parts(row, chunk, received, published, apart)
    if simulated:
        row.steady.update(steady)
        _node_parts(row, chunk, scheduled, executed)
    else:
        row.parts.update(steady)
        _mixed_parts(row, chunk, received, published, executed, apart)
    return row


def _steady_parts(row: Row, chunk: ChunkStamps, received: int, published: int, apart: str) -> dict[str, int]:
    start, end = chunk.inference_start_steady_ns, chunk.inference_end_steady_ns
    instants = (chunk.image_receipt_steady_ns, start, end, received, published)
    parts = {}
    for name, before, after in zip(STEADY_PARTS, instants, instants[1:]):
        words = f"steady {name}" if row.simulated else name
        if not (before and after):
            _doubt(row, words, MISSING)
        elif name == "transport" and apart:
            _doubt(row, words, apart)
        elif not 0 <= after - before <= LONGEST_NS:
            _doubt(row, words, f"{(after - before) / 1e6:.1f} ms: its stamps are of different clocks")
        else:
            parts[name] = after - before
    return parts


def _mixed_parts(row: Row, chunk: ChunkStamps, received: int, published: int, executed: int, apart: str) -> None:
    start, start_steady, receipt = (
        chunk.inference_start_ns,
        chunk.inference_start_steady_ns,
        chunk.image_receipt_steady_ns,
    )
    tied = bool(start and start_steady)
    to_start = start - chunk.stamp_ns
    if tied and receipt:
        _put(row, row.parts, "camera_to_receipt", to_start - (start_steady - receipt))
    else:
        _doubt(row, "camera_to_receipt", MISSING)
    for name, end in ((CAMERA_TO_CONTROLLER, received), ("camera_to_trajectory", published)):
        if not (tied and end and not apart):
            _doubt(row, name, apart or MISSING)
        elif "camera_to_receipt" in row.unknown and receipt:
            _doubt(row, name, CLOCK_SET)
        else:
            _put(row, row.wholes, name, to_start + end - start_steady)
    if executed:
        _put(row, row.wholes, "camera_to_actuation", executed - chunk.stamp_ns)
    if not (tied and published and executed):
        _doubt(row, "lead", MISSING)
    elif apart:
        _doubt(row, "lead", apart)
    elif _clock_was_set(chunk):
        _doubt(row, "lead", CLOCK_SET)
    else:
        lead = executed - start - (published - start_steady)
        late = -SAME_HOST_NS <= lead < -EARLY_NS
        _put(row, row.parts, "lead", lead, why=PUBLISHED_LATE if late else CLOCK_SET)


def _node_parts(row: Row, chunk: ChunkStamps, scheduled: ReportStamps | None, executed: int) -> None:
    received = scheduled.stamp_ns if scheduled is not None else 0
    known = bool(chunk.inference_start_ns), bool(chunk.inference_end_ns), scheduled is not None, bool(executed)
    instants = (chunk.stamp_ns, chunk.inference_start_ns, chunk.inference_end_ns, received, executed)
    for name, before, after, here, there in zip(SIMULATED_PARTS, instants, instants[1:], (True, *known), known):
        if not (here and there):
            _doubt(row, name, MISSING)
        else:
            _put(row, row.parts, name, after - before)
    if received:
        _put(row, row.wholes, CAMERA_TO_CONTROLLER, received - chunk.stamp_ns)
    else:
        _doubt(row, CAMERA_TO_CONTROLLER, MISSING)
    if executed:
        _put(row, row.wholes, "camera_to_actuation", executed - chunk.stamp_ns)


def _ages(row: Row, chunk: ChunkStamps, cameras: tuple[str, ...]) -> None:
    if not chunk.inference_start_ns:
        return
    for name, stamp_ns in zip(cameras, chunk.image_stamps_ns):
        _put(row, row.ages, name, chunk.inference_start_ns - stamp_ns, f"age of {name}")
    if chunk.state_stamp_ns:
        _put(row, row.ages, "joint_states", chunk.inference_start_ns - chunk.state_stamp_ns, "age of joint_states")


def _missing(chunk: ChunkStamps, scheduled: ReportStamps | None, closed: ReportStamps | None) -> tuple[str, ...]:
    names = [n for n in ChunkStamps._fields if n.startswith(("inference", "image_receipt")) and not getattr(chunk, n)]
    names += [] if chunk.state_stamp_ns else ["state_stamp_ns"]
    names += [] if chunk.image_stamps_ns else ["image_stamps_ns"]
    names += [] if scheduled is not None else ["report SCHEDULED"]
    names += [] if closed is not None else ["report CLOSED"]
    if scheduled is not None or closed is not None:
        names += [] if _first("received_steady_ns", scheduled, closed) else ["received_steady_ns"]
        accepted = any(r is not None and r.verdict is Verdict.ACCEPTED for r in (scheduled, closed))
        if accepted and not _first("published_steady_ns", scheduled, closed):
            names.append("published_steady_ns")
    if closed is not None and closed.verdict is Verdict.ACCEPTED and not closed.first_executed_ns:
        names.append("first_executed_ns")
    return tuple(names)


def _clock_was_set(chunk: ChunkStamps) -> bool:
    node = chunk.inference_end_ns - chunk.inference_start_ns
    steady = chunk.inference_end_steady_ns - chunk.inference_start_steady_ns
    return bool(chunk.inference_end_ns) and abs(node - steady) > CLOCK_SET_NS


def _first(name: str, *reports: ReportStamps | None) -> int:
    return next((getattr(r, name) for r in reports if r is not None and getattr(r, name)), 0)


def _put(row: Row, into: dict[str, int], name: str, value: int, words: str = "", why: str = CLOCK_SET) -> None:
    if -EARLY_NS <= value <= LONGEST_NS:
        into[name] = value
    else:
        _doubt(row, words or name, f"{value / 1e6:.1f} ms: {why}")


def _doubt(row: Row, name: str, why: str) -> None:
    row.unknown.setdefault(name, why)
