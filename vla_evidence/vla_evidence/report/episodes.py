"""The table of episodes, and a summary of the inferences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vla_evidence.report.charts import bar
from vla_evidence.report.folder import RunFolder
from vla_evidence.rows.rows import InferenceRow

MOST_ROWS = 1000
"""Longer tables make a page that no browser scrolls well; the file has them all."""


def episodes_section(run: RunFolder) -> dict | None:
    """None without episodes."""
    if not run.episodes:
        return None
    return {
        "rows": run.episodes[:MOST_ROWS],
        "count": len(run.episodes),
        "has_latency": any(row.latency_p50_ms is not None for row in run.episodes),
        "file": run.episodes_from,
    }


def inferences_section(run: RunFolder) -> list[dict]:
    """For each policy counts by verdict and by limit, and percentiles of latency (linear between order statistics).

    Also of the second policy of a comparison. Empty without rows.
    """
    made: list[dict] = []
    for folder in filter(None, (run, run.second)):
        policy_of = {row.run_id: Path(row.checkpoint).stem or row.policy for row in folder.episodes}
        groups: dict[tuple[str, str], list[InferenceRow]] = {}
        for row in folder.inferences:
            groups.setdefault((policy_of.get(row.run_id, ""), row.checkpoint_hash), []).append(row)
        for (policy, digest), rows in groups.items():
            name, key = policy or digest[:12] or "policy not recorded", f"inferences.{len(made)}"
            made.append({"name": name, "key": key, "file": folder.inferences_from, **_of_rows(rows)})
    return made


def _of_rows(rows: Sequence[InferenceRow]) -> dict:
    limits: Counter[str] = Counter()
    for row in rows:
        limits.update({str(clamp.get("limit", "")).split(" ")[0] or "other" for clamp in row.clamps})
    most = max(limits.values(), default=1)
    return {
        "count": len(rows),
        "verdicts": Counter(row.verdict or "no report" for row in rows).most_common(),
        "latency": _figures([row.latency_ms for row in rows]),
        "latency_unknown": Counter(row.latency_unknown for row in rows if row.latency_unknown).most_common(),
        "inference": _figures([row.inference_ms for row in rows]),
        "executed": sum(row.steps_executed for row in rows),
        "clamped": sum(row.steps_clamped for row in rows),
        "limits": [(name, count, bar(count / most, "clamp")) for name, count in limits.most_common()],
    }


def _figures(values: list[float | None]) -> dict:
    known = [value for value in values if value is not None and np.isfinite(value)]
    if not known:
        return {"count": 0, "p50": None, "p95": None, "p99": None, "max": None}
    p50, p95, p99 = (float(p) for p in np.percentile(known, (50, 95, 99)))
    return {"count": len(known), "p50": p50, "p95": p95, "p99": p99, "max": float(max(known))}
