"""Why a run ends, from what is known of it: its record and the time. Pure: it ends nothing and tells nobody."""

from __future__ import annotations

from dataclasses import dataclass

from vla_contract.report import Verdict
from vla_contract.status import RunError
from vla_policy.running.run_record import RunRecord


@dataclass(frozen=True)
class End:
    """The run is over: brake, then tell why."""

    error: RunError = RunError.NONE
    message: str = ""
    timed_out: bool = False


def ending(record: RunRecord, now_ns: int, *, refusals: int | None, grace_ns: int | None) -> End | None:
    """The first reason that holds, or None.

    refusals: So many chunks refused in a row end it; None: no number does. A controller that is stopped, or whose arm somebody
        else commands, ends it at once.
    grace_ns: How long the controller may be silent [ns]; None: for ever.
    """
    refusal, in_a_row, silent_since_ns = record.last_refusal, record.refused_in_a_row, record.unanswered_since_ns
    if record.truth is not None and record.truth.success:
        return End(message="the simulator reports success")
    if record.cancelled is not None:
        words = "canceled" if record.cancelled == RunError.CANCELED else "shutting down"
        return End(record.cancelled, record.cancelled_why or words)
    if now_ns - record.started_ns >= record.time_limit_ns:
        return End(message=f"time limit of {record.time_limit_ns / 1e9:g} s", timed_out=True)
    if refusals is not None and in_a_row and refusal.verdict == Verdict.STOPPED:
        return End(RunError.CONTROLLER_STOPPED, refusal.message)  # a latched stop, or vla/home moves the arm
    if refusals is not None and in_a_row and refusal.verdict == Verdict.CONTENDED:
        return End(RunError.CONTENDED, refusal.message)
    if refusals is not None and in_a_row >= refusals:
        words = f"{in_a_row} chunks refused in a row: {refusal.verdict.name}: {refusal.message}"
        return End(RunError.CHUNKS_REFUSED, words)
    if grace_ns is not None and silent_since_ns is not None and now_ns - silent_since_ns > grace_ns:
        return End(RunError.CONTROLLER_UNAVAILABLE, f"no report from the controller within {grace_ns / 1e9:g} s")
    return None
