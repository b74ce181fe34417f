"""Bounds on the figures of a replay, for use in CI."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from vla_replay.offline.errors import ReplayError

GATES = {
    "jump": "largest discontinuity from one chunk to the next [m for Cartesian spaces, else rad]",
    "jump_p95": "its 95th percentile",
    "jerk": "RMS of the third difference of the joint trajectory [rad/s^3]",
    "violations": "instants at which the controller's trajectory is beyond a limit of the card",
    "clamped": "share of executed steps that the controller clamped",
    "refused_chunks": "share of chunks that the controller refused",
    "refused": "share of observations that the assembler refused",
    "absent": "recorded chunks whose observation the bag does not have whole",
    "error": "largest mean absolute open-loop error of a column, in the column's unit",
    "failed": "inferences that failed, or gave another shape than the card's",
}
"""Names that a gate may bound from above, and what they are."""


def parse_gates(words: Sequence[str]) -> dict[str, float]:
    """From words like "jump=0.05". ReplayError names the word, and what is allowed."""
    gates = {}
    for word in words:
        name, _, text = word.partition("=")
        if name not in GATES:
            raise ReplayError(f"gate {word!r}; there are: {', '.join(GATES)}")
        try:
            gates[name] = float(text)
        except ValueError:
            gates[name] = math.nan
        if not gates[name] >= 0.0:
            raise ReplayError(f"gate {word!r}: {text!r}, allowed is a number from 0 up")
    return gates


def exceeded(scores: Mapping[str, float | None], gates: Mapping[str, float]) -> list[str]:
    """One line for each bound that does not hold. A figure that is not finite exceeds every bound.

    Raises:
        ReplayError: A figure that is bounded was not measured: a gate never passes for want of a figure.
    """
    lines = []
    for name, bound in gates.items():
        value = scores.get(name)
        if value is None:
            raise ReplayError(f"gate {name}: this replay has no such figure ({GATES[name]}); it has {_measured(scores)}")
        if not value <= bound:
            lines.append(f"gate {name}: {value:.6g} exceeds {bound:.6g} ({GATES[name]})")
    return lines


def _measured(scores: Mapping[str, float | None]) -> str:
    return ", ".join(name for name, value in scores.items() if value is not None) or "none"
