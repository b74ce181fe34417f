"""A run folder as one HTML page. All numbers come from the folder's files; the same files make the same page."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path

import jinja2
from markupsafe import Markup

from vla_contract.command import this_command
from vla_contract.printing import printable
from vla_evidence.report import words
from vla_evidence.report.against import against_section
from vla_evidence.report.claims import claims
from vla_evidence.report.episodes import episodes_section, inferences_section
from vla_evidence.report.errors import ReportError
from vla_evidence.report.failures import failed, failures_section
from vla_evidence.report.folder import RunFolder, read_folder
from vla_evidence.report.from_bag import take_from_bag
from vla_evidence.report.identity import identity_section
from vla_evidence.report.other import preflight_section, replay_graph_section, replay_section
from vla_evidence.report.paired import comparison_section
from vla_evidence.report.success import success_section
from vla_evidence.report.timing import timing_section

__all__ = ["MAX_FRAMES", "make_report"]

TEMPLATES = Path(__file__).parent / "templates"
MAX_FRAMES = 12
"""Failures shown with images, unless asked otherwise."""


def make_report(folder: str | Path, *, against: str | Path | None = None, max_frames: int = MAX_FRAMES) -> str:
    """The page.

    Args:
        against: A second run folder to compare with.
        max_frames: Failed episodes that get a card with images, the first ones.

    Raises:
        ReportError: No run folder, nothing in it, or twice the same one.
        FiguresError: A file of figures lacks a field, or is malformed; the message names file and field.
        RowError, EvidenceError, OutcomeError, BagError, CardError: Malformed rows, outcomes, bag or card.
    """
    run = read_folder(folder)
    if against is not None and os.path.exists(against) and os.path.samefile(folder, against):
        raise ReportError(f"{against}: --against is the same folder; it is compared with another one")
    other = read_folder(against) if against is not None else None
    return render(run, other, max_frames)


def render(run: RunFolder, other: RunFolder | None, max_frames: int) -> str:
    """The page of folders that were read."""
    shown = failed(run)[:max_frames]
    bag = take_from_bag(run, shown)
    page = {
        "run": run,
        "made_by": command.text if (command := this_command()) else "",
        "identity": identity_section(run, bag.metadata),
        "success": success_section(run),
        "comparison": comparison_section(run),
        "against": against_section(run, other) if other is not None else None,
        "timing": timing_section(run),
        "motion": bag,
        "failures": failures_section(run, bag.images, shown),
        "episodes": episodes_section(run),
        "inferences": inferences_section(run),
        "replay": replay_section(run),
        "replay_graph": replay_graph_section(run),
        "preflight": preflight_section(run),
        "max_frames": max_frames,
    }
    page["claims"] = claims(run, page)
    page["verdict"] = verdict(page)
    page["notes"] = [*run.notes, *page["identity"]["notes"], *bag.notes]
    script = (TEMPLATES / "sort.js").read_text(encoding="utf-8")
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    return _environment().get_template("page.html").render(**page, style=style, script=script, policy=_policy(script))


def verdict(page: dict) -> str:
    """One sentence with numbers."""
    parts = []
    if page["success"]:
        total = page["success"]["total"]
        if total["rate"] is None:
            parts.append(f"no outcome of {words.plural(total['episodes'], 'episode')} is known, so nothing is scored")
        else:
            parts.append(
                f"{total['successes']} of {total['known']} episodes succeeded ({words.percent_text(total['rate'])}, "
                f"95\u00a0% interval {words.percent_text(total['low'])} to {words.percent_text(total['high'])})"
            )
        if total["clamped_share"] is not None:
            parts.append(f"{words.percent_text(total['clamped_share'])} of executed steps clamped")
        if total["unknown"] and total["rate"] is not None:
            parts.append(f"{total['unknown']} of unknown outcome not scored")
    timing = page["timing"]
    whole = next((w for w in timing["wholes"] if w["name"] == "camera_to_actuation"), None) if timing else None
    if whole and whole["p50_ms"] is not None:
        parts.append(f"age at actuation {whole['p50_ms']:.0f} ms in the median, {whole['p99_ms']:.0f} ms at the 99th percentile")
    if page["preflight"] and page["preflight"].errors:
        parts.append(f"preflight found {words.plural(page['preflight'].errors, 'error')}")
    if not parts:
        return "The files of this folder score nothing; what they hold is below."
    text = "; ".join(parts) + "."
    return text[0].upper() + text[1:]


def _policy(script: str) -> str:
    """The browser loads nothing from anywhere, and runs no script but ours: text in the data cannot become one."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def _shown(value: object) -> object:
    """Text of others with its control characters and directional marks to be seen, as on the terminal; markup stays markup."""
    if isinstance(value, Markup):
        return Markup(printable(value, lines=True))
    return printable(value, lines=True) if isinstance(value, str) else value


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, finalize=_shown,
    )  # fmt: skip
    environment.filters |= {
        "num": words.number, "pct": words.percent, "ms": words.milliseconds, "sig": words.plain_number,
        "moment": words.moment, "plural": words.plural,
    }  # fmt: skip
    return environment
