"""Replay and preflight in short."""

from __future__ import annotations

import math

from vla_eval.report.content import Content
from vla_eval.report.folder import RunFolder


def replay_section(run: RunFolder) -> dict | None:
    """None without replay.json. ReportError names what is malformed in it."""
    content = run.json.get("replay.json")
    if content is None:
        return None
    return {
        "seconds": content.number("seconds"),
        "realtime_factor": content.number("realtime_factor"),
        "chunks": content.number("observations", "chunks"),
        "rebuilt": content.number("observations", "rebuilt"),
        "absent": content.numbers("observations", "absent"),
        "state_equal": content.number("observations", "state_equal"),
        "agreement": content.numbers("recorded", "controller_agreement"),
        "controller": _controller(content, "recorded", "controller"),
        "policies": [_policy(content, name) for name in content.mapping("policies")],
        "between": _comparison(content, "between"),
        "shadow": _comparison(content, "shadow"),
        "faults": content.numbers("faults", "done"),
        "refused_share": content.number("faults", "refused_share"),
        "scores": content.numbers("scores"),
        "truncated": content.get("truncated") is True,
    }


def _policy(content: Content, name: str) -> dict:
    at = ("policies", name)
    nothing = {"chunks": None, "equal": None, "columns": [], "cosine": {}, "gripper": {}}
    return {
        "name": name,
        "policy": content.text(*at, "policy"),
        "checkpoint_hash": content.text(*at, "checkpoint_hash"),
        **(_comparison(content, *at, "against_recorded") or nothing),
        "latency_p50": content.number(*at, "latency_ms", "p50"),
        "latency_p99": content.number(*at, "latency_ms", "p99"),
        "failed": content.numbers(*at, "failed"),
        "controller": _controller(content, *at, "controller"),
    }


def _comparison(content: Content, *at: str) -> dict | None:
    """Two sequences of chunks against each other; None where they were not compared."""
    if not content.mapping(*at):
        return None
    return {
        "chunks": content.number(*at, "chunks"),
        "equal": content.number(*at, "equal_chunks"),
        "columns": [_column(content, *at, "columns", column) for column in content.mapping(*at, "columns")],
        "cosine": {group: content.number(*at, "cosine", group, "mean") for group in content.mapping(*at, "cosine")},
        "gripper": content.numbers(*at, "gripper_accuracy"),
    }  # fmt: skip


def _column(content: Content, *at: str) -> dict:
    """Where a value was not finite the distances are not either, whatever those of the others are."""
    told = {name: content.number(*at, name) for name in ("mean_abs", "p95", "max")}
    if content.number(*at, "not_finite"):
        told = dict.fromkeys(told, math.inf)
    return {"name": at[-1], "unit": content.text(*at, "unit"), **told}


def _controller(content: Content, *at: str) -> dict | None:
    if not content.mapping(*at):
        return None
    numbers = ("chunks", "accepted", "steps_executed", "steps_clamped", "clamped_share", "violations", "samples", "rms_jerk")
    return {
        **{name: content.number(*at, name) for name in numbers},
        "arm": content.text(*at, "arm"),
        "refused": content.numbers(*at, "refused"),
        "clamped_by": content.numbers(*at, "clamped_by"),
        "violations_by": content.numbers(*at, "violations_by"),
        "worst": content.text(*at, "worst_violation"),
        "peaks": content.numbers(*at, "peaks"),
    }


def replay_graph_section(run: RunFolder) -> dict | None:
    """What `vla replay --graph` played; None without replay_graph.json. ReportError names what is malformed in it."""
    content = run.json.get("replay_graph.json")
    if content is None:
        return None
    runs = [Content(f"{content.name}: graph.runs[{k}]", raw) for k, raw in enumerate(content.rows("graph", "runs"))]
    numbers = (
        "seconds", "wall_seconds", "rate", "clock_messages", "clock_set_back", "latest_ms", "chunks_heard",
    )  # fmt: skip
    return {
        **{name: content.number("graph", name) for name in numbers},
        "bag": content.text("graph", "bag"),
        "played": content.numbers("graph", "played"),
        "missing": [str(topic) for topic in content.rows("graph", "missing_topics")],
        "runs": [
            {"instruction": one.text("instruction"), "accepted": one.get("accepted") is True, "remark": one.text("remark")}
            for one in runs
        ],
    }


def preflight_section(run: RunFolder) -> dict | None:
    """None without preflight.json. ReportError names what is malformed in it."""
    content = run.json.get("preflight.json")
    if content is None:
        return None
    findings = []
    for k, raw in enumerate(content.rows("findings")):
        finding = Content(f"{content.name}: findings[{k}]", raw)
        findings.append({f: finding.text(f) for f in ("severity", "field", "check", "seen", "expected", "todo")})
    return {
        "errors": content.number("errors"),
        "warnings": content.number("warnings"),
        "seconds": content.number("seconds"),
        "findings": findings,
        "unchecked": [str(line) for line in content.rows("unchecked")],
    }
