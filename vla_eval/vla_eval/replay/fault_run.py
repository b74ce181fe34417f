"""Policies on a faulty stream: at each instant at which the recorded policy began to infer, through the live assembler."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence

from vla_contract.card import InterfaceCard
from vla_contract.chunk import ActionChunk
from vla_eval.replay.compare import Comparison
from vla_eval.replay.faults import FaultyStream
from vla_eval.replay.track import Track
from vla_policy_node.assembler import ObservationAssembler
from vla_policy_node.chunks import brake_chunk
from vla_policy_node.errors import ObservationError
from vla_policy_node.ros_inputs import Frame, feed_frame, feed_joint_state

HOLD_NS = 1_500_000_000
"""A decision is known when its chunk comes; the stream waits so long for it [ns]."""
USUAL_AGE_NS = 30_000_000
"""Of an observation at inference, where a chunk does not say when its inference began [ns]."""


class FaultRun:
    """Feeds the assembler from a faulty stream and lets the policies decide.

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
        self._waiting: list[tuple[int, int, int, ActionChunk, str | None]] = []
        self._number = 0
        self._fed_ns = 0
        self._decided_ns = 0
        self._unfit = False
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
        self._number += 1
        heapq.heappush(self._waiting, (at_ns, self._number, arrival_ns, chunk, instruction))

    def advance(self, until_ns: int) -> None:
        """Everything up to until_ns, in order."""
        while self._waiting and self._waiting[0][0] <= until_ns:
            at_ns, _, arrival_ns, chunk, instruction = heapq.heappop(self._waiting)
            self._feed(at_ns)
            self._decide(at_ns, arrival_ns, chunk, instruction)
        self._feed(until_ns)

    def clock_set_back(self) -> None:
        """What is on its way is of the time before."""
        self.advance(max([self._fed_ns, *(at_ns for at_ns, *_ in self._waiting)]))
        self.stream.clear()
        self._assembler.reset()
        self._fed_ns = self._decided_ns = 0

    def as_dict(self) -> dict:
        """Ready for JSON."""
        return {
            "done": dict(self.stream.counts), "decisions": self.decisions, "refused": dict(self.refused),
            "refused_inputs": dict(self.fields), "repeated": self.repeated, "late": self.late,
            "no_instruction": self.no_instruction,
            "refused_share": sum(self.refused.values()) / self.decisions if self.decisions else None,
        }  # fmt: skip

    def _feed(self, until_ns: int) -> None:
        for _, item in self.stream.due(until_ns):
            if isinstance(item, Frame):
                feed_frame(self._assembler, item)
            else:
                feed_joint_state(self._assembler, item)
        self._fed_ns = max(self._fed_ns, until_ns)

    def _decide(self, now_ns: int, arrival_ns: int, chunk: ActionChunk, instruction: str | None) -> None:
        if not chunk.horizon:
            return self._brake(chunk.run_id, arrival_ns)
        self.decisions += 1
        try:
            observation = self._assembler.assemble(now_ns, instruction or "")
        except ObservationError as error:
            self.refused[error.kind.value] += 1
            self.fields[error.field] += 1
            if not self._unfit:
                self._brake(chunk.run_id, now_ns)
            self._unfit = True
            return None
        self._unfit = False
        if observation.stamp_ns == self._decided_ns:
            self.repeated += 1
            return None
        self._decided_ns = observation.stamp_ns
        if instruction is None:
            self.no_instruction += 1
            return None
        sequence = self._next(chunk.run_id)
        chunks = [t.decide(observation, chunk.run_id, sequence, arrival_ns, chunk) for t in self._tracks]
        if self._between is not None and len(chunks) > 1 and None not in chunks:
            self._between.add(chunks[0], chunks[1])
        return None

    def _brake(self, run_id: str, arrival_ns: int) -> None:
        brake = brake_chunk(self._card, run_id, self._next(run_id), arrival_ns)
        for track in self._tracks:
            track.brake(arrival_ns, brake)

    def _next(self, run_id: str) -> int:
        self._sequence[run_id] += 1
        return self._sequence[run_id] - 1
