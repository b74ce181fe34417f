"""How far the shadow is from the commanding policy, in words, for /diagnostics and the log. No ROS."""

from __future__ import annotations

import math

from vla_controller.diagnostics import Health, Level
from vla_eval.shadow.follower import ShadowCounts

BEHIND = 0.5
"""A shadow that answers a smaller share of the chunks than this tells little of the run."""


def judge(run_id: str, counts: ShadowCounts, divergence: dict, inference_ms: float, failure: str) -> Health:
    """divergence: as ``Comparison.as_dict``. inference_ms: of the newest answer [ms]."""
    took = "none yet" if math.isnan(inference_ms) else f"{inference_ms:.1f}"
    values = {
        "run": run_id or "none yet", "chunks": str(counts.heard), "answered": str(counts.answered),
        "skipped": str(counts.skipped), "failed": str(counts.failed), "inference [ms]": took,
    }  # fmt: skip
    values |= {f"absent: {what}": str(count) for what, count in counts.absent.items()}
    for name, row in divergence["columns"].items():
        unit = f" [{row['unit']}]" if row["unit"] else ""
        values[f"{name} mean{unit}"], values[f"{name} max{unit}"] = f"{row['mean_abs']:.5f}", f"{row['max']:.5f}"
    for name, row in divergence["cosine"].items():
        values[f"{name} direction cosine"] = "nothing moves" if not row["count"] else f"{row['mean']:.3f}"
    for name, share in divergence["gripper_accuracy"].items():
        values[f"{name} agrees"] = f"{share:.3f}"
    return Health(*_level(counts, failure, divergence), values)


def _level(counts: ShadowCounts, failure: str, divergence: dict) -> tuple[Level, str]:
    if counts.foreign:
        return Level.ERROR, f"not compared: {failure}"
    if counts.failed:
        return Level.WARN, f"the shadow gave no actions for {counts.failed} of {counts.heard} chunks: {failure}"
    words = summary(counts, divergence)
    return (Level.WARN if counts.answered_share < BEHIND else Level.OK), words


def summary(counts: ShadowCounts, divergence: dict) -> str:
    """One line: how many chunks were answered, and how far apart the two are."""
    if not counts.heard:
        return "no chunk yet"
    words = [f"answered {counts.answered} of {counts.heard} chunks"]
    if counts.skipped:
        words.append(f"{counts.skipped} skipped, because it was busy")
    words += [f"{count} without {what}" for what, count in counts.absent.items()]
    for name, row in divergence["cosine"].items():
        if row["count"]:
            words.append(f"direction cosine of {name} {row['mean']:.3f}")
    for name, share in divergence["gripper_accuracy"].items():
        words.append(f"{name} agrees in {share:.1%} of the steps")
    return ", ".join(words)
