"""ledger.json; what each figure means is said in `ledger/ledger.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vla_contract.command import Command
from vla_evidence.figures.reading import Figures


@dataclass(frozen=True, kw_only=True)
class Times:
    """Percentiles, largest and mean [ms]; None where count is 0."""

    count: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    mean_ms: float | None


@dataclass(frozen=True, kw_only=True)
class PartTimes(Times):
    """share: Of the whole, over complete rows; None where there is none."""

    share: float | None


@dataclass(frozen=True, kw_only=True)
class IdentityFigures:
    """Of the rows whose parts add up."""

    rows: int
    largest_error_ns: int


@dataclass(frozen=True, kw_only=True)
class Unaccounted:
    """A chunk without a complete row and without a verdict."""

    run_id: str
    sequence: int
    why: str


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """edges_ms: one more than counts [ms]."""

    edges_ms: tuple[int, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class SectionFigures:
    """Of one run, or of all."""

    time: str
    same_host: bool | None
    sent: int
    accounted: int
    ledger_share: float | None
    complete: int
    told_by_verdict: int
    in_flight: int
    unheard: int
    copies: int
    verdicts: dict[str, int]
    parts: dict[str, PartTimes]
    steady: dict[str, Times]
    wholes: dict[str, Times]
    ages: dict[str, Times]
    identity: IdentityFigures
    missing: dict[str, int]
    unknown: dict[str, dict[str, int]]
    unaccounted_count: int
    unaccounted: tuple[Unaccounted, ...]
    histograms: dict[str, Histogram]


@dataclass(frozen=True, kw_only=True)
class RunSection(SectionFigures):
    """Of one run."""

    run_id: str


@dataclass(frozen=True, kw_only=True)
class CadenceFigures:
    """Of one stream, against what is expected."""

    messages: int
    rate_hz: float | None
    expected_hz: float | None
    interval: Times
    late: int | None
    absent: int | None
    limit_ms: float | None
    beyond_limit: int | None
    repeated: int
    set_back: int


@dataclass(frozen=True, kw_only=True)
class CardName:
    """Of the card that the ledger was made with."""

    name: str
    card_hash: str


@dataclass(frozen=True, kw_only=True)
class LedgerFigures(Figures):
    """Content of ledger.json. command: None in older files."""

    WRITTEN_BY: ClassVar[str] = "vla ledger BAG --json DIR/ledger.json"

    schema: int
    source: str
    card: CardName | None
    seconds: float
    overall: SectionFigures
    runs: tuple[RunSection, ...]
    cadence: dict[str, CadenceFigures]
    unreadable: dict[str, int]
    notes: tuple[str, ...]
    cut_short: bool = False
    command: Command | None = None
