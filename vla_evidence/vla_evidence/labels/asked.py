"""What a chunk asked, and what became of it."""

from __future__ import annotations

from typing import NamedTuple

from vla_contract.report import ChunkReport, Clamp, ClampLimit, Verdict

REFUSED_FOR = "no motion within the limits: "
"""How the controller's message begins where a plan would have broken a limit; the limit's name follows."""


_TOO_OLD = frozenset({Verdict.STALE, Verdict.EXPIRED})
_LATE_OR_LOST = _TOO_OLD | {Verdict.OUT_OF_ORDER, Verdict.OLD_RUN, Verdict.SUPERSEDED, Verdict.LOST, Verdict.LATE}


class Asked(NamedTuple):
    """A chunk as its CLOSED report tells it."""

    sequence: int
    stamp_ns: int
    """When its motion began: the first executed step is due; for chunks that never ran, the observation [ns]."""
    last_ns: int
    """When its last executed step was due [ns]."""
    verdict: Verdict
    executed: int
    skipped: int
    clamped: int
    clamped_steps: dict[ClampLimit, frozenset[int]]
    """Executed steps that each kind of limit altered."""
    beyond: dict[ClampLimit, float]
    """Largest amount beyond each kind of limit, in the limit's unit."""
    refused_for: str = ""
    """Limit that the whole plan would have broken, and by how much, in the controller's words; empty: it was not refused so."""

    @classmethod
    def from_report(cls, report: ChunkReport) -> Asked:
        """Of a CLOSED report."""
        steps: dict[ClampLimit, set[int]] = {}
        beyond: dict[ClampLimit, float] = {}
        for clamp in report.clamps:
            steps.setdefault(clamp.kind, set()).add(clamp.step)
            beyond[clamp.kind] = max(beyond.get(clamp.kind, 0.0), clamp.amount)
        stamp = report.first_executed_ns or report.chunk_stamp_ns or report.stamp_ns
        limit = ""
        if report.verdict is Verdict.INFEASIBLE and report.message.startswith(REFUSED_FOR):
            limit = report.message.removeprefix(REFUSED_FOR).partition(";")[0]
        return cls(
            sequence=report.sequence, stamp_ns=stamp, last_ns=report.last_executed_ns or stamp, verdict=report.verdict,
            executed=report.steps_executed, skipped=report.steps_skipped, clamped=report.steps_clamped,
            clamped_steps={kind: frozenset(found) for kind, found in steps.items()}, beyond=beyond, refused_for=limit,
        )  # fmt: skip

    @property
    def planned(self) -> bool:
        """Whether it was a plan that arrived: no brake, and not lost on the way."""
        return self.verdict not in (Verdict.BRAKE, Verdict.LOST)

    @property
    def too_old(self) -> bool:
        """Whether it was refused because it came too late."""
        return self.verdict in _TOO_OLD

    @property
    def turned_away(self) -> bool:
        """Whether it was refused for what it was, or because nothing was to be executed then; not for its age or its turn."""
        return self.verdict.is_refusal and self.verdict not in _LATE_OR_LOST

    def refused_kind(self) -> ClampLimit | None:
        """Kind of the limit that it was refused for."""
        return Clamp(0, self.refused_for, 0.0).kind if self.refused_for else None
