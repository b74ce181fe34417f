"""Does the gripper open when it is told to?"""

from __future__ import annotations

import numpy as np

from vla_contract.card import ArmCard, InterfaceCard
from vla_replay.preflight.finding import Finding, error
from vla_replay.preflight.known import Known
from vla_replay.preflight.sample import Sample, Series

SETTLE_NS = 1_000_000_000
"""Time that fingers get to follow a command [ns]."""
SHORTEST_NS = 300_000_000
"""Commands that another follows sooner are not judged [ns]."""
GRID_NS = 20_000_000
MOVED = 0.15
"""Share of the travel that counts as motion."""
FAR_END = 0.85
"""Share of the travel beyond which fingers are at the other end than they were sent to."""


def check(card: InterfaceCard, sample: Sample, known: Known) -> list[Finding]:
    """Check ``gripper``: every change of the command votes for or against the card's polarity."""
    findings = []
    for i, arm in enumerate(card.arms):
        if arm.gripper is None:
            continue
        target = sample.targets.get(arm.gripper.joint)
        measured = sample.state.get(f"{arm.gripper.joint}.position")
        if target is None or measured is None:
            continue
        against, votes, example = _votes(arm, target, measured)
        if votes and against > votes / 2:
            findings.append(
                error(f"arms[{i}].gripper.open_position", "gripper",
                      f"in {against} of {votes} commands the fingers went to the other end, or stayed there: {example}",
                      f"open at {arm.gripper.open_position:g}, closed at {arm.gripper.closed_position:g}",
                      "look whether it moves at all; if so, swap open_position and closed_position, or reverse the driver")
            )  # fmt: skip
    return findings


def _votes(arm: ArmCard, target: Series, measured: Series) -> tuple[int, int, str]:
    """Commands answered the wrong way, commands answered at all, and the first wrong answer in words."""
    gripper = arm.gripper
    travel = gripper.open_position - gripper.closed_position
    share = (target.values - gripper.closed_position) / travel
    changes = np.flatnonzero(np.abs(np.diff(share, prepend=np.nan)) > 0.5)
    starts = [0, *changes[changes > 0]]
    against = votes = 0
    example = ""
    for start, following in zip(starts, [*starts[1:], None]):
        begin = target.at_ns[start]
        end = begin + SETTLE_NS if following is None else min(begin + SETTLE_NS, target.at_ns[following])
        end = min(end, measured.at_ns[-1])
        if end - begin < SHORTEST_NS:
            continue
        course = (measured.at(np.arange(begin, end + 1, GRID_NS)) - gripper.closed_position) / travel
        before, after = course[0], course[-1]
        if not np.isfinite(before) or not np.isfinite(after):
            continue
        wanted = share[start]
        moved = np.flatnonzero(np.abs(course - before) > MOVED)
        if len(moved):  # its first motion counts: later, an object or a new trial may move the fingers
            after = course[moved[0]]
            wrong = abs(after - wanted) > abs(before - wanted)
        elif end - begin == SETTLE_NS and max(wanted, after) > FAR_END and min(wanted, after) < 1 - FAR_END:
            wrong = True  # it stayed at the end that it should have left
        else:
            continue
        votes += 1
        against += bool(wrong)
        if wrong and not example:
            example = (f"sent to {target.values[start]:.4g}, it went from {before * travel + gripper.closed_position:.4g} "
                       f"to {after * travel + gripper.closed_position:.4g}")  # fmt: skip
    return against, votes, example
