"""One goal of vla/run_task, from start to result: counts, outcome, why it ended. No ROS, no torch."""

from __future__ import annotations

import uuid
from collections import deque
from dataclasses import dataclass, field

from vla_contract.instructions import Meaning, normalised
from vla_contract.report import ChunkReport, Phase, Verdict
from vla_contract.status import DONE_BEFORE, Outcome, OutcomeSource, PolicyState, RunError
from vla_policy.errors import ObservationKind

STATE_OF = {
    ObservationKind.MISSING: PolicyState.WAITING_FOR_INPUT,
    ObservationKind.STALE: PolicyState.STALE_INPUT,
    ObservationKind.SKEW: PolicyState.SKEWED_INPUT,
    ObservationKind.BLACK: PolicyState.BLACK_INPUT,
    ObservationKind.FROZEN: PolicyState.FROZEN_INPUT,
    ObservationKind.INVALID: PolicyState.INVALID_INPUT,
}
ERROR_OF = {
    ObservationKind.MISSING: RunError.MISSING_INPUT,
    ObservationKind.STALE: RunError.STALE_INPUT,
    ObservationKind.SKEW: RunError.SKEWED_INPUT,
    ObservationKind.BLACK: RunError.BLACK_INPUT,
    ObservationKind.FROZEN: RunError.FROZEN_INPUT,
    ObservationKind.INVALID: RunError.INVALID_INPUT,
}


DELAYS_KEPT = 50
"""Chunks of a run from which the delay of the next one is expected."""


@dataclass(frozen=True)
class RunRequest:
    """What to do, in words, and for how long at most [ns] (0: the card's longest time limit)."""

    instruction: str
    time_limit_ns: int = 0


@dataclass(frozen=True)
class TaskTruth:
    """What a simulator says about the task under way."""

    stamp_ns: int
    instruction: str
    episode: int
    success: bool


@dataclass
class Counts:
    """Of chunks and steps in this run; see RunTask.action."""

    chunks_published: int = 0
    chunks_accepted: int = 0
    chunks_refused: int = 0
    chunks_lost: int = 0
    steps_executed: int = 0
    steps_skipped: int = 0
    steps_clamped: int = 0
    steps_superseded: int = 0


@dataclass
class RunRecord:
    """Grows while the run goes on; is its result when ``ended``."""

    request: RunRequest
    started_ns: int
    time_limit_ns: int
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    counts: Counts = field(default_factory=Counts)
    ended: bool = False
    error: RunError = RunError.NONE
    message: str = ""
    timed_out: bool = False
    outcome: Outcome = Outcome.UNKNOWN
    outcome_source: OutcomeSource = OutcomeSource.NOBODY
    elapsed_ns: int = 0
    observation_age_ns: int = 0
    observation_skew_ns: int = 0
    last_inference_ns: int = 0
    longest_inference_ns: int = 0
    sequence: int = 0
    open_chunks: set[int] = field(default_factory=set)
    refused_in_a_row: int = 0
    last_refusal: ChunkReport | None = None
    under_way: ChunkReport | None = None
    """Of the newest chunk accepted, as long as it is executed."""
    reports: int = 0
    unanswered_since_ns: int | None = None
    truth: TaskTruth | None = None
    done_before: bool = False
    """As far as is known its task was done already when it began: that is no success of its own."""
    takeover_delays_ns: deque[int] = field(default_factory=lambda: deque(maxlen=DELAYS_KEPT))
    """From the observation until the motion of an accepted chunk began, of the newest chunks [ns]."""
    meaning: Meaning | None = None
    """What its instruction means; None: nothing that the card knows."""
    cancelled: RunError | None = None
    """Why somebody wants it to end: CANCELED, SHUTDOWN or CONTENDED."""
    cancelled_why: str = ""
    """The same in words; empty: those of the error."""

    def begin_again(self, now_ns: int) -> None:
        """The clock was set back: what has been measured from before is measured from now [ns] on."""
        self.started_ns = now_ns
        if self.unanswered_since_ns is not None:
            self.unanswered_since_ns = min(self.unanswered_since_ns, now_ns)

    def next_sequence(self) -> int:
        """Counts from 0."""
        self.sequence += 1
        self.open_chunks.add(self.sequence - 1)
        return self.sequence - 1

    def on_published(self, now_ns: int) -> None:
        """A chunk is on its way to the controller, which reports on each."""
        self.counts.chunks_published += 1
        if self.unanswered_since_ns is None:
            self.unanswered_since_ns = now_ns

    def on_report(self, report: ChunkReport) -> None:
        """Reports of other runs are ignored."""
        if report.run_id != self.run_id:
            return
        self.reports += 1
        self.unanswered_since_ns = None
        if report.phase == Phase.SCHEDULED:
            if report.verdict == Verdict.BRAKE:
                self.under_way = None
            elif report.verdict == Verdict.ACCEPTED:
                self.counts.chunks_accepted += 1
                self.refused_in_a_row = 0
                self.under_way = report
                self.takeover_delays_ns.append(takeover_ns(report) - report.chunk_stamp_ns)
            elif report.verdict.is_refusal and report.verdict != Verdict.LATE:  # that one is counted lost
                self.counts.chunks_refused += 1
                self.refused_in_a_row += 1
                self.last_refusal = report
            return
        self.open_chunks.discard(report.sequence)
        if self.under_way is not None and self.under_way.sequence == report.sequence:
            self.under_way = None
        if report.verdict == Verdict.LOST:
            self.counts.chunks_lost += 1
        for name in ("steps_executed", "steps_skipped", "steps_clamped", "steps_superseded"):
            setattr(self.counts, name, getattr(self.counts, name) + getattr(report, name))

    def on_truth(self, truth: TaskTruth, meaning: Meaning | None = None) -> None:
        """Only of instants after the start, and only about what this instruction means: else success would be a guess.

        meaning: Of the simulator's own sentence.
        """
        same = normalised(truth.instruction) == normalised(self.request.instruction)
        if not same and self.meaning is not None:
            same = self.meaning.is_same(meaning)
        if same and truth.stamp_ns >= self.started_ns:
            self.done_before = truth.success and (self.truth is None or self.done_before)
            self.truth = truth

    def end(self, now_ns: int, error: RunError = RunError.NONE, message: str = "", timed_out: bool = False) -> None:
        """SUCCESS or FAILURE where a simulator judged this instruction, else UNKNOWN. What was broken off did not fail, and what
        was done already when it began did not succeed."""
        self.ended, self.error, self.message, self.timed_out = True, error, message, timed_out
        self.elapsed_ns = now_ns - self.started_ns
        broken_off = error in (RunError.CANCELED, RunError.SHUTDOWN, RunError.CONTENDED)
        if self.done_before:
            self.message = "; ".join(filter(None, [message, DONE_BEFORE]))
        elif self.truth is not None and (self.truth.success or not broken_off):
            self.outcome = Outcome.SUCCESS if self.truth.success else Outcome.FAILURE
            self.outcome_source = OutcomeSource.SIM


def takeover_ns(accepted: ChunkReport) -> int:
    """When the motion of an accepted chunk begins [ns]: not before it was planned, nor before its first step planned begins."""
    due, first = accepted.step_stamps_ns, accepted.steps_skipped
    if len(due) < 2 or first >= len(due):
        return accepted.stamp_ns
    return max(accepted.stamp_ns, int(due[first] - (due[1] - due[0])))
