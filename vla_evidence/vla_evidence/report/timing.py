"""The timing ledger: parts at p50, p95, p99 and the mean, cadence, and the share of chunks accounted for."""

from __future__ import annotations

from vla_evidence.figures.ledger import CadenceFigures, PartTimes, Times
from vla_evidence.report.charts import bar, stacked_bar
from vla_evidence.report.folder import RunFolder

WORDS = {
    "camera_to_receipt": "camera to receipt",
    "wait": "wait before inference",
    "inference": "inference",
    "transport": "transport",
    "planning": "planning",
    "lead": "lead to first setpoint",
    "camera_to_inference": "camera to inference",
    "received_to_actuation": "received to first setpoint",
    "camera_to_controller": "camera to controller",
    "camera_to_trajectory": "camera to trajectory",
    "camera_to_actuation": "age at actuation",
}
FIGURES = ("p50_ms", "p95_ms", "p99_ms", "mean_ms")
ROWS = (("median", "p50_ms"), ("95th", "p95_ms"), ("99th", "p99_ms"), ("mean", "mean_ms"))


def timing_section(run: RunFolder) -> dict | None:
    """None without ledger.json."""
    ledger = run.ledger
    if ledger is None:
        return None
    section = ledger.overall
    parts = [_line(name, times) for name, times in section.parts.items()]
    wholes = [_line(name, times) for name, times in section.wholes.items()]
    whole = next((line for line in wholes if line["name"] == "camera_to_actuation"), {})
    measured = [line for line in parts if line["p50_ms"] is not None]
    longest = max(
        [sum(max(p[f] or 0.0, 0.0) for p in measured) for f in FIGURES] + [whole.get(f) or 0.0 for f in FIGURES], default=0.0
    )
    bars = []
    for words, figure in ROWS if measured and longest else ():
        drawn = [(p["words"], _length(p, figure, whole.get("mean_ms"))) for p in measured if p[figure] is not None]
        bars.append({"words": words, "whole": whole.get(figure), "svg": stacked_bar(drawn, longest, whole.get(figure))})
    names = ("sent", "accounted", "ledger_share", "complete", "told_by_verdict", "unaccounted_count", "unheard", "in_flight")
    return {
        **{name: getattr(section, name) for name in (*names, "time", "same_host", "verdicts")},
        "seconds": ledger.seconds,
        "identity_rows": section.identity.rows,
        "identity_error_ns": section.identity.largest_error_ns,
        "parts": parts,
        "wholes": wholes,
        "bars": bars,
        "legend": [(k % 8, p["words"]) for k, p in enumerate(measured)],
        "cadence": [_cadence(name, stream) for name, stream in ledger.cadence.items()],
        "cut_short": ledger.cut_short,
        "notes": ledger.notes,
        "unaccounted": [f"run {one.run_id[:8]}, chunk {one.sequence}: {one.why}" for one in section.unaccounted[:8]],
    }


def _length(part: dict, figure: str, whole_ms: float | None) -> float:
    """Of a part in a bar [ms]. The mean is that over complete rows, of which the shares are made: it adds up to the whole."""
    if figure == "mean_ms" and part["share"] is not None and whole_ms is not None:
        return part["share"] * whole_ms
    return part[figure]


def _line(name: str, times: Times) -> dict:
    share = times.share if isinstance(times, PartTimes) else None
    return {
        "name": name,
        "words": WORDS.get(name, name),
        "count": times.count,
        **{figure: getattr(times, figure) for figure in (*FIGURES, "max_ms")},
        "share": share,
        "bar": "" if share is None else bar(share),
    }


def _cadence(name: str, stream: CadenceFigures) -> dict:
    return {"name": name, **vars(stream), "p99_ms": stream.interval.p99_ms, "max_ms": stream.interval.max_ms}
