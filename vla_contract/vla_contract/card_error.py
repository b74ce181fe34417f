"""Errors about a card, each with the YAML path of the field."""

from __future__ import annotations

from typing import NamedTuple


class Problem(NamedTuple):
    """One thing wrong with a card."""

    path: tuple[str | int, ...]
    """Keys and list indices that lead to the field."""
    message: str
    """What was seen, and what is allowed."""

    def __str__(self) -> str:
        path = field_path(self.path)
        return f"{path}: {self.message}" if path else self.message


class CardError(ValueError):
    """A card that cannot be used. One line for each problem: ``file: field: what was seen, what is allowed``."""

    def __init__(self, source: str, problems: list[Problem]) -> None:
        self.source = source
        self.problems = problems
        super().__init__("\n".join(f"{source}: {problem}" for problem in problems))


class CardProblems(ValueError):
    """Carries problems out of a validator; ``parse_card`` turns it into a CardError."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(map(str, problems)))


def field_path(path: tuple[str | int, ...]) -> str:
    """("arms", 0, "limits") as a reader of the YAML writes it: ``arms[0].limits``."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}"
    return text.lstrip(".")
