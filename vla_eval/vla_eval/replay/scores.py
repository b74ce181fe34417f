"""The few numbers of a replay that gates may bound."""

from __future__ import annotations

import math
from collections.abc import Iterable


def scores_of(figures: dict) -> dict[str, float | None]:
    """What gates may bound: the worst of the policies, or of the recorded chunks where no policy was replayed.

    None: not measured, of at least one of them. What is not finite anywhere counts as infinite.
    """
    sides = list(figures["policies"].values()) or [figures["recorded"]]
    controllers = [side["controller"] for side in sides if side.get("controller")]
    found, faults = figures["observations"], figures["faults"]
    asked = [(sum(c["refused"].values()), c["chunks"]) for c in controllers]
    return {
        "jump": _worst(_jump(side["jumps"], "max") for side in sides),
        "jump_p95": _worst(_jump(side["jumps"], "p95") for side in sides),
        "jerk": _worst(c["rms_jerk"] for c in controllers),
        "violations": _worst(c["violations"] if c["samples"] else None for c in controllers),
        "clamped": _worst(c["clamped_share"] for c in controllers),
        "refused_chunks": _worst(refused / chunks if chunks else None for refused, chunks in asked),
        "refused": faults["refused_share"] if faults else None,
        "absent": found["chunks"] - found["rebuilt"],
        "error": _worst(_error(side.get("against_recorded")) for side in sides),
        "failed": sum(sum(side["failed"].values()) for side in sides) if figures["policies"] else None,
    }


def _jump(jumps: dict, figure: str) -> float | None:
    return math.inf if any(row.get("not_finite") for row in jumps.values()) else jumps.get("jump", {}).get(figure)


def _error(row: dict | None) -> float | None:
    """None also where only grippers could be compared."""
    if not row or row["chunks"] == row.get("incomparable", 0):
        return None
    return _worst(math.inf if column["not_finite"] else column["mean_abs"] for column in row["columns"].values())


def _worst(values: Iterable[float | None]) -> float | None:
    """None where one is None: it may be the worst."""
    found = list(values)
    return None if None in found else max(found, default=None)
