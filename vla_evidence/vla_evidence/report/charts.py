"""Inline SVG and bars. Lengths are shares of the width, so that they fit any screen and text keeps its size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

BINS = 500
"""Most points of a line; each shows the largest value of its stretch, so that no peak is lost."""


def interval_bar(rate: float, low: float, high: float) -> Markup:
    """A rate with its interval on a scale of 0 to 100 %."""
    line = Markup('<line class="grid" x1="{0}%" x2="{0}%" y1="2" y2="20"/>')
    grid = Markup().join(line.format(x) for x in (0, 25, 50, 75, 100))
    return Markup(
        '<svg class="interval" role="img" aria-label="{label}">{grid}<line class="axis" x1="0" x2="100%" y1="11" y2="11"/>'
        '<rect class="range" x="{low:.2f}%" width="{width:.2f}%" y="6" height="10" rx="2"/>'
        '<circle class="point" cx="{rate:.2f}%" cy="11" r="4.5"/></svg>'
    ).format(
        label=f"{100 * rate:.1f} %, 95 % interval {100 * low:.1f} to {100 * high:.1f} %", grid=grid, low=100 * low,
        width=max(100 * (high - low), 0.3), rate=100 * rate,
    )  # fmt: skip


def bar(share: float, kind: str = "count") -> Markup:
    """A bar over `share` (0 to 1) of the width."""
    return Markup('<svg class="bar" aria-hidden="true"><rect class="track" width="100%" height="10" y="3" rx="2"/>'
                  '<rect class="{}" width="{:.2f}%" height="10" y="3" rx="2"/></svg>').format(
        kind, 100 * min(max(share, 0.0), 1.0))  # fmt: skip


def stacked_bar(parts: Sequence[tuple[str, float]], longest: float, whole: float | None) -> Markup:
    """Parts laid end to end, and a mark at the whole, on a scale that ends at `longest`; negative parts have no length."""
    drawn, at = Markup(), 0.0
    for k, (label, value) in enumerate(parts):
        width = max(value, 0.0) / longest * 100
        drawn += Markup(
            '<rect class="part{}" x="{:.3f}%" width="{:.3f}%" y="4" height="22"><title>{}: {:.1f} ms</title></rect>'
        ).format(k % 8, at, width, label, value)
        at += width
    if whole is not None:
        x = min(max(whole, 0.0) / longest * 100, 100.0)
        drawn += Markup('<line class="whole" x1="{0:.3f}%" x2="{0:.3f}%" y1="0" y2="30"/>').format(x)
    words = ", ".join(f"{label} {value:.1f} ms" for label, value in parts)
    return Markup('<svg class="stack" role="img" aria-label="{}">{}</svg>').format(words, drawn)


def motion_chart(
    seconds: np.ndarray, shares: np.ndarray, clamped: Sequence[tuple[float, float, str]], bad_s: float | None, label: str
) -> Markup:
    """Velocities as shares of their limits over time.

    Args:
        seconds: Shape (T,), rising.
        shares: Absolute values, 1 at the limit. Shape (T, J).
        clamped: Begin [s], end [s] and words of each span that a limit altered.
        bad_s: First bad action [s].
    """
    begin, end = float(seconds[0]), float(seconds[-1])
    span = max(end - begin, 1e-9)
    top = max(1.12, 1.05 * float(shares.max(initial=0.0)))

    def x(t: float) -> float:
        return 1000.0 * (min(max(t, begin), end) - begin) / span

    def y(share: float) -> float:
        return 220.0 * (1.0 - share / top)

    drawn = Markup()
    for first, last, words in clamped:
        drawn += Markup('<rect class="clamped" x="{:.1f}" width="{:.1f}" y="0" height="220"><title>{}</title></rect>').format(
            x(first), max(x(last) - x(first), 1.0), words)  # fmt: skip
    for level in (0.25, 0.5, 0.75):
        drawn += Markup('<line class="grid" x1="0" x2="1000" y1="{0:.1f}" y2="{0:.1f}"/>').format(y(level))
    drawn += Markup('<line class="limit" x1="0" x2="1000" y1="{0:.1f}" y2="{0:.1f}"/>').format(y(1.0))
    times, binned = _binned(seconds, shares)
    xs = [x(t) for t in times]
    for column in binned.T:
        drawn += Markup('<path class="joint" d="{}"/>').format(_path(xs, [y(v) for v in column]))
    drawn += Markup('<path class="most" d="{}"/>').format(_path(xs, [y(v) for v in binned.max(axis=1)]))
    if bad_s is not None:
        drawn += Markup('<line class="badline" x1="{0:.1f}" x2="{0:.1f}" y1="0" y2="220"/>').format(x(bad_s))
    levels = Markup().join(
        Markup('<span style="top:{:.2f}%">{}</span>').format(100 * (1 - level / top), words)
        for level, words in ((1.0, "100 %"), (0.5, "50 %"), (0.0, "0"))
    )
    step = _tick(span)
    ticks = Markup().join(
        Markup('<span style="left:{:.2f}%">{:g} s</span>').format(100 * (t - begin) / span, t)
        for t in np.arange(np.ceil(begin / step), np.floor(end / step) + 1) * step + 0.0
    )
    return Markup(
        '<div class="plot"><div class="levels" aria-hidden="true">{}</div><svg viewBox="0 0 1000 220" preserveAspectRatio="none" '
        'role="img" aria-label="{}">{}</svg><div class="ticks" aria-hidden="true">{}</div></div>'
    ).format(levels, label, drawn, ticks)


def _binned(seconds: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(seconds) <= BINS:
        return seconds, shares
    starts = np.linspace(0, len(seconds), BINS, endpoint=False).astype(int)
    return seconds[starts], np.maximum.reduceat(shares, starts, axis=0)


def _path(xs: Sequence[float], ys: Sequence[float]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in zip(xs, ys, strict=True))


def _tick(span: float) -> float:
    return next((s for s in (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600) if span / s <= 8), 1800.0)
