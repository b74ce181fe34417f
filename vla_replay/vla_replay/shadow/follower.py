"""A second policy that answers the observations of the commanding one, and never commands. No ROS."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.chunk import ActionChunk
from vla_contract.observation import VLAObservation
from vla_evidence.figures.replay import ComparisonFigures
from vla_policy.errors import ObservationError, ObservationKind, PolicyError, PreprocessError
from vla_policy.observing.assembler import ObservationAssembler
from vla_policy.policy import Policy
from vla_policy.running.chunks import arm_positions, decide
from vla_policy.running.pace import Decide, End, Pace, Pacing
from vla_replay.offline.compare import Comparison

PATIENCE = Pacing(replan_ns=0, grace_ns=200_000_000)
"""A chunk that came before its frames or its instruction waits so long for them."""
POLL_S = 0.005
_INSTRUCTION = "instruction"


@dataclass
class ShadowCounts:
    """Chunks of the commanding policy, and what became of each.

    heard: of them with steps; brakes are not asked for. answered: the shadow decided from the same observation. skipped:
    the shadow was still busy when the next one came. absent: by camera, state topic or "instruction", what had not arrived
    here; the state also where a joint state was lost, so that the interpolated positions are not those of the chunk.
    foreign: of another card than the shadow's. failed: the shadow's model gave none.
    """

    heard: int = 0
    answered: int = 0
    skipped: int = 0
    absent: dict[str, int] = field(default_factory=dict)
    foreign: int = 0
    failed: int = 0

    @property
    def answered_share(self) -> float:
        """Of the chunks heard; 1 where there was none."""
        return self.answered / self.heard if self.heard else 1.0


@dataclass
class _Run:
    run_id: str
    counts: ShadowCounts
    comparison: Comparison


@dataclass(frozen=True, eq=False)
class _Asked:
    """A chunk of the commanding policy. Its observation is due at once, and waited for as long as unfit input is borne."""

    chunk: ActionChunk
    run: _Run
    pace: Pace


class ShadowFollower:
    """``on_chunk`` and ``on_run`` feed it from one thread, ``serve`` works in another.

    Each chunk of the commanding policy names the stamps that it was decided from; the shadow decides from exactly these. Where
    it is slower it takes the newest chunk and counts the others as skipped: it never holds anything up.

    Args:
        card: The interface card of the graph.
        policy: The shadow.
        assembler: Fed with the cameras and joint states of the graph.
        clock_ns: The node's clock [ns].
        publish: Takes the shadow's chunks; each has run and sequence of the one that it answers.
        steady_ns: The clock of the patience with input that has not come yet [ns].
    """

    def __init__(
        self, card: InterfaceCard, policy: Policy, assembler: ObservationAssembler, clock_ns: Callable[[], int],
        publish: Callable[[ActionChunk], None], steady_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:  # fmt: skip
        self._steady_ns = steady_ns
        self._card, self._policy, self._assembler = card, policy, assembler
        self._clock_ns, self._publish = clock_ns, publish
        self._condition = threading.Condition()
        self._asked: _Asked | None = None
        self._instructions: dict[str, str] = {}
        self._run = _Run("", ShadowCounts(), Comparison(card))
        self._serving = False
        self._answered_run = ""
        self.inference_ms = math.nan
        """Of the newest answer [ms]."""
        self.failure = ""
        """Of the model or the cards, the newest, in words."""

    def on_run(self, run_id: str, instruction: str) -> None:
        """What the commanding policy says that it does; empty: nothing."""
        if run_id and instruction:
            with self._condition:
                self._instructions = {run_id: instruction}
                self._condition.notify_all()

    def on_chunk(self, chunk: ActionChunk) -> None:
        """A chunk of the commanding policy."""
        if not chunk.horizon:
            return
        with self._condition:
            if chunk.run_id != self._run.run_id:
                self._run = _Run(chunk.run_id, ShadowCounts(), Comparison(self._card))
                self._asked = None
            counts = self._run.counts
            counts.heard += 1
            if chunk.card_hash != self._card.card_hash:
                counts.foreign += 1
                self.failure = f"the commanding policy's card is {chunk.card_hash[:12]}, this one's {self._card.card_hash[:12]}"
                return
            counts.skipped += self._asked is not None
            self._asked = _Asked(chunk, self._run, Pace(PATIENCE))
            self._condition.notify_all()

    def serve(self, timeout_s: float) -> bool:
        """Answers the newest chunk, waiting for one at most ``timeout_s`` [s]. False where nothing was asked."""
        with self._condition:
            if not self._condition.wait_for(lambda: self._asked is not None, timeout_s):
                return False
            asked, self._asked, self._serving = self._asked, None, True
        try:
            while not self._went_on(asked):
                with self._condition:
                    self._condition.wait(POLL_S)
        finally:
            self._serving = False
        return True

    @property
    def idle(self) -> bool:
        """Nothing is asked and nothing is being answered: the figures of the newest run will not change by themselves."""
        with self._condition:
            return self._asked is None and not self._serving

    def counts(self) -> tuple[str, ShadowCounts]:
        """Of the newest run: its id ("": none yet) and what became of its chunks."""
        with self._condition:
            counts = self._run.counts
            return self._run.run_id, replace(counts, absent=dict(counts.absent))

    def divergence(self) -> ComparisonFigures:
        """Of the newest run, as in `vla replay`: commanding policy first, shadow second."""
        with self._condition:
            return self._run.comparison.figures()

    def _went_on(self, asked: _Asked) -> bool:
        """One tick of the chunk's pacer: answered, given up, or False where its input may still come."""
        absent, seen = self._look(asked.chunk)
        step = asked.pace.step(self._steady_ns(), asked.chunk.stamp_ns, seen)
        if isinstance(step, Decide):
            self._answer(asked, step.observation)
            return True
        with self._condition:
            newer = self._asked is not None
        if newer or isinstance(step, End):
            self._count_absent(asked, absent)
            return True
        return False

    def _look(self, chunk: ActionChunk) -> tuple[list[str], VLAObservation | ObservationError]:
        """All that is absent of what the chunk was decided from, and the observation or why there is none."""
        stamps = dict(zip(self._card.camera_names, chunk.image_stamps_ns, strict=False))
        absent = [what for what, _ in self._assembler.absent(stamps, chunk.state_stamp_ns)]
        with self._condition:
            instruction = self._instructions.get(chunk.run_id, "")
        if not instruction:
            absent.append(_INSTRUCTION)
        if absent:
            return absent, ObservationError(ObservationKind.MISSING, absent[0], "has not arrived here")
        try:
            return [], self._assembler.assemble_at(stamps, chunk.state_stamp_ns, instruction)
        except ObservationError as error:  # it was there a moment ago, and is no longer kept
            return [error.field], error

    def _answer(self, asked: _Asked, observation: VLAObservation) -> None:
        chunk = asked.chunk
        if self._answered_run != chunk.run_id:
            self._answered_run = chunk.run_id
            self._policy.reset()
        if not _same_state(self._card, chunk, observation):
            return self._count_absent(asked, [self._card.state.topic])
        try:
            answer = decide(self._policy, self._card, observation, chunk.run_id, chunk.sequence, self._clock_ns)
        except Exception as error:  # whatever happens in a model: the shadow goes on with the next chunk
            known = isinstance(error, (PolicyError, PreprocessError))
            with self._condition:
                asked.run.counts.failed += 1
                self.failure = str(error) if known else f"{type(error).__name__}: {error}"
            return None
        self._publish(answer)
        with self._condition:
            self.inference_ms = (answer.inference_end_steady_ns - answer.inference_start_steady_ns) * 1e-6
            asked.run.counts.answered += 1
            asked.run.comparison.add(chunk, answer)
        return None

    def _count_absent(self, asked: _Asked, absent: list[str]) -> None:
        with self._condition:
            counts = asked.run.counts.absent
            for what in absent:
                counts[what] = counts.get(what, 0) + 1


def _same_state(card: InterfaceCard, chunk: ActionChunk, observation: VLAObservation) -> bool:
    """To the bit. True also where the chunk does not tell what was observed."""
    told = np.asarray(chunk.reference_positions)
    here = arm_positions(card, observation)
    return not len(told) or bool(np.array_equal(told, here))
