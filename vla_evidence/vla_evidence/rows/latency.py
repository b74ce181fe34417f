"""Latency of inferences, as the timing ledger has it, and why there is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from vla_evidence.ledger.row import CAMERA_TO_CONTROLLER, MISSING, Row
from vla_evidence.ledger.section import Line

NOT_HEARD = "the chunk was not heard"
NO_REPORT = "no report of the controller was heard"
_NEEDED = ("inference_start_ns", "inference_start_steady_ns", "received_steady_ns")


@dataclass(frozen=True)
class Latency:
    """Of one inference.

    Attributes:
        ms: From camera stamp to arrival at the controller [ms]; None: the ledger has no figure.
        why: The ledger's reason for that; empty where there is one.
        inference_ms: By the policy's steady clock [ms]; None: not measured.
    """

    ms: float | None = None
    why: str = NOT_HEARD
    inference_ms: float | None = None


def latency_of(line: Line | None) -> Latency:
    """Of a line of the ledger; None: the ledger has none."""
    if line is None or line.row is None:
        return Latency()
    row = line.row
    inference = (row.steady if row.simulated else row.parts).get("inference")
    whole = row.wholes.get(CAMERA_TO_CONTROLLER)
    return Latency(
        ms=None if whole is None else whole / 1e6,
        why="" if whole is not None else _why(row),
        inference_ms=None if inference is None else inference / 1e6,
    )


def _why(row: Row) -> str:
    if {"report SCHEDULED", "report CLOSED"} <= set(row.missing):
        return NO_REPORT
    why = row.unknown[CAMERA_TO_CONTROLLER]
    lacking = [name for name in row.missing if name in _NEEDED]
    return f"{why}: {', '.join(lacking)}" if why == MISSING and lacking else why


def most_frequent(reasons: Iterable[str]) -> str:
    """The reason that most have; empty where there is none."""
    counts = Counter(filter(None, reasons))
    return counts.most_common(1)[0][0] if counts else ""
