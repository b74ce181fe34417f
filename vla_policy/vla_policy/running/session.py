"""The policy at work: one run at a time, in a thread of its own, beside whoever feeds it. No ROS, no torch.

The pacer (``pace.py``) says when to decide, to brake, to wait and to end; the session looks, infers and hands out chunks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from vla_contract.card import InterfaceCard, seconds_to_ns
from vla_contract.chunk import ActionChunk
from vla_contract.instructions import Meaning, Nearest, Words, meanings, normalised, understand
from vla_contract.node_settings import check_committed_steps
from vla_contract.observation import VLAObservation
from vla_contract.report import ChunkReport
from vla_contract.status import PolicyState, RunError
from vla_policy.errors import ObservationError, PolicyError, PreprocessError
from vla_policy.observing.assembler import ObservationAssembler, observation_skew_ns
from vla_policy.policy import Policy
from vla_policy.running.asking import ask_for
from vla_policy.running.chunks import brake_chunk, decide
from vla_policy.running.ending import End
from vla_policy.running.pace import GRACE_NS, STILL_NS, Brake, Decide, Pace, Pacing, Wait, replan_ns
from vla_policy.running.run_record import STATE_OF, RunRecord, RunRequest, TaskTruth

POLL_S = 0.02
"""Longest sleep between two looks at time limit, cancellation and the age of the input [s]."""


@dataclass(frozen=True)
class SessionConfig:
    """How a run behaves."""

    replan_steps: int = 4
    """Steps of a chunk to execute before the next observation is decided from (LeRobot: n_action_steps)."""
    grace_ns: int = GRACE_NS
    """How long the input may be unfit, or the controller silent, before the run is aborted [ns]."""
    refusals: int = 10
    """So many chunks refused in a row end the run."""
    committed_steps: int = 0
    """First steps of a chunk that repeat the chunk under way, for the controller's committed_prefix. They last as long as a
    decision and the planning after it have to; 0: every chunk is the policy's from its first step."""
    settle_s: float = 0.3
    """After the last chunk: longest wait for the controller's closing reports [s]."""
    words: Words = Words.ANY
    """Which instructions begin a run."""
    still_ns: int = STILL_NS
    """Longest wall time without a new image, whatever the node's clock says [ns]."""

    def pacing(self, card: InterfaceCard) -> Pacing:
        """For a run under this card. Raises ValueError for steps that do not fit its horizon."""
        period_ns = replan_ns(card, self.replan_steps)
        check_committed_steps(card, self.committed_steps, self.replan_steps)
        return Pacing(
            period_ns, grace_ns=self.grace_ns, refusals=self.refusals, still_ns=self.still_ns, camera=card.cameras[0].name
        )


@dataclass(frozen=True)
class SessionState:
    """What to tell the outside."""

    state: PolicyState
    input: str = ""
    message: str = ""


def understood(meaning: Meaning | None) -> str:
    """What a run's instruction was understood as, in words."""
    if meaning is None:
        return "no sentence of the card: what the policy makes of it is open"
    sure = "" if meaning.sure == 1.0 else f", {meaning.sure:.2f} of 1 sure"
    return f"understood as {meaning.task}, '{meaning.sentence}'{sure}"


class PolicySession:
    """Binds a policy, an assembler and a card. ``run`` blocks; everything else may be called from other threads."""

    def __init__(
        self, card: InterfaceCard, policy: Policy, assembler: ObservationAssembler, clock_ns: Callable[[], int],
        publish: Callable[[ActionChunk], None], on_state: Callable[[SessionState], None] = lambda state: None,
        config: SessionConfig = SessionConfig(), nearest: Nearest | None = None,
    ) -> None:  # fmt: skip
        """nearest: finds the card's sentence that comes nearest to another one; None: only the card's own are understood."""
        self._pacing = config.pacing(card)
        self._card, self._policy, self._assembler = card, policy, assembler
        self._clock_ns, self._publish, self._on_state, self._config = clock_ns, publish, on_state, config
        self._nearest, self._known = nearest, meanings(card)
        self._lock = threading.Lock()
        self._stop = threading.Event()
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
                self.record.on_truth(truth, self._known.get(normalised(truth.instruction)))

    def cancel(self, error: RunError = RunError.CANCELED, why: str = "") -> None:
        """Ends the run under way at its next look. why: in words, for its result."""
        with self._lock:
            if self.record and not self.record.ended:
                self.record.cancelled, self.record.cancelled_why = error, why
        self._stop.set()

    def begin(self, request: RunRequest) -> RunRecord:
        """Makes the record of a new run.

        Raises:
            ValueError: Empty words, those that mean to stop, or that ``words`` does not allow; a negative limit; a sentence
                that the policy cannot take in whole.
        """
        meaning = understand(self._card, request.instruction, self._config.words, self._nearest)
        check = getattr(self._policy, "check_instruction", None)
        if check is not None:
            check(request.instruction)
        if request.time_limit_ns < 0:
            raise ValueError(f"time_limit is {request.time_limit_ns / 1e9:g} s, allowed is 0 (the card's) or more")
        tasks = self._card.tasks if meaning is None else [self._card.task(meaning.task)]
        limit = request.time_limit_ns or max(seconds_to_ns(task.time_limit) for task in tasks)
        self._stop.clear()
        with self._lock:
            self.record = RunRecord(request, self._clock_ns(), limit, meaning=meaning)
        return self.record

    def run(self, record: RunRecord) -> RunRecord:
        """From ``begin``'s record to its end. The last chunk is always a brake."""
        try:
            self._policy.reset()
            end = self._paced(record)
        except (PolicyError, PreprocessError) as error:
            end = End(RunError.POLICY_FAILED, str(error))
        except Exception as error:  # whatever happens in a model: brake first, then say so
            end = End(RunError.POLICY_FAILED, f"{type(error).__name__}: {error}")
        self._finish(record, end)
        failed = end.error == RunError.POLICY_FAILED
        self._tell(SessionState(PolicyState.ERROR if failed else PolicyState.IDLE, "", end.message if failed else ""))
        return record

    def _paced(self, record: RunRecord) -> End:
        """Does what the pacer says until it says that the run is over."""
        pace = Pace(self._pacing, record)
        running = SessionState(PolicyState.RUNNING, "", understood(record.meaning))
        self._tell(running)
        while True:
            newest_ns, now_ns = self._assembler.newest_ns(), self._clock_ns()
            seen = self._look(record, now_ns)
            with self._lock:
                step = pace.step(now_ns, newest_ns, seen, time.monotonic_ns())
            match step:
                case Decide(observation):
                    self._tell(running)
                    chunk = self._decide(record, observation, now_ns)
                    with self._lock:
                        end = pace.ending(self._clock_ns())
                    if end:  # while the model was busy: this chunk comes too late, the brake has its number
                        return end
                    record.next_sequence()
                    self._send(record, chunk)
                case Wait(None):
                    self._tell(running)
                    self._assembler.wait(newest_ns, POLL_S)
                case Brake(error):
                    self._brake(record, now_ns)
                    self._tell_unfit(error)
                case Wait(error):
                    self._tell_unfit(error)
                    self._stop.wait(POLL_S)
                case End():
                    return step

    def _look(self, record: RunRecord, now_ns: int) -> VLAObservation | ObservationError:
        try:
            return self._assembler.assemble(now_ns, record.request.instruction)
        except ObservationError as error:
            return error

    def _decide(self, record: RunRecord, observation: VLAObservation, now_ns: int) -> ActionChunk:
        receipt = self._assembler.receipt_steady_ns(observation.stamp_ns)
        with self._lock:
            ask = ask_for(self._card, record, observation, self._config.committed_steps)
        chunk = decide(
            self._policy, self._card, observation, record.run_id, record.sequence, self._clock_ns, receipt, ask
        )  # fmt: skip
        record.observation_age_ns = now_ns - observation.stamp_ns
        record.observation_skew_ns = observation_skew_ns(observation)
        record.last_inference_ns = chunk.inference_end_steady_ns - chunk.inference_start_steady_ns
        record.longest_inference_ns = max(record.longest_inference_ns, record.last_inference_ns)
        return chunk

    def _finish(self, record: RunRecord, end: End) -> None:
        now_ns = self._clock_ns()
        self._brake(record, now_ns)
        for _ in range(int(self._config.settle_s / POLL_S)):
            if not record.open_chunks or not record.reports:
                break
            threading.Event().wait(POLL_S)
        with self._lock:
            record.end(now_ns, end.error, end.message, end.timed_out)

    def _brake(self, record: RunRecord, now_ns: int) -> None:
        self._send(record, brake_chunk(self._card, record.run_id, record.next_sequence(), now_ns))

    def _send(self, record: RunRecord, chunk: ActionChunk) -> None:
        with self._lock:
            record.on_published(self._clock_ns())
        self._publish(chunk)

    def _tell_unfit(self, error: ObservationError) -> None:
        self._tell(SessionState(STATE_OF[error.kind], error.field, error.message))

    def _tell(self, state: SessionState) -> None:
        changed = (state.state, state.input) != (self.state.state, self.state.input)
        self.state = state
        if changed:  # new numbers in the message alone are no news
            self._on_state(state)
