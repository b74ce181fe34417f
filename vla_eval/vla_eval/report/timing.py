"""The timing ledger: parts at p50, p95, p99 and the mean, cadence, and the share of chunks accounted for."""

from __future__ import annotations

from vla_eval.report.charts import bar, stacked_bar
from vla_eval.report.content import Content
from vla_eval.report.folder import RunFolder

WORDS = {
    "camera_to_receipt": "camera to receipt",
    "wait": "wait before inference",
    "inference": "inference",
    "transport": "transport",
    "planning": "planning",
    "lead": "lead to first setpoint",
    "camera_to_inference": "camera to inference",
    "received_to_actuation": "received to first setpoint",
    "camera_to_trajectory": "camera to trajectory",
    "camera_to_actuation": "age at actuation",
}
FIGURES = ("p50_ms", "p95_ms", "p99_ms", "mean_ms")
ROWS = (("median", "p50_ms"), ("95th", "p95_ms"), ("99th", "p99_ms"), ("mean", "mean_ms"))


def timing_section(run: RunFolder) -> dict | None:
    """None without ledger.json. ReportError names what is malformed in it."""
    content = run.json.get("ledger.json")
    if content is None:
        return None
    parts = [_line(content, "parts", name) for name in content.mapping("overall", "parts")]
    wholes = [_line(content, "wholes", name) for name in content.mapping("overall", "wholes")]
    whole = next((line for line in wholes if line["name"] == "camera_to_actuation"), {})
    measured = [line for line in parts if line["p50_ms"] is not None]
    longest = max(
        [sum(max(p[f] or 0.0, 0.0) for p in measured) for f in FIGURES] + [whole.get(f) or 0.0 for f in FIGURES], default=0.0
    )
    bars = []
    for words, figure in ROWS if measured and longest else ():
        drawn = [(p["words"], _length(p, figure, whole.get("mean_ms"))) for p in measured if p[figure] is not None]
        bars.append({"words": words, "whole": whole.get(figure), "svg": stacked_bar(drawn, longest, whole.get(figure))})
    return {
        **{name: content.number("overall", name) for name in
           ("sent", "accounted", "ledger_share", "complete", "told_by_verdict", "unaccounted_count", "unheard", "in_flight")},
        "time": content.text("overall", "time"),
        "same_host": content.get("overall", "same_host"),
        "seconds": content.number("seconds"),
        "identity_rows": content.number("overall", "identity", "rows"),
        "identity_error_ns": content.number("overall", "identity", "largest_error_ns"),
        "verdicts": content.numbers("overall", "verdicts"),
        "parts": parts,
        "wholes": wholes,
        "bars": bars,
        "legend": [(k % 8, p["words"]) for k, p in enumerate(measured)],
        "cadence": [_cadence(content, name) for name in content.mapping("cadence")],
        "notes": [str(note) for note in content.rows("notes")],
        "unaccounted": [_unaccounted(content, k) for k in range(min(len(content.rows("overall", "unaccounted")), 8))],
    }  # fmt: skip


def _length(part: dict, figure: str, whole_ms: float | None) -> float:
    """Of a part in a bar [ms]. The mean is that over complete rows, of which the shares are made: it adds up to the whole."""
    if figure == "mean_ms" and part["share"] is not None and whole_ms is not None:
        return part["share"] * whole_ms
    return part[figure]


def _line(content: Content, kind: str, name: str) -> dict:
    share = content.number("overall", kind, name, "share")
    return {
        "name": name,
        "words": WORDS.get(name, name),
        "count": content.number("overall", kind, name, "count"),
        **{figure: content.number("overall", kind, name, figure) for figure in (*FIGURES, "max_ms")},
        "share": share,
        "bar": "" if share is None else bar(share),
    }


def _cadence(content: Content, name: str) -> dict:
    fields = ("messages", "rate_hz", "expected_hz", "late", "absent", "limit_ms", "beyond_limit", "repeated", "set_back")
    return {
        "name": name,
        **{field: content.number("cadence", name, field) for field in fields},
        "p99_ms": content.number("cadence", name, "interval", "p99_ms"),
        "max_ms": content.number("cadence", name, "interval", "max_ms"),
    }


def _unaccounted(content: Content, index: int) -> str:
    row = Content(f"{content.name}: overall.unaccounted[{index}]", content.rows("overall", "unaccounted")[index])
    return f"run {row.text('run_id')[:8]}, chunk {row.number('sequence')}: {row.text('why')}"
