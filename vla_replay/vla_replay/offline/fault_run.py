"""Policies on a faulty stream: at each instant at which the recorded policy began to infer, through the live assembler."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from vla_contract.card import InterfaceCard
from vla_contract.chunk import ActionChunk
from vla_contract.observation import VLAObservation
from vla_contract.ros.streams import Frame, feed_frame, feed_joint_state
from vla_evidence.figures.replay import FaultFigures
from vla_policy.errors import ObservationError
from vla_policy.observing.assembler import ObservationAssembler
from vla_policy.running.chunks import brake_chunk
from vla_policy.running.pace import Brake, Decide, Pace, Pacing
from vla_replay.offline.compare import Comparison
from vla_replay.offline.delay import DelayQueue
from vla_replay.offline.faults import FaultyStream
from vla_replay.offline.track import Track

KNOWN_NS = 1_500_000_000
"""A decision is known when its chunk comes; the stream waits so long for it [ns]."""
USUAL_AGE_NS = 30_000_000
"""Of an observation at inference, where a chunk does not say when its inference began [ns]."""
FOLLOWING = Pacing(replan_ns=0, grace_ns=None)
"""The recorded run says when to look, and when it ends: each look at a newer observation is a decision, as it was then."""


@dataclass(frozen=True)
class _Asked:
    """A recorded chunk, when it reached the controller [ns], and its run's words."""

    chunk: ActionChunk
    arrival_ns: int
    instruction: str | None


class FaultRun:
    """Feeds the assembler from a faulty stream, and lets the policies decide where the pacer says so.

    Attributes:
        refused: Observations that the assembler refused, by kind. decisions: How often one was asked for.
        repeated: Decisions left out, because no newer observation had come.
        late: Decisions that came to be known after later input had been given to the assembler.
    """

    def __init__(
        self, card: InterfaceCard, stream: FaultyStream, tracks: Sequence[Track], between: Comparison | None
    ) -> None:
        self._card, self.stream, self._tracks, self._between = card, stream, list(tracks), between
        self._assembler = ObservationAssembler(card)
        self._waiting: DelayQueue[_Asked] = DelayQueue()
        self._fed_ns = 0
        self._pace, self._paced_run = Pace(FOLLOWING), ""
        self._sequence: Counter[str] = Counter()
        self.decisions = self.repeated = self.late = self.no_instruction = 0
        self.refused: Counter[str] = Counter()
        self.fields: Counter[str] = Counter()

    def ask(self, chunk: ActionChunk, arrival_ns: int, instruction: str | None) -> None:
        """A recorded chunk: the policies decide when it was decided, and their chunks take as long to arrive."""
        at_ns = chunk.inference_start_ns or chunk.stamp_ns + USUAL_AGE_NS
        if not chunk.horizon:
            at_ns = arrival_ns
        self.late += at_ns < self._fed_ns
        self._waiting.put(at_ns, _Asked(chunk, arrival_ns, instruction))

    def advance(self, until_ns: int) -> None:
        """Everything up to until_ns, in order."""
        for at_ns, asked in self._waiting.due(until_ns):
            self._take(at_ns, asked)
        self._feed(until_ns)

    def end_time(self) -> None:
        """The clock was set back, or the recording is over. The decisions that wait are made, from what had arrived by then;
        what is still on its way reaches nobody."""
        for at_ns, asked in self._waiting.end():
            self._take(at_ns, asked)
        for _ in self.stream.end():
            pass
        self._assembler.reset()
        self._fed_ns = 0

    def figures(self) -> FaultFigures:
        """Of all decisions so far."""
        return FaultFigures(
            done=dict(self.stream.counts), decisions=self.decisions, refused=dict(self.refused),
            refused_inputs=dict(self.fields), repeated=self.repeated, late=self.late, no_instruction=self.no_instruction,
            refused_share=sum(self.refused.values()) / self.decisions if self.decisions else None,
        )  # fmt: skip

    def _feed(self, until_ns: int) -> None:
        for _, item in self.stream.due(until_ns):
            if isinstance(item, Frame):
                feed_frame(self._assembler, item)
            else:
                feed_joint_state(self._assembler, item)
        self._fed_ns = max(self._fed_ns, until_ns)

    def _take(self, now_ns: int, asked: _Asked) -> None:
        self._feed(now_ns)
        run_id = asked.chunk.run_id
        if not asked.chunk.horizon:
            return self._brake(run_id, asked.arrival_ns)
        self.decisions += 1
        seen = self._look(now_ns, asked.instruction or "")
        step = self._pace_of(run_id).step(now_ns, self._assembler.newest_ns(), seen)
        if isinstance(step, Decide):
            return self._decide(step.observation, asked)
        if isinstance(step, Brake):
            return self._brake(run_id, now_ns)
        self.repeated += not isinstance(seen, ObservationError)
        return None

    def _look(self, now_ns: int, instruction: str) -> VLAObservation | ObservationError:
        try:
            return self._assembler.assemble(now_ns, instruction)
        except ObservationError as error:
            self.refused[error.kind.value] += 1
            self.fields[error.field] += 1
            return error

    def _pace_of(self, run_id: str) -> Pace:
        """Each run begins with a pacer of its own, as it does live."""
        if run_id != self._paced_run:
            self._pace, self._paced_run = Pace(FOLLOWING), run_id
        return self._pace

    def _decide(self, observation: VLAObservation, asked: _Asked) -> None:
        if asked.instruction is None:
            self.no_instruction += 1
            return
        chunk, arrival_ns = asked.chunk, asked.arrival_ns
        sequence = self._next(chunk.run_id)
        chunks = [t.decide(observation, chunk.run_id, sequence, arrival_ns, chunk) for t in self._tracks]
        if self._between is not None and len(chunks) > 1 and None not in chunks:
            self._between.add(chunks[0], chunks[1])

    def _brake(self, run_id: str, arrival_ns: int) -> None:
        brake = brake_chunk(self._card, run_id, self._next(run_id), arrival_ns)
        for track in self._tracks:
            track.brake(arrival_ns, brake)

    def _next(self, run_id: str) -> int:
        self._sequence[run_id] += 1
        return self._sequence[run_id] - 1
