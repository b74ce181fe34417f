"""A table that stays readable on a narrow terminal: it leaves whole columns out and names them, instead of cutting words."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

_ANY = 10_000
"""A terminal as wide as any table [columns]."""
_SENTENCE = 18
"""Least width of a column whose cells may be broken over lines [columns]."""
_BORDERS = 3
"""What a column takes beside its cells [columns]."""


@dataclass(frozen=True)
class _Column:
    heading: str
    right: bool
    rank: int
    wraps: bool


class FittedTable:
    """Rows as of rich's Table. Where they do not fit, the columns of the highest rank go first; those of rank 0 never do."""

    def __init__(self, title: str = "") -> None:
        self._title = title
        self._columns: list[_Column] = []
        self._rows: list[tuple[RenderableType, ...] | None] = []

    def add_column(self, heading: str, *, right: bool = False, rank: int = 0, wraps: bool = False) -> None:
        """right: numbers. rank: see the class. wraps: sentences, which may be broken over lines; other cells are not."""
        self._columns.append(_Column(heading, right, rank, wraps))

    def add_row(self, *cells: RenderableType) -> None:
        """A cell for each column. ValueError for another number of them."""
        if len(cells) != len(self._columns):
            raise ValueError(f"{len(cells)} cells in a table of {len(self._columns)} columns")
        self._rows.append(cells)

    def add_section(self) -> None:
        """A line below the rows so far."""
        self._rows.append(None)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        widths = [self._width(k, console, options) for k in range(len(self._columns))]
        kept = list(range(len(self._columns)))
        while sum(widths[k] + _BORDERS for k in kept) + 1 > options.max_width:
            most = max((self._columns[k].rank for k in kept), default=0)
            if not most:
                break
            kept.remove(next(k for k in reversed(kept) if self._columns[k].rank == most))
        yield self._table(kept, widths)
        left_out = [column.heading for k, column in enumerate(self._columns) if k not in kept]
        if left_out:
            yield Text(f"not shown in {options.max_width} columns: {', '.join(left_out)}", "dim")

    def _width(self, k: int, console: Console, options: ConsoleOptions) -> int:
        """What a column needs [columns]: its cells may be broken between words where it says so, and then its heading, too."""
        wide = options.update(width=_ANY, max_width=_ANY)
        cells = [row[k] for row in self._rows if row is not None]
        widest = max((Measurement.get(console, wide, cell).maximum for cell in cells), default=0)
        column = self._columns[k]
        heading = max(map(len, column.heading.split() if column.wraps else [column.heading]), default=0)
        return max(heading, min(widest, _SENTENCE) if column.wraps else widest)

    def _table(self, kept: list[int], widths: list[int]) -> Table:
        table = Table(title=Text(self._title) if self._title else None, title_justify="left")
        for k in kept:
            column = self._columns[k]
            table.add_column(Text(column.heading), justify="right" if column.right else "left", min_width=widths[k])
        for row in self._rows:
            if row is None:
                table.add_section()
            else:
                table.add_row(*(row[k] for k in kept))
        return table
