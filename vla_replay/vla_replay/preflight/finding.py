"""What a check found: the field of the card, what was seen, what was expected, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from vla_evidence.figures.preflight import FindingFigures


class PreflightError(ValueError):
    """A preflight that cannot be made: wrong options, a source without content. The message says what is needed."""


class Severity(str, Enum):
    """How bad it is."""

    ERROR = "ERROR"
    """The policy will not run, or will run on wrong numbers."""
    WARNING = "WARNING"
    """It runs, and may run worse than it was trained for."""

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        field: Path in the card (``cameras[0].rate``), or of the checkpoint (``checkpoint.state_normaliser``).
        check: Name of the check, a row in docs/reference/preflight_checks.md.
        seen, expected: With numbers and units.
        todo: What to do about it, in a sentence.
    """

    severity: Severity
    field: str
    check: str
    seen: str
    expected: str
    todo: str

    def figures(self) -> FindingFigures:
        """For preflight.json."""
        return FindingFigures(**{name: str(value) for name, value in vars(self).items()})

    def __str__(self) -> str:
        return f"{self.field}: {self.check}: {self.seen}; expected: {self.expected}; do: {self.todo}"


def error(field: str, check: str, seen: str, expected: str, todo: str) -> Finding:
    """A finding of severity ERROR."""
    return Finding(Severity.ERROR, field, check, seen, expected, todo)


def warning(field: str, check: str, seen: str, expected: str, todo: str) -> Finding:
    """A finding of severity WARNING."""
    return Finding(Severity.WARNING, field, check, seen, expected, todo)
