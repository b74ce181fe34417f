"""compare.json, of `vla eval --against`: two policies on the same seeds, see `statistics/paired.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vla_contract.command import Command
from vla_evidence.figures.reading import Figures


@dataclass(frozen=True, kw_only=True)
class PairedFigures(Figures):
    """Content of compare.json.

    Attributes:
        difference: Of the first policy's rate less the second's; interval: 95 %.
        planned: What was computed before the trials.
    """

    WRITTEN_BY: ClassVar[str] = "vla eval --against OTHER --out DIR"

    policies: tuple[str, str]
    pairs: int
    both: int
    only_first: int
    only_second: int
    neither: int
    discordant: int
    unknown: int
    unpaired: int
    difference: float
    interval: tuple[float, float]
    interval_method: str
    mcnemar_exact_p: float
    alpha: float
    verdict: str
    planned: dict[str, float | None] | None = None
    command: Command | None = None
