"""The real controller offline: chunks and joint states in virtual time, what it clamps, refuses and commands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.chunk import ActionChunk
from vla_contract.report import ChunkReport, Phase, Verdict
from vla_contract.state_history import StateHistory
from vla_controller.controller import ChunkController, Output
from vla_evidence.figures.replay import ControllerFigures
from vla_motion.model import RobotModel
from vla_replay.offline.curve import ArmCurve
from vla_replay.offline.delay import DelayQueue

TICK_NS = 10_000_000
_STATE, _CHUNK = 0, 1
LATEST_NS = 400_000_000
"""So long events wait for others that happened before and were recorded later [ns]."""
SETTLE_NS = 3_000_000_000
"""After the last event the motion goes on to its end, at most so long [ns]."""


class ControllerRun:
    """Feeds a ChunkController and reads its reports and trajectories.

    Args:
        card, models: As for ChunkController.
        ideal: The arm follows every command without error, from where it was measured when its run began: for chunks that
            the recorded arm did not execute. Else the recorded joint states are given, as the controller saw them.
        latest_ns: How late a chunk may be handed in, after joint states of later times [ns].

    Attributes:
        closed: The last CLOSED reports by (run_id, sequence), as (verdict, steps executed, steps clamped).
    """

    def __init__(
        self, card: InterfaceCard, models: Sequence[RobotModel], *, ideal: bool, latest_ns: int = LATEST_NS
    ) -> None:
        self._card, self._models, self._ideal, self._latest_ns = card, list(models), ideal, latest_ns
        self._joints = [joint for arm in card.arms for joint in arm.joints]
        self._topics = {arm.trajectory_topic: i for i, arm in enumerate(card.arms)}
        self.curves = [ArmCurve(arm, model) for arm, model in zip(card.arms, self._models)]
        self._queue: DelayQueue[ActionChunk | tuple] = DelayQueue()
        self._now_ns: int | None = None
        self._newest_ns = 0
        self._measured = StateHistory.of_card(card, [f"{joint}.position" for joint in self._joints], kept=1)
        self._q: np.ndarray | None = None
        self._run_id = ""
        self._controller: ChunkController | None = None
        self.closed: dict[tuple[str, int], tuple[str, int, int]] = {}
        self.chunks = self.accepted = self.superseded = self.brakes = 0
        self.executed = self.clamped = self.skipped = 0
        self.limits: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def on_state(self, now_ns: int, stamp_ns: int, names, positions, velocities) -> None:
        """A recorded joint state, at its time of receipt."""
        self._put(now_ns, (stamp_ns, names, positions, velocities or None), _STATE)

    def on_chunk(self, arrival_ns: int, chunk: ActionChunk) -> None:
        """A chunk that reaches the controller at arrival_ns."""
        self._put(arrival_ns, chunk, _CHUNK)

    def finish(self) -> None:
        """Everything that waits, and the motion under way to its end."""
        self._hand_on(self._queue.end())
        if self._controller is not None and self._now_ns is not None:
            end_ns = self._now_ns + SETTLE_NS
            if self._ideal:
                self._tick_to(end_ns)
            else:  # joint states have ended: what is open is closed, and no staleness is invented
                self._take(self._controller.tick(self._now_ns + TICK_NS), self._now_ns + TICK_NS)
        for curve in self.curves:
            curve.finish()

    def clock_set_back(self) -> None:
        """The node's clock was set back: what waits is of the time before, and ends as at the end of a recording."""
        self.finish()
        self._controller, self._now_ns, self._newest_ns, self._q = None, None, 0, None
        self._measured.clear()

    def figures(self) -> ControllerFigures:
        """Of all runs so far."""
        curves = self.curves
        violations = sum((curve.violations for curve in curves), Counter())
        jerks = [curve.rms_jerk for curve in curves if curve.rms_jerk is not None]
        return ControllerFigures(
            arm="follows its commands" if self._ideal else "as recorded",
            chunks=self.chunks,
            accepted=self.accepted,
            superseded=self.superseded,
            brakes=self.brakes,
            refused=dict(self.refused),
            steps_executed=self.executed,
            steps_clamped=self.clamped,
            steps_skipped=self.skipped,
            clamped_share=self.clamped / self.executed if self.executed else None,
            clamped_by=dict(self.limits.most_common()),
            violations=sum(violations.values()),
            violations_by=dict(violations),
            worst_violation=next((curve.worst for curve in curves if curve.worst), ""),
            peaks={k: max(c.peaks.get(k, 0.0) for c in curves) for k in sorted({k for c in curves for k in c.peaks})},
            samples=sum(curve.samples for curve in curves),
            steps_unjudged=sum(curve.unjudged for curve in curves),
            rms_jerk=max(jerks, default=None),
        )

    def _put(self, now_ns: int, item: ActionChunk | tuple, rank: int) -> None:
        self._newest_ns = max(self._newest_ns, now_ns)
        self._queue.put(now_ns, item, rank)
        self._hand_on(self._queue.due(self._newest_ns - self._latest_ns))

    def _hand_on(self, events: Iterable[tuple[int, ActionChunk | tuple]]) -> None:
        for now_ns, item in events:
            if isinstance(item, ActionChunk):
                self._hear(now_ns, item)
            else:
                self._see(now_ns, *item)

    def _see(self, now_ns: int, stamp_ns: int, names, positions, velocities) -> None:
        self._measured.add(stamp_ns, names, positions)
        if self._ideal:
            self._tick_to(now_ns)
            return
        if self._controller is None:
            self._controller = ChunkController(self._card, self._models)
        self._tick_to(now_ns)
        self._controller.on_joint_state(stamp_ns, names, positions, velocities, now_ns)
        if not self._measured.missing():
            q, first = self._measured.newest(), 0
            for curve, arm in zip(self.curves, self._card.arms):
                curve.see(stamp_ns, q[first : first + len(arm.joints)])
                first += len(arm.joints)

    def _hear(self, now_ns: int, chunk: ActionChunk) -> None:
        if self._ideal and (self._controller is None or chunk.run_id != self._run_id):
            self._begin(now_ns)
        self._run_id = chunk.run_id
        if self._controller is None:
            return
        self._tick_to(now_ns)
        if chunk.horizon:
            self.chunks += 1
        else:
            self.brakes += 1
        self._take(self._controller.on_chunk(chunk, now_ns), now_ns)

    def _begin(self, now_ns: int) -> None:
        """A new run of the ideal arm, from where the recorded one stands."""
        if self._measured.missing():
            return
        for curve in self.curves:
            curve.finish()
        self._controller = ChunkController(self._card, self._models)
        self._q = self._measured.newest()
        for back in range(10, -1, -1):  # long enough at rest for the controller to believe it
            self._tell(now_ns - back * TICK_NS)
        self._now_ns = now_ns

    def _tell(self, now_ns: int) -> None:
        commanded = self._controller.commanded_at(now_ns)
        q, v = (self._q, np.zeros_like(self._q)) if commanded is None else commanded[:2]
        self._controller.on_joint_state(now_ns, self._joints, q, v, now_ns)

    def _tick_to(self, now_ns: int) -> None:
        if self._controller is None:
            return
        if self._now_ns is None:
            self._now_ns = now_ns
        while self._now_ns + TICK_NS <= now_ns:
            self._now_ns += TICK_NS
            if self._ideal:
                self._tell(self._now_ns)
            self._take(self._controller.tick(self._now_ns), self._now_ns)

    def _take(self, output: Output, now_ns: int) -> None:
        for trajectory in output.trajectories:
            arm = self._topics.get(trajectory.topic)
            if arm is not None:
                self.curves[arm].take(trajectory, now_ns)
        for report in output.reports:
            self._read(report)

    def _read(self, report: ChunkReport) -> None:
        if report.phase is Phase.SCHEDULED:
            return
        self.closed[report.run_id, report.sequence] = outcome(report)
        self.executed += report.steps_executed
        self.clamped += report.steps_clamped
        self.skipped += report.steps_skipped
        for limit in {(clamp.step, clamp.kind) for clamp in report.clamps}:
            self.limits[limit[1].name.lower()] += 1
        if report.steps_executed:
            self.accepted += 1
        elif report.verdict is Verdict.SUPERSEDED:
            self.superseded += 1
        elif report.verdict.is_refusal:
            self.refused[report.verdict.name] += 1


def outcome(report: ChunkReport) -> tuple[str, int, int]:
    """Verdict, steps executed, steps clamped of a CLOSED report."""
    return report.verdict.name, report.steps_executed, report.steps_clamped
