"""Episodes as a table for a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text

from vla_contract.printing import printable
from vla_evidence.fitted_table import FittedTable
from vla_evidence.rows.rows import EpisodeRow


def episode_table(episodes: Iterable[EpisodeRow], title: str = "") -> FittedTable:
    """One line an episode. title: above the table."""
    table = FittedTable(title)
    for name, right, rank in (
        ("episode", True, 0), ("run", False, 0), ("instruction", False, 0), ("outcome", False, 0), ("label", False, 1),
        ("s", True, 2), ("inferences", True, 5), ("clamped", True, 3), ("refused", False, 4), ("latency p50 / p99 ms", True, 4),
    ):  # fmt: skip
        table.add_column(name, right=right, rank=rank, wraps=name in ("instruction", "refused"))
    for e in episodes:
        source = f" ({e.outcome_source})" if e.outcome_source else ""
        latency = "-" if e.latency_p50_ms is None else f"{e.latency_p50_ms:.0f} / {e.latency_p99_ms:.0f}"
        refused = ", ".join(f"{count} {name}" for name, count in e.refused.items())
        cells = (
            str(e.episode), e.run_id[:8], e.instruction, f"{e.outcome}{source}", e.label, f"{e.seconds:.1f}",
            str(e.inferences), f"{e.clamped_share:.1%}", refused, latency,
        )  # fmt: skip
        table.add_row(*(Text(printable(cell)) for cell in cells))  # as text: in a plain string rich reads "[red]" as a colour
    return table
