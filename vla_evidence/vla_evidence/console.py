"""The terminal of verbs that print tables: rich's, whose words may be of others."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable

from rich.console import Console as RichConsole
from rich.console import ConsoleDimensions, ConsoleOptions, RenderableType
from rich.segment import Segment

from vla_contract.printing import printable


class Console(RichConsole):
    """As rich's, with every text through ``printable``: rich takes some control characters out, and lets escapes through."""

    @property
    def size(self) -> ConsoleDimensions:
        """See rich. A terminal that says it has no columns, as COLUMNS=0 does, would be shown nothing at all."""
        size = super().size
        return size if size.width > 0 else ConsoleDimensions(80, size.height)

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        RichConsole.size.fset(self, new_size)

    def on_broken_pipe(self) -> None:
        """See rich, which ends the process as for a mistake. Nobody reads any more, which is none: the caller's to tell."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """See rich. Colours and cursor of rich itself are not text, and stay."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text, lines=True), segment.style)
