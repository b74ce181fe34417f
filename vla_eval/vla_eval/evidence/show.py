"""Episodes as a table for a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from vla_eval.evidence.rows import EpisodeRow


def episode_table(episodes: Iterable[EpisodeRow]) -> Table:
    """One line an episode."""
    table = Table()
    for name, justify in (
        ("episode", "right"), ("run", "left"), ("instruction", "left"), ("outcome", "left"), ("label", "left"),
        ("s", "right"), ("inferences", "right"), ("clamped", "right"), ("refused", "left"), ("latency p50 / p99 ms", "right"),
    ):  # fmt: skip
        table.add_column(name, justify=justify)
    for e in episodes:
        source = f" ({e.outcome_source})" if e.outcome_source else ""
        latency = "-" if e.latency_p50_ms is None else f"{e.latency_p50_ms:.0f} / {e.latency_p99_ms:.0f}"
        refused = ", ".join(f"{count} {name}" for name, count in e.refused.items())
        cells = (
            str(e.episode), e.run_id[:8], e.instruction, f"{e.outcome}{source}", e.label, f"{e.seconds:.1f}",
            str(e.inferences), f"{e.clamped_share:.1%}", refused, latency,
        )  # fmt: skip
        table.add_row(*map(Text, cells))  # as text: in a plain string rich reads "[red]" as a colour
    return table
