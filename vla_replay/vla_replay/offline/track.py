"""One policy on the way through a bag: inference, open-loop error, what the controller makes of it."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.chunk import ActionChunk
from vla_contract.observation import VLAObservation
from vla_evidence.figures.replay import PolicyFigures
from vla_motion.model import RobotModel
from vla_policy.errors import PolicyError, PreprocessError
from vla_policy.policy import Policy
from vla_policy.running.chunks import decide
from vla_replay.offline.compare import Comparison, Jumps
from vla_replay.offline.controller_run import LATEST_NS, ControllerRun
from vla_replay.offline.divergence import columns_of
from vla_replay.offline.spread import Spread

KEPT_CHUNKS = 64


def remember(memory: OrderedDict, key: tuple[str, int], value: object) -> None:
    """Keeps the newest KEPT_CHUNKS."""
    memory[key] = value
    while len(memory) > KEPT_CHUNKS:
        memory.popitem(last=False)


class Track:
    """Keeps what one policy does on each observation.

    Args:
        name: In the report.
        models: Kinematics of the arms; empty: no controller is run.
        later_ns: How much later than joint states chunks are handed in [ns].

    Attributes:
        error: Against the recorded chunks. executed: Against what the arm did.
    """

    def __init__(
        self, name: str, policy: Policy, card: InterfaceCard, models: Sequence[RobotModel], later_ns: int = 0
    ) -> None:
        self.name, self.policy, self._card = name, policy, card
        self.error, self.executed, self.jumps = Comparison(card), Comparison(card), Jumps()
        self.latency_ms = Spread()
        self.failed: Counter[str] = Counter()
        self.controller = (
            ControllerRun(card, models, ideal=True, latest_ns=LATEST_NS + later_ns) if models else None
        )
        self._run_id: str | None = None
        self._chunks: OrderedDict[tuple[str, int], ActionChunk] = OrderedDict()
        self._undecided: OrderedDict[tuple[str, int], tuple[np.ndarray, np.ndarray]] = OrderedDict()

    def begin_run(self, run_id: str) -> None:
        """Resets the policy where a run begins, as the live session does."""
        if run_id != self._run_id:
            self._run_id = run_id
            self.policy.reset()

    def decide(
        self, observation: VLAObservation, run_id: str, sequence: int, arrival_ns: int, recorded: ActionChunk
    ) -> ActionChunk | None:
        """One inference; None where the policy failed, which is counted by its words."""
        self.begin_run(run_id)
        try:
            chunk = decide(self.policy, self._card, observation, run_id, sequence, lambda: observation.stamp_ns)
        except (PolicyError, PreprocessError) as error:
            self.failed[str(error)] += 1
            return None
        self.latency_ms.add((chunk.inference_end_steady_ns - chunk.inference_start_steady_ns) * 1e-6)
        self.error.add(recorded, chunk)
        self.jumps.add(chunk)
        key = recorded.run_id, recorded.sequence
        remember(self._chunks, key, chunk)
        if key in self._undecided:
            self._compare_executed(recorded, chunk, *self._undecided.pop(key))
        if self.controller is not None:
            self.controller.on_chunk(arrival_ns, chunk)
        return chunk

    def brake(self, arrival_ns: int, chunk: ActionChunk) -> None:
        """A chunk of horizon 0."""
        self.begin_run(chunk.run_id)
        self.jumps.add(chunk)
        if self.controller is not None:
            self.controller.on_chunk(arrival_ns, chunk)

    def on_executed(self, recorded: ActionChunk, steps: np.ndarray, rows: np.ndarray) -> None:
        """What the arm did (N, D) in these steps (N,) of a recorded chunk.

        With a fault this policy decides later than that, as the stream waits, and from an older observation.
        """
        key = recorded.run_id, recorded.sequence
        if key in self._chunks:
            self._compare_executed(recorded, self._chunks[key], steps, rows)
        else:
            remember(self._undecided, key, (steps, rows))

    def _compare_executed(self, recorded: ActionChunk, chunk: ActionChunk, steps: np.ndarray, rows: np.ndarray) -> None:
        """At equal due times; what one of the two does not reach is left out."""
        mine = steps + round((recorded.stamp_ns - chunk.stamp_ns) / max(chunk.step_period_ns, 1))
        both = (mine >= 0) & (mine < chunk.horizon)
        if both.any():
            motion = not chunk.action_space.is_relative or np.array_equal(recorded.reference_positions, chunk.reference_positions)
            self.executed.add_rows(rows[both], chunk.actions[mine[both]], columns_of(chunk), motion=motion, grippers=False)

    def figures(self) -> PolicyFigures:
        """Of all decisions so far."""
        info = self.policy.info
        return PolicyFigures(
            policy=info.policy, head=info.head, checkpoint=info.checkpoint, checkpoint_hash=info.checkpoint_hash,
            against_recorded=self.error.figures(), against_executed=self.executed.figures(), jumps=self.jumps.figures(),
            latency_ms=self.latency_ms.figures(), failed=dict(self.failed),
            controller=self.controller.figures() if self.controller else None,
        )  # fmt: skip
