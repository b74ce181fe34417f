"""The policy at work: one run at a time, in a thread of its own, beside whoever feeds it. No ROS, no torch.

A run waits for a new image, assembles, infers, and hands out a chunk; again after ``replan_steps`` steps. What is wrong with the
input brakes the arm at once, and ends the run when it lasts.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vla_contract.card import InterfaceCard, seconds_to_ns
from vla_contract.chunk import ActionChunk
from vla_contract.observation import VLAObservation
from vla_contract.report import ChunkReport, Verdict
from vla_contract.status import PolicyState, RunError
from vla_policy_node.assembler import ObservationAssembler, observation_skew_ns
from vla_policy_node.chunks import arm_positions, brake_chunk, decide
from vla_policy_node.errors import ObservationError, PolicyError, PreprocessError
from vla_policy_node.policy import Policy
from vla_policy_node.prefix import check_committed_steps, committed_prefix
from vla_policy_node.run_record import ERROR_OF, STATE_OF, RunRecord, RunRequest, TaskTruth

POLL_S = 0.02
"""Longest sleep between two looks at time limit, cancellation and the age of the input [s]."""


STILL_S = 5.0
"""Longest wall time without a new image, whatever the node's clock says [s]."""


@dataclass(frozen=True)
class SessionConfig:
    """How a run behaves."""

    replan_steps: int = 4
    """Steps of a chunk to execute before the next observation is decided from (LeRobot: n_action_steps)."""
    grace_ns: int = 1_500_000_000
    """How long the input may be unfit, or the controller silent, before the run is aborted [ns]."""
    refusals: int = 10
    """So many chunks refused in a row end the run."""
    committed_steps: int = 0
    """First steps of a chunk that repeat the chunk under way, for the controller's committed_prefix. They last as long as a
    decision and the planning after it have to; 0: every chunk is the policy's from its first step."""
    settle_s: float = 0.3
    """After the last chunk: longest wait for the controller's closing reports [s]."""


@dataclass(frozen=True)
class SessionState:
    """What to tell the outside."""

    state: PolicyState
    input: str = ""
    message: str = ""


class PolicySession:
    """Binds a policy, an assembler and a card. ``run`` blocks; everything else may be called from other threads."""

    def __init__(
        self, card: InterfaceCard, policy: Policy, assembler: ObservationAssembler, clock_ns: Callable[[], int],
        publish: Callable[[ActionChunk], None], on_state: Callable[[SessionState], None] = lambda state: None,
        config: SessionConfig = SessionConfig(),
    ) -> None:  # fmt: skip
        if not 1 <= config.replan_steps <= card.action.horizon:
            raise ValueError(
                f"replan_steps is {config.replan_steps}, allowed are 1 to the horizon, {card.action.horizon}"
            )
        check_committed_steps(card, config.committed_steps, config.replan_steps)
        self._card, self._policy, self._assembler = card, policy, assembler
        self._clock_ns, self._publish, self._on_state, self._config = clock_ns, publish, on_state, config
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._stop_error = RunError.CANCELED
        self.record: RunRecord | None = None
        self.state = SessionState(PolicyState.IDLE)

    def on_report(self, report: ChunkReport) -> None:
        """A report of the controller."""
        with self._lock:
            if self.record:
                self.record.on_report(report)

    def on_truth(self, truth: TaskTruth) -> None:
        """A simulator's word on the task."""
        with self._lock:
            if self.record and not self.record.ended:
                self.record.on_truth(truth)

    def cancel(self, error: RunError = RunError.CANCELED) -> None:
        """Ends the run under way at its next look."""
        self._stop_error = error
        self._stop.set()

    def begin(self, request: RunRequest) -> RunRecord:
        """Makes the record of a new run. Raises ValueError for empty words or a negative limit."""
        if not request.instruction.strip():
            raise ValueError("instruction is empty; say what to do, in words")
        if request.time_limit_ns < 0:
            raise ValueError(f"time_limit is {request.time_limit_ns / 1e9:g} s, allowed is 0 (the card's) or more")
        limit = request.time_limit_ns or max(seconds_to_ns(task.time_limit) for task in self._card.tasks)
        self._stop.clear()
        with self._lock:
            self.record = RunRecord(request, self._clock_ns(), limit)
        return self.record

    def run(self, record: RunRecord) -> RunRecord:
        """From ``begin``'s record to its end. The last chunk is always a brake."""
        self._policy.reset()
        try:
            self._loop(record)
        except (PolicyError, PreprocessError) as error:
            self._finish(record, RunError.POLICY_FAILED, str(error))
        except Exception as error:  # whatever happens in a model: brake first, then say so
            self._finish(record, RunError.POLICY_FAILED, f"{type(error).__name__}: {error}")
        failed = record.error == RunError.POLICY_FAILED
        self._tell(
            SessionState(PolicyState.ERROR if failed else PolicyState.IDLE, "", record.message if failed else "")
        )
        return record

    def _loop(self, record: RunRecord) -> None:
        period_ns = self._config.replan_steps * self._card.step_period_ns
        decided_ns = 0  # stamp of the last observation that was decided from
        unfit_since_ns = 0
        seen_ns, seen_at = 0, time.monotonic()
        self._tell(SessionState(PolicyState.RUNNING))
        while not self._over(record):
            newest_ns = self._assembler.newest_ns()
            if newest_ns < decided_ns:  # the clock was set back
                decided_ns, record.started_ns = 0, self._clock_ns()
            if newest_ns != seen_ns:
                seen_ns, seen_at = newest_ns, time.monotonic()
            elif time.monotonic() - seen_at > STILL_S:  # a clock that stands still makes nothing old
                words = f"no new image for {STILL_S:g} s of wall time, and the clock may have stopped"
                return self._finish(record, RunError.STALE_INPUT, f"{self._card.cameras[0].name}: {words}")
            try:
                now_ns = self._clock_ns()
                observation = self._assembler.assemble(now_ns, record.request.instruction)
            except ObservationError as error:
                state = STATE_OF[error.kind]
                if not unfit_since_ns:
                    unfit_since_ns = now_ns
                    self._send(record, brake_chunk(self._card, record.run_id, record.next_sequence(), now_ns))
                self._tell(SessionState(state, error.field, error.message))
                if now_ns - unfit_since_ns >= self._config.grace_ns:
                    return self._finish(record, ERROR_OF[error.kind], str(error))
                self._stop.wait(POLL_S)
                continue
            if unfit_since_ns:
                unfit_since_ns = 0
                self._tell(SessionState(PolicyState.RUNNING))
            if decided_ns and observation.stamp_ns < decided_ns + period_ns:
                self._assembler.wait(observation.stamp_ns, POLL_S)
                continue
            decided_ns = observation.stamp_ns
            receipt = self._assembler.receipt_steady_ns(observation.stamp_ns)
            chunk = decide(
                self._policy, self._card, observation, record.run_id, record.sequence, self._clock_ns, receipt,
                self._committed if self._config.committed_steps else None,
            )  # fmt: skip
            record.observation_age_ns = now_ns - observation.stamp_ns
            record.observation_skew_ns = observation_skew_ns(observation)
            record.last_inference_ns = chunk.inference_end_steady_ns - chunk.inference_start_steady_ns
            record.longest_inference_ns = max(record.longest_inference_ns, record.last_inference_ns)
            if self._over(record):  # it ended while the model was busy: this chunk comes too late, the brake has its number
                return
            record.next_sequence()
            self._send(record, chunk)

    def _committed(self, observation: VLAObservation) -> np.ndarray:
        """What the new chunk repeats of the one under way."""
        with self._lock:
            under_way = self.record.under_way
        if under_way is None:
            return np.empty((0, self._card.action_dim))
        observed = arm_positions(self._card, observation)
        return committed_prefix(self._card, under_way, observation.stamp_ns, self._config.committed_steps, observed)

    def _over(self, record: RunRecord) -> bool:
        """Ends the run where there is a reason to."""
        if record.ended:
            return True
        now_ns = self._clock_ns()
        elapsed_ns = now_ns - record.started_ns
        with self._lock:
            truth, refusal, in_a_row = record.truth, record.last_refusal, record.refused_in_a_row
            silent_since_ns = record.unanswered_since_ns
        if truth is not None and truth.success:
            self._finish(record, message="the simulator reports success")
        elif self._stop.is_set():
            self._finish(
                record, self._stop_error, "canceled" if self._stop_error == RunError.CANCELED else "shutting down"
            )
        elif elapsed_ns >= record.time_limit_ns:
            self._finish(record, message=f"time limit of {record.time_limit_ns / 1e9:g} s", timed_out=True)
        elif in_a_row and refusal.verdict == Verdict.STOPPED:
            self._finish(record, RunError.CONTROLLER_STOPPED, "vla/stop is latched; vla/resume releases it")
        elif in_a_row >= self._config.refusals:
            words = f"{in_a_row} chunks refused in a row: {refusal.verdict.name}: {refusal.message}"
            self._finish(record, RunError.CHUNKS_REFUSED, words)
        elif silent_since_ns is not None and now_ns - silent_since_ns > self._config.grace_ns:
            words = f"no report from the controller within {self._config.grace_ns / 1e9:g} s"
            self._finish(record, RunError.CONTROLLER_UNAVAILABLE, words)
        return record.ended

    def _finish(
        self, record: RunRecord, error: RunError = RunError.NONE, message: str = "", timed_out: bool = False
    ) -> None:
        now_ns = self._clock_ns()
        self._send(record, brake_chunk(self._card, record.run_id, record.next_sequence(), now_ns))
        for _ in range(int(self._config.settle_s / POLL_S)):
            if not record.open_chunks or not record.reports:
                break
            threading.Event().wait(POLL_S)
        with self._lock:
            record.end(now_ns, error, message, timed_out)

    def _send(self, record: RunRecord, chunk: ActionChunk) -> None:
        with self._lock:
            record.on_published(self._clock_ns())
        self._publish(chunk)

    def _tell(self, state: SessionState) -> None:
        changed = (state.state, state.input) != (self.state.state, self.state.input)
        self.state = state
        if changed:  # new numbers in the message alone are no news
            self._on_state(state)
