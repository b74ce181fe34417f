"""Every chunk of a run, with the reports about it: what was sent, and what became of it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from vla_contract.report import Phase, Verdict
from vla_evidence.ledger.stamps import ChunkStamps, ReportStamps

GRACE_NS = 1_000_000_000
"""After its validity a chunk may stay open this long before its report counts as missing in a live view."""
_OF_A_COPY = (Verdict.OUT_OF_ORDER, Verdict.OLD_RUN)


@dataclass(slots=True)
class Entry:
    """A chunk, where it was heard, and its reports. ``heard_ns``: when the first of them was heard."""

    sequence: int
    heard_ns: int
    chunk: ChunkStamps | None = None
    scheduled: ReportStamps | None = None
    closed: ReportStamps | None = None
    is_simulated: bool = False

    @property
    def verdict(self) -> Verdict | None:
        """What became of it: of the phase CLOSED, else of a refusal at once. None: nothing final was heard."""
        if self.closed is not None:
            return self.closed.verdict
        if self.scheduled is not None and self.scheduled.verdict is not Verdict.ACCEPTED:
            return self.scheduled.verdict
        return None

    @property
    def is_told(self) -> bool:
        """A report says why it has no complete row: a brake, refused, superseded or lost."""
        return self.verdict not in (None, Verdict.ACCEPTED)

    def is_in_flight(self, now_ns: int) -> bool:
        """It may yet be closed."""
        if self.verdict is not None or self.chunk is None:
            return False
        return now_ns < self.heard_ns + self.chunk.valid_for_ns + GRACE_NS


@dataclass
class Account:
    """The chunks of one run by sequence, in the order heard. ``copies``: chunks and reports about a sequence heard before."""

    run_id: str
    entries: OrderedDict[int, Entry] = field(default_factory=OrderedDict)
    copies: int = 0
    _first: int | None = None
    _dropped_to: int = -1

    def add_chunk(self, sequence: int, chunk: ChunkStamps, heard_ns: int, simulated: bool) -> bool:
        """False for a copy of one heard before; the first is kept."""
        self._first = sequence if self._first is None else min(self._first, sequence)
        entry = self._entry(sequence, heard_ns)
        if entry.chunk is not None:
            self.copies += 1
            return False
        entry.chunk, entry.heard_ns, entry.is_simulated = chunk, heard_ns, simulated
        return True

    def add_report(
        self, sequence: int, phase: Phase, report: ReportStamps, heard_ns: int, *, only_known: bool = False
    ) -> None:
        """A report. One that refuses a second copy of an accepted chunk leaves the first one's books alone.

        only_known: reports about chunks that were sent before the first one heard, or dropped since, are passed over.
        """
        if only_known and (sequence <= self._dropped_to or (self._first is not None and sequence < self._first)):
            return
        entry = self._entry(sequence, heard_ns)
        if phase is Phase.SCHEDULED:
            if entry.scheduled is None:
                entry.scheduled = report
            else:
                self.copies += 1
            return
        accepted = entry.scheduled is not None and entry.scheduled.verdict is Verdict.ACCEPTED
        if entry.closed is not None or (accepted and report.verdict in _OF_A_COPY):
            self.copies += 1
            return
        entry.closed = report

    def drop_before(self, heard_ns: int, most: int) -> None:
        """Forgets entries heard before an instant, and the oldest beyond ``most``."""
        while self.entries:
            sequence, entry = next(iter(self.entries.items()))
            if entry.heard_ns >= heard_ns and len(self.entries) <= most:
                return
            del self.entries[sequence]
            self._dropped_to = max(self._dropped_to, sequence)

    def gaps(self) -> list[tuple[int, int]]:
        """First and last of each range of sequences between the lowest and the highest of which nothing was heard."""
        known = sorted(self.entries)
        ranges = ((max(a, self._dropped_to) + 1, b - 1) for a, b in zip(known, known[1:]))
        return [(first, last) for first, last in ranges if first <= last]

    def _entry(self, sequence: int, heard_ns: int) -> Entry:
        if sequence not in self.entries:
            self.entries[sequence] = Entry(sequence, heard_ns)
        return self.entries[sequence]
