"""The ledger on a terminal: tables for rich, from the content of ledger.json."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from vla_evidence.fitted_table import FittedTable

WORDS = {
    "camera_to_receipt": "camera stamp to receipt",
    "wait": "wait before inference",
    "inference": "inference",
    "transport": "transport to the controller",
    "planning": "planning, to trajectory",
    "lead": "lead, to first setpoint",
    "camera_to_inference": "camera stamp to inference",
    "received_to_actuation": "received to first setpoint",
    "camera_to_controller": "camera stamp to controller",
    "camera_to_trajectory": "camera stamp to trajectory",
    "camera_to_actuation": "age at actuation",
}
FIGURES = ("p50_ms", "p95_ms", "p99_ms", "max_ms")
CUT_SHORT = " of a recording that was cut short"
"""In the headings of its figures."""
BAR = 20
_NAMED = 8


def render(content: dict) -> RenderableType:
    """All of a ledger: parts, cadence, what is accounted for, and what is missing."""
    cut = content.get("cut_short", False)
    tables = parts_table(content["overall"], cut_short=cut), cadence_table(content["cadence"], cut_short=cut)
    return Group(*tables, *_lines(content))


def parts_table(section: dict, *, cut_short: bool = False) -> FittedTable:
    """Parts, wholes and ages as rows; a bar for the share of each part in the whole. cut_short: of a recording without end."""
    clock = {"simulated": "simulated time", "wall": "wall time", "mixed": "runs in wall time"}.get(
        section["time"], "no times"
    )
    table = FittedTable(f"Timing of {sum(section['verdicts'].values())} chunks{CUT_SHORT * cut_short}, {clock} [ms]")
    table.add_column("part")
    for heading, rank in (("chunks", 2), ("p50", 0), ("p95", 1), ("p99", 0), ("max", 0)):
        table.add_column(heading, right=True, rank=rank)
    table.add_column("share of the whole", rank=3)
    for name, figures in section["parts"].items():
        share = figures["share"]
        bar = "" if share is None else f"{'█' * round(share * BAR):<{BAR}} {share:6.1%}"
        table.add_row(WORDS[name], *_cells(figures), Text(bar, style="cyan"))
    table.add_section()
    for name, figures in section["wholes"].items():
        if figures["count"] or name == "camera_to_actuation":
            table.add_row(Text(WORDS[name], style="bold"), *_cells(figures), "")
    for kind, words in (("ages", "age of {} at inference"), ("steady", "{}, by the wall")):
        if section[kind]:
            table.add_section()
        for name, figures in section[kind].items():
            table.add_row(Text(words.format(name)), *_cells(figures), "")
    return table


def cadence_table(cadence: dict[str, dict], *, cut_short: bool = False) -> FittedTable:
    """Rate and intervals of each stream against what is expected. cut_short: of a recording without end."""
    table = FittedTable(f"Cadence{CUT_SHORT * cut_short}, by header stamps [ms]")
    table.add_column("stream")
    for heading, rank in (
        ("messages", 3), ("rate [Hz]", 0), ("expected", 1), ("p50", 2), ("p95", 4), ("p99", 4), ("max", 0), ("allowed", 0),
        ("late", 1), ("absent", 1),
    ):  # fmt: skip
        table.add_column(heading, right=True, rank=rank)
    for name, c in cadence.items():
        rates = (_number(c["rate_hz"], 2), _number(c["expected_hz"], 2))
        beyond = bool(c["beyond_limit"])
        counts = [
            "" if c[key] is None else Text(str(c[key]), style="yellow" if c[key] else "") for key in ("late", "absent")
        ]
        limit = Text(_number(c["limit_ms"], 0), style="red" if beyond else "")
        table.add_row(Text(name), str(c["messages"]), *rates, *_cells(c["interval"])[1:], limit, *counts)
    return table


def _lines(content: dict) -> Iterator[Text]:
    section = content["overall"]
    share, rows = section["ledger_share"], section["identity"]
    if share is not None:
        words = f"accounted for: {section['accounted']} of {section['sent']} chunks ({share:.2%})"
        yield Text(
            f"{words}: {section['complete']} with a complete row, {section['told_by_verdict']} by their verdict", "bold"
        )
    if section["in_flight"]:
        yield Text(f"in flight: {section['in_flight']}")
    yield Text(f"verdicts: {', '.join(f'{name} {count}' for name, count in section['verdicts'].items()) or 'none'}")
    if rows["rows"]:
        yield Text(f"parts add up to the whole: {rows['rows']} rows, largest difference {rows['largest_error_ns']} ns")
    for lack, count in section["missing"].items():
        yield Text(f"missing: {lack} of {count} chunks", "yellow")
    for part, reasons in section["unknown"].items():
        for why, count in reasons.items():
            yield Text(f"unknown: {part} of {count} chunks: {why}", "yellow")
    for one in section["unaccounted"][:_NAMED]:
        yield Text(f"not accounted for: run {one['run_id'][:8]} sequence {one['sequence']}: {one['why']}", "red")
    if section["unaccounted_count"] > _NAMED:
        yield Text(f"... {section['unaccounted_count']} in all are not accounted for; --json names more", "red")
    for name, c in content["cadence"].items():
        for key, words in (("repeated", "stamps stand still"), ("set_back", "stamps go back")):
            if c[key]:
                yield Text(f"{name}: {words}, {c[key]} times", "yellow")
        if c["beyond_limit"]:
            yield Text(f"{name}: {c['beyond_limit']} intervals longer than the card's {c['limit_ms']:g} ms", "red")
        elif not c["messages"]:
            yield Text(f"{name}: none heard", "yellow")
    for topic, count in content["unreadable"].items():
        yield Text(f"could not be read: {count} of the messages on {topic}", "red")
    for note in content["notes"]:
        yield Text(f"note: {note}", "dim")


def _cells(figures: dict) -> list[str]:
    return [str(figures["count"]), *(_number(figures[name], 1) for name in FIGURES)]


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
