"""evidence.json, of `vla evidence`: beside the rows that it wrote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from vla_contract.command import Command
from vla_evidence.figures.reading import Figures


@dataclass(frozen=True, kw_only=True)
class ScoreFigures:
    """Of the episodes as they were then, the operator's outcomes laid over them; see `rows.scoring.Score`."""

    trials: int
    successes: int
    unknown: int
    rate: float | None
    interval: tuple[float, float] | None
    clamped_share: float | None


@dataclass(frozen=True, kw_only=True)
class EvidenceFigures(Figures):
    """Content of evidence.json, and of `--json` with the rows of the episodes as well.

    Attributes:
        inferences: How many.
        truncated: The recorder did not end the bag.
    """

    WRITTEN_BY: ClassVar[str] = "vla evidence BAG --out DIR"

    bag: str
    score: ScoreFigures
    inferences: int
    truncated: bool
    notes: tuple[str, ...]
    episodes: tuple[dict[str, Any], ...] | None = None
    command: Command | None = None
