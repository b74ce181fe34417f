"""The books: every chunk received is reported SCHEDULED and, once, CLOSED.

A chunk that is refused gets both at once, SCHEDULED with the verdict and an empty plan. So does a brake (horizon 0).
A gap in the sequence gets CLOSED alone, with the verdict LOST; what arrives after that, SCHEDULED alone, with LATE.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vla_contract.chunk import ActionChunk
from vla_contract.report import ChunkReport, Clamp, Phase, Verdict
from vla_controller.planning.anchor import Schedule
from vla_controller.planning.chunk_plan import ChunkPlan

LEFT = "the trajectory controller had left it"
_NEVER = np.iinfo(np.int64).max


@dataclass
class Counts:
    """Since the controller started, as in ControllerStatus."""

    chunks_received: int = 0
    chunks_accepted: int = 0
    chunks_refused: int = 0
    chunks_lost: int = 0
    steps_executed: int = 0
    steps_skipped: int = 0
    steps_clamped: int = 0
    steps_superseded: int = 0
    trajectories_published: int = 0


@dataclass
class _Entry:
    chunk: ActionChunk
    schedule: Schedule
    clamps: tuple[Clamp, ...]
    planned_ns: int
    rest_ns: int
    received_steady_ns: int
    published_steady_ns: int = 0
    until_ns: int = _NEVER
    left_ns: int = _NEVER
    ended_by: str = ""

    @property
    def over_ns(self) -> int:
        """When it is closed: it was ended, its last step is due, or the arm has come to rest before that."""
        return min(self.until_ns, int(self.schedule.due_ns[-1]), self.rest_ns)


@dataclass
class ReportBook:
    """Open chunks in order of arrival, and the counts."""

    counts: Counts = field(default_factory=Counts)
    _open: list[_Entry] = field(default_factory=list)

    def accept(
        self,
        chunk: ActionChunk,
        schedule: Schedule,
        plan: ChunkPlan,
        commanded_minus_measured: np.ndarray,
        now_ns: int,
        received_steady_ns: int,
    ) -> ChunkReport:
        """Opens a chunk whose plan takes over at the schedule's splice; its SCHEDULED report."""
        self.end(schedule.splice_ns, f"superseded by sequence {chunk.sequence}")
        planned_ns, rest_ns = int(schedule.knots_ns[-1]), int(plan.times_ns[-1])
        self._open.append(_Entry(chunk, schedule, plan.clamps, planned_ns, rest_ns, received_steady_ns))
        self.counts.chunks_received += 1
        self.counts.chunks_accepted += 1
        return _report(
            chunk,
            Phase.SCHEDULED,
            Verdict.ACCEPTED,
            _remark(chunk, schedule),
            now_ns,
            planned_actions=plan.planned_actions,
            step_stamps_ns=schedule.due_ns,
            anchor=plan.anchor,
            commanded_minus_measured=commanded_minus_measured,
            steps_skipped=schedule.first,
            steps_clamped=len({clamp.step for clamp in plan.clamps}),
            clamps=plan.clamps,
            received_steady_ns=received_steady_ns,
        )

    def refuse(
        self, chunk: ActionChunk, verdict: Verdict, message: str, now_ns: int, received_steady_ns: int
    ) -> list[ChunkReport]:
        """SCHEDULED and CLOSED of a chunk that is not executed, or of a brake; of one that was told LOST, which is counted
        already, SCHEDULED alone."""
        if verdict is Verdict.LATE:
            return [_report(chunk, Phase.SCHEDULED, verdict, message, now_ns, received_steady_ns=received_steady_ns)]
        self.counts.chunks_received += 1
        if verdict.is_refusal:
            self.counts.chunks_refused += 1
        else:
            self.counts.chunks_accepted += 1
        return [
            _report(chunk, phase, verdict, message, now_ns, received_steady_ns=received_steady_ns)
            for phase in (Phase.SCHEDULED, Phase.CLOSED)
        ]

    def end(self, at_ns: int, by: str) -> None:
        """Open chunks rule the motion no longer than at_ns."""
        for entry in self._open:
            if at_ns < entry.until_ns:
                entry.until_ns, entry.ended_by = at_ns, by

    def left(self, word_ns: int) -> None:
        """Trajectory controllers have followed the open chunks up to word_ns, and not since. Should they come back to them, what
        was due meanwhile was not executed, and what follows is not counted either."""
        for entry in self._open:
            entry.left_ns = min(entry.left_ns, word_ns)

    def close(self, now_ns: int, word_ns: int | None = None) -> list[ChunkReport]:
        """CLOSED of the chunks that have ended by now.

        word_ns: up to when trajectory controllers are known to have followed them; None: nothing says that they do not.
        """
        ended = [e for e in self._open if now_ns >= e.over_ns]
        for entry in ended:
            entry.left_ns = min(entry.left_ns, _NEVER if word_ns is None else word_ns)
        self._open = [e for e in self._open if e not in ended]
        return [self._closed(entry, now_ns) for entry in ended]

    def close_all(self, now_ns: int) -> list[ChunkReport]:
        """CLOSED of all open chunks, reported at now_ns, whenever they end."""
        ended, self._open = self._open, []
        return [self._closed(entry, now_ns) for entry in ended]

    def lost(self, run_id: str, sequence: int, others: int, now_ns: int) -> ChunkReport:
        """CLOSED of a chunk that never arrived. others: more of its gap, reported with it and counted with it as one."""
        self.counts.chunks_lost += 1
        more = f", and {others} more before it are not told one by one" if others else ""
        return ChunkReport(
            stamp_ns=now_ns, phase=Phase.CLOSED, run_id=run_id, sequence=sequence, chunk_stamp_ns=0,
            verdict=Verdict.LOST, message=f"never arrived: a gap in the sequence{more}",
        )  # fmt: skip

    def published(self, steady_ns: int) -> None:
        """The trajectory of the newest chunk went out at this instant of the steady clock."""
        if self._open:
            self._open[-1].published_steady_ns = steady_ns

    def tracking_until(self) -> int:
        """When the last planned step of the open chunks is due [ns]; 0: none is open."""
        return max((min(e.until_ns, e.planned_ns) for e in self._open), default=0)

    def _closed(self, entry: _Entry, now_ns: int) -> ChunkReport:
        schedule = entry.schedule
        if entry.left_ns < entry.until_ns:
            entry.until_ns, entry.ended_by = entry.left_ns, LEFT
        done = int(np.searchsorted(schedule.due_ns, entry.until_ns, side="right"))
        if entry.rest_ns < entry.until_ns:  # what the open-loop limit cut off is executed, clamped to standing still
            done = len(schedule.due_ns)
        executed = max(0, done - schedule.first)
        superseded = len(schedule.due_ns) - schedule.first - executed
        clamps = tuple(clamp for clamp in entry.clamps if clamp.step < done)
        clamped = len({clamp.step for clamp in clamps})
        counts = self.counts
        counts.steps_executed += executed
        counts.steps_skipped += schedule.first
        counts.steps_clamped += clamped
        counts.steps_superseded += superseded
        return _report(
            entry.chunk,
            Phase.CLOSED,
            Verdict.ACCEPTED if executed else Verdict.SUPERSEDED,
            entry.ended_by if superseded else "",
            now_ns,
            first_executed_ns=int(schedule.due_ns[schedule.first]) if executed else 0,
            last_executed_ns=int(min(schedule.due_ns[done - 1], entry.rest_ns)) if executed else 0,
            steps_executed=executed,
            steps_skipped=schedule.first,
            steps_clamped=clamped,
            steps_superseded=superseded,
            clamps=clamps,
            received_steady_ns=entry.received_steady_ns,
            published_steady_ns=entry.published_steady_ns,
        )


def _remark(chunk: ActionChunk, schedule: Schedule) -> str:
    remarks = ["starts from rest, now"] if schedule.at_rest else []
    if schedule.period_ns != chunk.step_period_ns:
        scale = chunk.step_period_ns / schedule.period_ns
        remarks.append(f"at speed scale {scale:.3g}: a step takes {schedule.period_ns * 1e-9:.3g} s")
    return "; ".join(remarks)


def _report(chunk: ActionChunk, phase: Phase, verdict: Verdict, message: str, now_ns: int, **fields) -> ChunkReport:
    return ChunkReport(
        stamp_ns=now_ns, phase=phase, run_id=chunk.run_id, sequence=chunk.sequence, chunk_stamp_ns=chunk.stamp_ns,
        verdict=verdict, message=message, action_space=chunk.action_space, names=chunk.names,
        frame_id=chunk.frame_id, **fields,
    )  # fmt: skip
