"""Whether two setups tell the same about several policies: Pearson r and mean maximum rank violation."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vla_eval.trials.errors import TrialsError


def pearson(first: Sequence[float], second: Sequence[float]) -> float:
    """Correlation of the rates; NaN where one setup gives all policies the same rate."""
    a, b = np.asarray(first, float), np.asarray(second, float)
    a, b = a - a.mean(), b - b.mean()
    scale = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / scale if scale > 1e-12 else math.nan


def mean_maximum_rank_violation(reference: Sequence[float], other: Sequence[float]) -> float:
    """MMRV of X. Li et al., "Evaluating Real-World Robot Manipulation Policies in Simulation" (SIMPLER), arXiv 2405.05941.

    With rates R of the reference setup (there: the real robot) and S of the other (there: simulation),

        MMRV = mean over i of max over j of |R_i - R_j| * [(S_i > S_j) != (R_i > R_j)].

    0 where the other setup orders all policies as the reference does; at worst the largest difference in R that it gets wrong.
    """
    R, S = np.asarray(reference, float), np.asarray(other, float)
    violated = (S[:, None] > S[None, :]) != (R[:, None] > R[None, :])
    return float(np.mean(np.max(np.abs(R[:, None] - R[None, :]) * violated, axis=1)))


@dataclass(frozen=True)
class Scored:
    """One policy in one setup: name, setup, what it was tried on, and its success."""

    path: str
    policy: str
    setup: str
    asked: tuple
    trials: int
    rate: float


def read_scored(path: Path) -> Scored:
    """From a summary of `vla eval`, or the folder that holds one.

    Raises:
        TrialsError: The file is no such summary, or has no trial with a known outcome.
    """
    file = path / "eval.json" if path.is_dir() else path
    try:
        figures = json.loads(file.read_text())
        rows = figures["rows"]
        known = [row["success"] for row in rows if row["success"] is not None]
        asked = (figures["split"], figures["perturbation"], tuple(sorted((row["task"], row["seed"]) for row in rows)))
        if not known:
            raise TrialsError(f"{file}: no trial has a known outcome")
        return Scored(str(path), figures["policy"], figures["setup"], asked, len(known), sum(known) / len(known))
    except FileNotFoundError:
        raise TrialsError(f"{file} does not exist; `vla eval --json` or `--out` writes it") from None
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, TrialsError):
            raise
        raise TrialsError(f"{file}: not a summary of `vla eval` ({type(error).__name__}: {error})") from None


def agreement(scored: Sequence[Scored], reference: str = "standard") -> dict:
    """Agreement of two setups over the policies that were tried in both, ready for JSON.

    Raises:
        TrialsError: Not two setups, fewer than two policies in both, a policy twice in one, or trials of different tasks,
            seeds, splits or perturbations: their rates could not be compared.
    """
    setups = sorted({s.setup for s in scored}, key=lambda setup: (setup != reference, setup))
    if len(setups) != 2:
        raise TrialsError(f"agreement is between two setups, these are of: {', '.join(setups) or 'none'}")
    by_setup: dict[str, dict[str, Scored]] = {setup: {} for setup in setups}
    for one in scored:
        if one.policy in by_setup[one.setup]:
            raise TrialsError(
                f"{one.path}: policy '{one.policy}' in setup '{one.setup}' is also in {by_setup[one.setup][one.policy].path}"
            )
        if one.asked != scored[0].asked:
            raise TrialsError(f"{one.path}: tried on other tasks, seeds, split or perturbations than {scored[0].path}")
        by_setup[one.setup][one.policy] = one
    first, second = by_setup.values()
    both = [name for name in first if name in second]
    if len(both) < 2:
        raise TrialsError(
            f"{len(both)} policies were tried in both setups, agreement needs at least 2 (3 to mean much)"
        )
    R, S = [first[name].rate for name in both], [second[name].rate for name in both]
    r = pearson(R, S)
    return {
        "setups": setups,
        "policies": [
            {
                "policy": name,
                "rates": [first[name].rate, second[name].rate],
                "trials": [first[name].trials, second[name].trials],
            }
            for name in both
        ],
        "left_out": sorted(first.keys() ^ second.keys()),
        "pearson_r": None if math.isnan(r) else round(r, 4),
        "mmrv": round(mean_maximum_rank_violation(R, S), 4),
    }
