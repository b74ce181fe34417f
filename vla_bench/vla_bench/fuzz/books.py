"""Every chunk is closed exactly once, by being told LOST where it comes after that; the steps of the accepted ones add up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from vla_bench.fuzz.violation import Found
from vla_contract.chunk import ActionChunk
from vla_contract.report import ChunkReport, Phase, Verdict

Key = tuple[str, int, int]


@dataclass
class _Entry:
    index: int
    horizon: int
    time_ns: int
    handed_in: int = 0
    scheduled: int = 0
    closed: int = 0
    accepted: int = 0


@dataclass
class Books:
    """Counts what goes in and what comes back, by run, sequence and stamp.

    found: violations. verdicts: of the first report of each chunk. unreported: known after ``close``: chunks that were
    not closed exactly once.
    """

    found: list[Found] = field(default_factory=list)
    verdicts: Counter = field(default_factory=Counter)
    chunks: int = 0
    accepted: int = 0
    unreported: int = 0
    _entries: dict[Key, _Entry] = field(default_factory=dict)
    _received: set[tuple[str, int]] = field(default_factory=set)
    _lost: Counter = field(default_factory=Counter)

    def hand_in(self, chunk: ActionChunk, index: int, time_ns: int, horizon: int | None = None) -> None:
        """A chunk is about to be given to the controller."""
        key = (chunk.run_id, chunk.sequence, chunk.stamp_ns)
        entry = self._entries.setdefault(key, _Entry(index, chunk.horizon if horizon is None else horizon, time_ns))
        entry.handed_in += 1
        self._received.add(key[:2])
        self.chunks += 1

    def take(self, reports: list[ChunkReport], time_ns: int) -> list[int]:
        """Reports come back. Returns the indices of chunks that were accepted in them."""
        accepted: list[int] = []
        for report in reports:
            if report.verdict is Verdict.LOST:
                self._take_lost(report, time_ns)
                continue
            entry = self._entries.get((report.run_id, report.sequence, report.chunk_stamp_ns))
            if entry is None:
                self._add("unknown_report", 1, time_ns, -1, f"{report.phase.name} of sequence {report.sequence}")
            elif report.phase is Phase.SCHEDULED:
                self._take_scheduled(entry, report, time_ns, accepted)
            else:
                self._take_closed(entry, report, time_ns)
        return accepted

    def close(self, time_ns: int) -> None:
        """Nothing more comes."""
        for (_, sequence, _), entry in self._entries.items():
            if entry.closed < entry.handed_in:
                missing = entry.handed_in - entry.closed
                self.unreported += missing
                self._add("unclosed", missing, entry.time_ns, entry.index, f"sequence {sequence}")

    def _take_scheduled(self, entry: _Entry, report: ChunkReport, time_ns: int, accepted: list[int]) -> None:
        entry.scheduled += 1
        self.verdicts[report.verdict.name] += 1
        if entry.scheduled > entry.handed_in:
            self._add("scheduled_twice", 1, time_ns, entry.index)
        if entry.closed >= entry.scheduled:
            self._add("scheduled_after_closed", 1, time_ns, entry.index)
        told_lost = bool(self._lost[report.run_id, report.sequence])
        if told_lost != (report.verdict is Verdict.LATE):
            self._add("late_without_lost" if not told_lost else "lost_and_taken", 1, time_ns, entry.index, report.verdict.name)
        if report.verdict is Verdict.LATE:
            entry.closed += 1
        if report.verdict is Verdict.ACCEPTED:
            entry.accepted += 1
            self.accepted += 1
            accepted.append(entry.index)

    def _take_closed(self, entry: _Entry, report: ChunkReport, time_ns: int) -> None:
        entry.closed += 1
        if entry.scheduled < entry.closed:
            self.verdicts[f"{report.verdict.name} (closed only)"] += 1
        if entry.closed > entry.handed_in:
            self.unreported += 1
            self._add("closed_twice", 1, time_ns, entry.index)
        if entry.accepted and entry.handed_in == 1:
            total = report.steps_executed + report.steps_skipped + report.steps_superseded
            if total != entry.horizon:
                detail = (
                    f"{report.steps_executed} executed, {report.steps_skipped} skipped, "
                    f"{report.steps_superseded} superseded of {entry.horizon}"
                )
                self._add("steps_do_not_add_up", abs(total - entry.horizon), time_ns, entry.index, detail)

    def _take_lost(self, report: ChunkReport, time_ns: int) -> None:
        key = (report.run_id, report.sequence)
        self._lost[key] += 1
        if report.phase is not Phase.CLOSED:
            self._add("lost_not_closed", 1, time_ns, -1)
        if self._lost[key] > 1:
            self._add("lost_twice", 1, time_ns, -1, f"sequence {report.sequence}")
        if key in self._received:
            self._add("lost_but_received", 1, time_ns, -1, f"sequence {report.sequence}")

    def _add(self, kind: str, amount: float, time_ns: int, chunk: int, detail: str = "") -> None:
        self.found.append(Found(kind, float(amount), time_ns, chunk, detail))
