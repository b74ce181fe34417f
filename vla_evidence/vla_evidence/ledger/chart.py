"""The ledger as a chart: the parts at their medians, and how the whole is distributed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vla_evidence.ledger.content import Ledger
from vla_evidence.ledger.stamps import LedgerError
from vla_evidence.ledger.table import CUT_SHORT, WORDS

_COLORS = ("#8da9b8", "#5b8ba6", "#0b6e99", "#7a9a5a", "#e08a2e", "#c9c1b4")
_INK, _FAINT = "#333333", "#c4c4c4"
_MOST_RUNS = 12
SUFFIXES = (".png", ".svg")


def check_suffix(path: str | Path) -> None:
    """Raises LedgerError where the name does not end like a chart that can be drawn."""
    if Path(path).suffix.lower() not in SUFFIXES:
        raise LedgerError(f"{path}: a chart's name ends in {' or '.join(SUFFIXES)}")


def draw(ledger: Ledger | dict, path: str | Path) -> None:
    """Writes a PNG or SVG: for all runs and for each of the first twelve a bar of the parts, each as long as its p50; below it
    histograms of the wholes with their p50, p95 and p99.

    Args:
        ledger: A ledger, or the content of its ledger.json.

    Raises:
        LedgerError: There is no complete row to draw, or the name ends in neither .png nor .svg.
    """
    check_suffix(path)
    content = ledger.as_dict() if isinstance(ledger, Ledger) else ledger
    overall = content["overall"]
    if not overall["identity"]["rows"]:
        raise LedgerError("nothing to draw: no chunk has a complete row")
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    runs = [run for run in content["runs"] if run["identity"]["rows"] and run["time"] == _time(overall)]
    shown = runs[:_MOST_RUNS] if len(runs) > 1 else []
    bars = [("all runs" if shown else "", overall), *((f"run {run['run_id'][:8]}", run) for run in shown)]
    style = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": _FAINT,
             "axes.labelcolor": _INK, "xtick.color": _INK, "ytick.color": _INK}  # fmt: skip
    with plt.rc_context(style):
        wholes = [name for name, histogram in overall["histograms"].items() if histogram["counts"]]
        heights = (0.75 + 0.32 * len(bars), 2.2)
        figure = plt.figure(figsize=(9.0, 1.3 + sum(heights)), layout="constrained")
        grid = figure.add_gridspec(2, len(wholes), height_ratios=heights)
        upper = figure.add_subplot(grid[0, :])
        _stack(upper, bars)
        for column, name in enumerate(wholes):
            _whole(figure.add_subplot(grid[1, column]), overall, name)
        if len(runs) > len(shown) > 0:
            upper.set_title(f"the first {len(shown)} of {len(runs)} runs", loc="right", fontsize=8.5, color="#777777")
        clock = "simulated time" if _time(overall) == "simulated" else "wall time"
        cut = CUT_SHORT * content.get("cut_short", False)
        figure.suptitle(f"From camera stamp to first setpoint{cut}, {clock}", x=0.01, ha="left", fontsize=12.5)
        figure.savefig(path, dpi=130)
        plt.close(figure)


def _time(section: dict) -> str:
    return "wall" if section["time"] == "mixed" else section["time"]


def _stack(ax, bars: list[tuple[str, dict]]) -> None:
    for row, (_, section) in enumerate(bars):
        left = 0.0
        for color, (name, figures) in zip(_COLORS, section["parts"].items()):
            width = figures["p50_ms"] or 0.0
            label = f"{WORDS[name]}: {width:.1f} ms" if row == 0 else None
            ax.barh(row, width, left=left, color=color, height=0.62, label=label)
            left += width
    ax.set_yticks(range(len(bars)), [name for name, _ in bars])
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    ax.set_xlim(left=0.0)
    ax.set_xlabel("parts at their medians [ms]")
    ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, frameon=False, fontsize=8.5)


def _whole(ax, section: dict, name: str) -> None:
    histogram, figures = section["histograms"][name], section["wholes"][name]
    edges = np.array(histogram["edges_ms"])
    ax.bar(edges[:-1], histogram["counts"], width=np.diff(edges), align="edge", color=_COLORS[2], alpha=0.85)
    for percentile in ("p50_ms", "p95_ms", "p99_ms"):
        ax.axvline(figures[percentile], color=_INK, lw=0.9, ls=(0, (3, 2)))
    percentiles = "  ".join(f"{p} {figures[f'{p}_ms']:.0f}" for p in ("p50", "p95", "p99"))
    ax.set_title(f"{WORDS[name]}\n{percentiles} ms", loc="left", fontsize=9, color=_INK)
    margin = max(2.0, 0.05 * (edges[-1] - edges[0]))
    ax.set_xlim(edges[0] - margin, edges[-1] + margin)
    ax.set_xlabel("[ms]")
    ax.yaxis.get_major_locator().set_params(integer=True)
    ax.set_ylabel("chunks")
