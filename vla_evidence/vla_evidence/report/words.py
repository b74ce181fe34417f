"""Numbers in words, each beside its exact value (``<data value>``), and other words of the page."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from markupsafe import Markup, escape

NONE = "not measured"
REAL_TIME_NS = 1_000_000_000_000_000_000
"""Stamps below this (September 2001) are simulated time."""


def number(value: float | None, name: str = "", *, digits: int = 1, unit: str = "") -> Markup:
    """`<data>` with the exact value, and the rounded one to read."""
    if value is None:
        return Markup('<span class="none">{}</span>').format(NONE)
    if not math.isfinite(value):
        return Markup('<span class="bad">not finite</span>')
    whole = isinstance(value, int)
    text = f"{value:,}".replace(",", "\u202f") if whole else f"{value:.{digits}f}"
    return _data(value, name, text + (f"\u00a0{unit}" if unit else ""))


def percent(value: float | None, name: str = "", *, digits: int = 1) -> Markup:
    """A share as percent."""
    if value is None or not math.isfinite(value):
        return number(value)
    return _data(value, name, percent_text(value, digits))


def milliseconds(value: float | None, name: str = "") -> Markup:
    """[ms], as many digits as they are worth."""
    return number(None if value is None else float(value), name, digits=0 if value is not None and abs(value) >= 100 else 1)


def plain_number(value: float | None, name: str = "") -> Markup:
    """Four significant digits."""
    if value is None or not math.isfinite(value) or isinstance(value, int):
        return number(value, name)
    return _data(value, name, f"{value:.4g}")


def percent_text(value: float, digits: int = 1) -> str:
    """Without the markup."""
    return f"{100 * value:.{digits}f}\u00a0%"


def moment(stamp_ns: int) -> str:
    """A stamp in UTC; simulated time as seconds."""
    if stamp_ns < REAL_TIME_NS:
        return f"{stamp_ns / 1e9:.2f} s of simulated time"
    return datetime.fromtimestamp(stamp_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def plural(count: int, one: str, many: str = "") -> str:
    """"1 episode", "2 episodes"."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def _data(value: float, name: str, text: str) -> Markup:
    about = Markup(' data-name="{}"').format(name) if name else Markup()
    return Markup('<data{} value="{}">{}</data>').format(about, repr(value), escape(text))
