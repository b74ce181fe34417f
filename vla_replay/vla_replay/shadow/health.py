"""How far the shadow is from the commanding policy, in words, for /diagnostics and the log. No ROS."""

from __future__ import annotations

import math

from vla_controller.books.diagnostics import Health, Level
from vla_evidence.figures.replay import ComparisonFigures
from vla_replay.shadow.follower import ShadowCounts

BEHIND = 0.5
"""A shadow that answers a smaller share of the chunks than this tells little of the run."""


def judge(run_id: str, counts: ShadowCounts, divergence: ComparisonFigures, inference_ms: float, failure: str) -> Health:
    """inference_ms: of the newest answer [ms].

    A figure that no finite value is behind is "not finite". WARN where a value is not finite: the figures leave it out.
    """
    took = "none yet" if math.isnan(inference_ms) else f"{inference_ms:.1f}"
    values = {
        "run": run_id or "none yet", "chunks": str(counts.heard), "answered": str(counts.answered),
        "skipped": str(counts.skipped), "failed": str(counts.failed), "inference [ms]": took,
    }  # fmt: skip
    values |= {f"absent: {what}": str(count) for what, count in counts.absent.items()}
    for name, row in divergence.columns.items():
        unit = f" [{row.unit}]" if row.unit else ""
        values[f"{name} mean{unit}"], values[f"{name} max{unit}"] = _size(row.mean_abs), _size(row.max)
        if row.not_finite:
            values[f"{name} not finite"] = str(row.not_finite)
    for name, row in divergence.cosine.items():
        nothing = "not finite" if row.not_finite else "nothing moves"
        values[f"{name} direction cosine"] = f"{row.mean:.3f}" if row.count else nothing
    for name, share in divergence.gripper_accuracy.items():
        values[f"{name} agrees"] = f"{share:.3f}"
    return Health(*_level(counts, failure, divergence), values)


def _level(counts: ShadowCounts, failure: str, divergence: ComparisonFigures) -> tuple[Level, str]:
    if counts.foreign:
        return Level.ERROR, f"not compared: {failure}"
    if counts.failed:
        return Level.WARN, f"the shadow gave no actions for {counts.failed} of {counts.heard} chunks: {failure}"
    warn = counts.answered_share < BEHIND or bool(_not_finite(divergence))
    return (Level.WARN if warn else Level.OK), summary(counts, divergence)


def _size(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.5f}"


def _not_finite(divergence: ComparisonFigures) -> list[str]:
    return [f"{name} not finite {row.not_finite} times" for name, row in divergence.columns.items() if row.not_finite]


def summary(counts: ShadowCounts, divergence: ComparisonFigures) -> str:
    """One line: how many chunks were answered, and how far apart the two are."""
    if not counts.heard:
        return "no chunk yet"
    words = [f"answered {counts.answered} of {counts.heard} chunks"]
    if counts.skipped:
        words.append(f"{counts.skipped} skipped, because it was busy")
    words += [f"{count} without {what}" for what, count in counts.absent.items()]
    words += _not_finite(divergence)
    for name, row in divergence.cosine.items():
        if row.count:
            words.append(f"direction cosine of {name} {row.mean:.3f}")
    for name, share in divergence.gripper_accuracy.items():
        words.append(f"{name} agrees in {share:.1%} of the steps")
    return ", ".join(words)
