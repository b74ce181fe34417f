"""preflight.json, of `vla card check`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vla_contract.command import Command
from vla_evidence.figures.reading import Figures


@dataclass(frozen=True, kw_only=True)
class FindingFigures:
    """One thing that is wrong; severity: ERROR or WARNING. field: path in the card or of the checkpoint."""

    severity: str
    field: str
    check: str
    seen: str
    expected: str
    todo: str


@dataclass(frozen=True, kw_only=True)
class PreflightFigures(Figures):
    """Content of preflight.json.

    Attributes:
        seconds: Listened, or read of the bag [s].
        unchecked: Checks that lacked what they need, in words.
        command: None in older files.
    """

    WRITTEN_BY: ClassVar[str] = "vla card check CARD --bag BAG --json DIR/preflight.json"

    format: str
    card: str
    card_hash: str
    policy_hash: str
    source: str
    seconds: float
    errors: int
    warnings: int
    findings: tuple[FindingFigures, ...]
    unchecked: tuple[str, ...]
    command: Command | None = None
