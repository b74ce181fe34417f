"""Figures of one run, or of all of them: what was sent, what became of it, and where the time went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vla_contract.report import Verdict
from vla_evidence.ledger import row as reasons
from vla_evidence.ledger.accounts import Account, Entry
from vla_evidence.ledger.row import (
    MISSING,
    SIMULATED_PARTS,
    STEADY_PARTS,
    WALL_PARTS,
    WHOLES,
    Row,
    comparable,
    make_row,
)
from vla_evidence.ledger.statistics import histogram_ms, percentiles_ms

NAMED = 50
"""So many chunks that are not accounted for are named one by one."""


_REASONS = (MISSING, reasons.HOSTS_DIFFER, reasons.CLOCKS_DISAGREE, reasons.CLOCK_SET, reasons.PUBLISHED_LATE)


@dataclass(frozen=True, slots=True)
class Line:
    """A chunk in the ledger. ``row`` is None for a brake, and for a chunk that was not heard itself."""

    run_id: str
    sequence: int
    stamp_ns: int
    verdict: Verdict | None
    row: Row | None
    is_accounted: bool
    why: str
    """Why it is not accounted for; empty where it is."""


@dataclass(frozen=True)
class RunLines:
    """What is known of one run."""

    run_id: str
    simulated: bool
    same_host: bool | None
    lines: tuple[Line, ...]
    gaps: tuple[tuple[int, int], ...]
    in_flight: int
    copies: int


def lines_of_run(account: Account, cameras: tuple[str, ...], now_ns: int | None = None) -> RunLines:
    """The ledger's lines of a run, in the order heard. now_ns: chunks that may yet be closed then are left out, and counted."""
    entries = [e for e in account.entries.values() if now_ns is None or not e.is_in_flight(now_ns)]
    decided = [e for e in entries if e.chunk is not None and e.chunk.horizon > 0]
    simulated = sum(e.is_simulated for e in decided) * 2 > len(decided)
    checks = [c for e in decided if (c := comparable(e.chunk, e.scheduled, e.closed, simulated)) is not None]
    same_host = sum(checks) * 2 > len(checks) if checks else None
    lines = tuple(_line(account.run_id, e, cameras, simulated, same_host) for e in entries)
    in_flight = len(account.entries) - len(entries)
    return RunLines(account.run_id, simulated, same_host, lines, tuple(account.gaps()), in_flight, account.copies)


def _line(run_id: str, entry: Entry, cameras: tuple[str, ...], simulated: bool, same_host: bool | None) -> Line:
    chunk, row = entry.chunk, None
    if chunk is not None and chunk.horizon > 0:
        count = len(chunk.image_stamps_ns)
        names = cameras if len(cameras) == count else tuple(f"camera {i}" for i in range(count))
        row = make_row(chunk, entry.scheduled, entry.closed, names, simulated=simulated, same_host=same_host)
    accounted = entry.is_told or (row is not None and row.is_complete)
    stamp_ns = chunk.stamp_ns if chunk is not None else 0
    return Line(run_id, entry.sequence, stamp_ns, entry.verdict, row, accounted, "" if accounted else _why(entry, row))


def _why(entry: Entry, row: Row | None) -> str:
    if entry.scheduled is None and entry.closed is None:
        return "no report"
    if entry.chunk is None:
        return "reported, the chunk itself was not heard"
    if entry.verdict is None:
        return "never closed"
    if row is None:
        return "a brake that was reported as executed"
    if row.missing:
        return f"missing: {', '.join(row.missing)}"
    return "; ".join(f"{name}: {why}" for name, why in row.unknown.items()) or "incomplete"


def summarise(runs: Sequence[RunLines]) -> dict:
    """See ledger.py, "section"."""
    lines = [line for run in runs for line in run.lines]
    rows = [line.row for line in lines if line.row is not None]
    simulated = {row.simulated for row in rows}
    time = "unknown" if not rows else "mixed" if len(simulated) == 2 else "simulated" if True in simulated else "wall"
    counted = [row for row in rows if time != "mixed" or not row.simulated]
    complete = [row for row in counted if row.is_complete]
    unheard = sum(last - first + 1 for run in runs for first, last in run.gaps)
    sent, accounted = len(lines) + unheard, sum(line.is_accounted for line in lines)
    missing = Counter(name for row in rows for name in row.missing)
    known = {run.same_host for run in runs} - {None}
    return {
        "time": time,
        "same_host": None if not known else known == {True},
        "sent": sent,
        "accounted": accounted,
        "ledger_share": round(accounted / sent, 6) if sent else None,
        "complete": sum(row.is_complete for row in rows),
        "told_by_verdict": sum(line.verdict not in (None, Verdict.ACCEPTED) for line in lines),
        "in_flight": sum(run.in_flight for run in runs),
        "unheard": unheard,
        "copies": sum(run.copies for run in runs),
        "verdicts": _verdicts(lines),
        "parts": _parts(counted, complete, SIMULATED_PARTS if time == "simulated" else WALL_PARTS),
        "steady": {name: percentiles_ms([r.steady[name] for r in counted if name in r.steady]) for name in STEADY_PARTS}
        if time == "simulated"
        else {},
        "wholes": {name: percentiles_ms([r.wholes[name] for r in counted if name in r.wholes]) for name in WHOLES},
        "ages": {name: percentiles_ms([r.ages[name] for r in counted if name in r.ages]) for name in _ages(counted)},
        "identity": {"rows": len(complete), "largest_error_ns": max((abs(r.error_ns) for r in complete), default=0)},
        "missing": dict(sorted(missing.items())),
        "unknown": _unknown(lines),
        "unaccounted_count": sent - accounted,
        "unaccounted": list(_unaccounted(runs))[:NAMED],
        "histograms": {name: histogram_ms([r.wholes[name] for r in complete if name in r.wholes]) for name in WHOLES},
    }


def _verdicts(lines: Sequence[Line]) -> dict[str, int]:
    counts = Counter(line.verdict for line in lines)
    named = {verdict.name: counts[verdict] for verdict in Verdict if counts[verdict]}
    return {**named, **({"none": counts[None]} if counts[None] else {})}


def _parts(rows: Sequence[Row], complete: Sequence[Row], names: Sequence[str]) -> dict[str, dict]:
    total = sum(row.wholes["camera_to_actuation"] for row in complete)
    parts = {}
    for name in names:
        share = sum(row.parts[name] for row in complete) / total if total else None
        figures = percentiles_ms([row.parts[name] for row in rows if name in row.parts])
        parts[name] = {**figures, "share": None if share is None else round(share, 6)}
    return parts


def _ages(rows: Sequence[Row]) -> list[str]:
    names = dict.fromkeys(name for row in rows for name in row.ages if name != "joint_states")
    return [*names, *(["joint_states"] if any("joint_states" in row.ages for row in rows) else [])]


def _unknown(lines: Sequence[Line]) -> dict[str, dict]:
    """Parts that are not known, how often, and the reasons; stamps that a verdict explains are not counted."""
    found: dict[str, Counter] = {}
    for line in lines:
        explained = line.verdict not in (None, Verdict.ACCEPTED)
        for name, why in line.row.unknown.items() if line.row is not None else ():
            if not (explained and why == MISSING):
                kind = next((k for k in _REASONS if why.endswith(k)), "stamps of different clocks")
                found.setdefault(name, Counter())[kind] += 1
    return {name: dict(counts) for name, counts in sorted(found.items())}


def _unaccounted(runs: Sequence[RunLines]) -> Iterator[dict]:
    for run in runs:
        for line in run.lines:
            if not line.is_accounted:
                yield {"run_id": run.run_id, "sequence": line.sequence, "why": line.why}
        for first, last in run.gaps:
            words = "neither chunk nor report was heard"
            yield {"run_id": run.run_id, "sequence": first, "why": words if first == last else f"to {last}: {words}"}
