"""What the recording itself shows: its chunks, what the controller makes of them once more, and what the arm did."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.chunk import ActionChunk
from vla_contract.report import ChunkReport, Phase
from vla_evidence.figures.replay import AgreementFigures, RecordedFigures
from vla_motion.model import RobotModel
from vla_replay.offline.compare import Comparison, Jumps
from vla_replay.offline.controller_run import ControllerRun, outcome
from vla_replay.offline.delay import DelayQueue
from vla_replay.offline.divergence import columns_of
from vla_replay.offline.executed import JointHistory, executed_steps
from vla_replay.offline.spread import Spread
from vla_replay.offline.track import KEPT_CHUNKS, remember

CLOSING_NS = 400_000_000
"""So long after a CLOSED report the controller here has closed the same chunk, and the joint states have come [ns]."""

Executed = Callable[[ActionChunk, np.ndarray, np.ndarray], None]


class Recorded:
    """Takes chunks, reports and joint states of a bag.

    Args:
        models: Kinematics of the arms; empty: controller and executed motion are left out.
        on_executed: Called with a recorded chunk, the steps (N,) of it that were executed, and what the arm did in them (N, D).

    Attributes:
        executed: The chunks against what the arm did.
    """

    def __init__(self, card: InterfaceCard, models: Sequence[RobotModel], on_executed: Executed) -> None:
        self._card, self._models, self._on_executed = card, list(models), on_executed
        self.controller = ControllerRun(card, models, ideal=False) if models else None
        self.jumps, self.executed, self.inference_ms = Jumps(), Comparison(card), Spread()
        self._history = JointHistory(card)
        self._chunks: OrderedDict[tuple[str, int], ActionChunk] = OrderedDict()
        self._scheduled: OrderedDict[tuple[str, int], ChunkReport] = OrderedDict()
        self._closed: DelayQueue[ChunkReport] = DelayQueue()
        self._outcomes: dict[tuple[str, int], tuple[str, int, int]] = {}
        self.agreement = AgreementFigures(chunks=0, equal=0, clamped_recorded=0, clamped_here=0, executed_recorded=0)

    def on_state(self, now_ns: int, stamp_ns: int, message) -> None:
        """A sensor_msgs/JointState, at its time of receipt."""
        self._history.add(stamp_ns, message.name, message.position)
        if self.controller is not None:
            self.controller.on_state(now_ns, stamp_ns, message.name, message.position, message.velocity)

    def on_report(self, now_ns: int, report: ChunkReport) -> None:
        """A report of the recorded controller."""
        if report.phase is Phase.SCHEDULED:
            remember(self._scheduled, (report.run_id, report.sequence), report)
        else:
            self._closed.put(now_ns + CLOSING_NS, report)

    def on_chunk(self, received_ns: int, chunk: ActionChunk) -> int:
        """A recorded chunk, some time after it came. Returns when it reached the controller, by its report if there is one."""
        key = chunk.run_id, chunk.sequence
        remember(self._chunks, key, chunk)
        report = self._scheduled.get(key)
        arrival_ns = report.stamp_ns if report is not None else received_ns
        self.jumps.add(chunk)
        if chunk.horizon and chunk.inference_end_steady_ns:
            self.inference_ms.add((chunk.inference_end_steady_ns - chunk.inference_start_steady_ns) * 1e-6)
        if self.controller is not None:
            self.controller.on_chunk(arrival_ns, chunk)
        return arrival_ns

    def advance(self, now_ns: int) -> None:
        """Compares the chunks whose reports have waited long enough."""
        for _, report in self._closed.due(now_ns):
            self._close(report)

    def answered_by(self, shadow: ActionChunk) -> ActionChunk | None:
        """The chunk that a shadow's one answers; for one of another origin, that of the nearest observation."""
        answered = self._chunks.get((shadow.run_id, shadow.sequence))
        if answered is None or not answered.horizon:
            near = [chunk for chunk in self._chunks.values() if chunk.horizon]
            answered = min(near, key=lambda chunk: abs(chunk.stamp_ns - shadow.stamp_ns), default=None)
        return answered

    def end_time(self) -> None:
        """The clock was set back, or the recording is over; the controller has ended already. Reports that still wait are of
        the time before: their stamps mean nothing to another clock."""
        for _, report in self._closed.end():
            self._close(report)
        self._compare_outcomes()
        self._history.clear()

    def figures(self) -> RecordedFigures:
        """Of the chunks so far."""
        run = self.controller
        return RecordedFigures(
            jumps=self.jumps.figures(), against_executed=self.executed.figures(), latency_ms=self.inference_ms.figures(),
            controller=run.figures() if run else None, controller_agreement=self.agreement if run else None,
        )  # fmt: skip

    def _close(self, report: ChunkReport) -> None:
        key = report.run_id, report.sequence
        chunk, scheduled = self._chunks.get(key), self._scheduled.get(key)
        if chunk is None or not chunk.horizon:
            return
        self._outcomes[key] = outcome(report)
        self._compare_outcomes()
        if scheduled is None or not self._models:
            return
        done = executed_steps(self._card, self._models, self._history, chunk, scheduled, report)
        if done is None:
            return
        steps, rows = done
        self.executed.add_rows(rows, chunk.actions[steps], columns_of(chunk), grippers=False)
        self._on_executed(chunk, steps, rows)

    def _compare_outcomes(self) -> None:
        if self.controller is None:
            return
        ours = self.controller.closed
        for key in [key for key in self._outcomes if key in ours]:
            theirs, mine = self._outcomes.pop(key), ours.pop(key)
            agree = self.agreement
            self.agreement = AgreementFigures(
                chunks=agree.chunks + 1,
                equal=agree.equal + (theirs == mine),
                clamped_recorded=agree.clamped_recorded + theirs[2],
                clamped_here=agree.clamped_here + mine[2],
                executed_recorded=agree.executed_recorded + theirs[1],
            )
        for memory in (ours, self._outcomes):  # what only one side closed
            while len(memory) > KEPT_CHUNKS:
                del memory[next(iter(memory))]
