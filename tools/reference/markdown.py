"""Tables and text for Markdown pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; empty where there are no rows."""
    lines = [f"| {' | '.join(cell(c) for c in row)} |" for row in rows]
    if not lines:
        return ""
    return "\n".join([f"| {' | '.join(heads)} |", "|" + "---|" * len(heads), *lines]) + "\n"


def cell(text: str) -> str:
    """Text that fits into a cell: in one line, with no bar that would end it and no tag that would vanish."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def code(text: object) -> str:
    """Text as code; empty stays empty."""
    return f"`{text}`" if str(text) else ""


def page(title: str, intro: str, *parts: str) -> str:
    """A page that says that it is written by a command."""
    head = f"# {title}\n\nWritten from the sources by `make reference`; do not edit.\n\n{intro.strip()}\n"
    return "\n".join([head, *(part.rstrip("\n") + "\n" for part in parts if part)])
