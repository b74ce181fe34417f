"""The few numbers of a replay that gates may bound."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from vla_evidence.figures.replay import (
    ComparisonFigures,
    FaultFigures,
    ObservationFigures,
    PolicyFigures,
    RecordedFigures,
    SpreadFigures,
)


def scores_of(
    found: ObservationFigures, recorded: RecordedFigures, policies: Mapping[str, PolicyFigures], faults: FaultFigures | None
) -> dict[str, float | None]:
    """What gates may bound: the worst of the policies, or of the recorded chunks where no policy was replayed.

    None: not measured, of at least one of them. What is not finite anywhere counts as infinite.
    """
    sides = list(policies.values()) or [recorded]
    controllers = [side.controller for side in sides if side.controller]
    offered = [(sum(c.refused.values()), c.chunks) for c in controllers]
    errors = [policy.against_recorded for policy in policies.values()] or [None]
    return {
        "jump": _worst(_jump(side.jumps, "max") for side in sides),
        "jump_p95": _worst(_jump(side.jumps, "p95") for side in sides),
        "jerk": _worst(c.rms_jerk for c in controllers),
        "violations": _worst(c.violations if c.samples else None for c in controllers),
        "clamped": _worst(c.clamped_share for c in controllers),
        "refused_chunks": _worst(refused / chunks if chunks else None for refused, chunks in offered),
        "refused": faults.refused_share if faults else None,
        "absent": found.chunks - found.rebuilt,
        "error": _worst(_error(row) for row in errors),
        "failed": sum(sum(policy.failed.values()) for policy in policies.values()) if policies else None,
    }


def _jump(jumps: Mapping[str, SpreadFigures], figure: str) -> float | None:
    if any(spread.not_finite for spread in jumps.values()):
        return math.inf
    return getattr(jumps["jump"], figure) if "jump" in jumps else None


def _error(row: ComparisonFigures | None) -> float | None:
    """None also where only grippers could be compared."""
    if row is None or row.chunks == row.incomparable:
        return None
    return _worst(math.inf if column.not_finite else column.mean_abs for column in row.columns.values())


def _worst(values: Iterable[float | None]) -> float | None:
    """None where one is None: it may be the worst."""
    found = list(values)
    return None if None in found else max(found, default=None)
