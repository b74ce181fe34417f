"""When each step is due, which steps are still to come, and what absolute targets they mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vla_contract.chunk import ActionChunk
from vla_contract.report import Clamp
from vla_motion import rotation
from vla_motion.action_conversion import ee_delta_targets

from .limits import Limits

_SHORTEST_FIRST_NS = 10_000_000
_INWARD = 0.002  # [m] a step
_AXES = "xyz"


@dataclass(frozen=True)
class Schedule:
    """When the steps of a chunk are due, and which of them are planned.

    due_ns (H,) int64: when target i is to be reached. Steps first .. last - 1 are planned: those before are past, those
    from ``last`` on are due after deadline_ns, the open-loop limit. splice_ns: when the new motion takes over. at_rest:
    the chunk found the arm at rest, and its step 0 starts at the splice.
    """

    due_ns: np.ndarray
    first: int
    last: int
    splice_ns: int
    deadline_ns: int
    at_rest: bool


def make_schedule(chunk: ActionChunk, splice_ns: int, max_open_loop_ns: int, *, at_rest: bool) -> Schedule:
    """Due times of the steps of a chunk whose new motion can take over at splice_ns at the earliest.

    At rest, step 0 begins at the splice. Else step i is due at stamp + (i + 1) * period, and the splice is moved (by
    less than 1 ms) to lie a whole number of milliseconds before the first step planned.
    """
    if at_rest:
        due = splice_ns + chunk.step_stamps_ns() - chunk.stamp_ns
        first = 0
    else:
        due = chunk.step_stamps_ns()
        first = int(np.searchsorted(due, splice_ns + _SHORTEST_FIRST_NS, side="left"))
        if first < chunk.horizon:
            splice_ns = int(due[first]) - (int(due[first]) - splice_ns) // 1_000_000 * 1_000_000
    deadline_ns = chunk.stamp_ns + min(chunk.valid_for_ns, max_open_loop_ns)
    last = int(np.searchsorted(due, deadline_ns, side="right"))
    return Schedule(due, first, max(last, first), splice_ns, deadline_ns, at_rest)


def box_inside(limits: Limits, inset: float) -> tuple[np.ndarray, np.ndarray]:
    """The workspace box, ``inset`` [m] smaller on each side, never turned inside out."""
    inset = np.minimum(inset, 0.45 * (limits.box_upper - limits.box_lower))
    return limits.box_lower + inset, limits.box_upper - inset


def clamped_deltas(
    T_anchor: np.ndarray,
    actions: np.ndarray,
    period: float,
    limits: Limits,
    *,
    inset: float,
    share: float,
    first_step: int = 0,
) -> tuple[np.ndarray, list[Clamp]]:
    """Targets (H, 4, 4) of EE_DELTA actions (H, 6), kept in the box and below the tool's speeds.

    After a clamp the steps go on from the clamped pose. T_anchor (4, 4) in the base frame; period [s]; inset [m] off
    the box, share of the tool speeds. Clamps count steps from first_step. A tool that starts outside the box
    moves inward, if only slowly.
    """
    farthest, widest = share * limits.tool_speed * period, share * limits.tool_angular_speed * period
    lower, upper = box_inside(limits, inset)
    lower, upper = np.minimum(lower, T_anchor[:3, 3]), np.maximum(upper, T_anchor[:3, 3])
    T = ee_delta_targets(T_anchor, actions)
    steps = np.linalg.norm(actions.reshape(-1, 2, 3), axis=2)
    # a box that had to be widened to hold the start is drawn in step by step, below
    starts_inside = np.array_equal((lower, upper), box_inside(limits, inset))
    stays_inside = starts_inside and np.all((T[:, :3, 3] >= lower) & (T[:, :3, 3] <= upper))
    if stays_inside and np.all(steps[:, 0] <= farthest) and np.all(steps[:, 1] <= widest):
        return T, []
    clamps: list[Clamp] = []
    pose = T_anchor
    for i, delta in enumerate(actions):
        move, turn = delta[:3], delta[3:]
        if steps[i, 0] > farthest:
            clamps.append(Clamp(first_step + i, "tool_speed", float(steps[i, 0] - farthest) / period))
            move = move * (farthest / steps[i, 0])
        if steps[i, 1] > widest:
            clamps.append(Clamp(first_step + i, "tool_angular_speed", float(steps[i, 1] - widest) / period))
            turn = turn * (widest / steps[i, 1])
        position, outside = keep_inside(pose[:3, 3] + move, lower, upper)
        for axis, amount in outside:
            clamps.append(Clamp(first_step + i, f"workspace {axis}", amount))
        pose = T[i] = rotation.pose(position, rotation.exp(turn) @ pose[:3, :3])
        lower, upper = _tightened(limits, inset, position, lower, upper)
    return T, clamps


def keep_inside(p: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, list[tuple[str, float]]]:
    """The nearest point to p (3,) in a box, and for each axis that was outside its name and by how much [m]."""
    inside = np.minimum(np.maximum(p, lower), upper)
    amounts = np.abs(p - inside)
    return inside, [(_AXES[axis], float(amounts[axis])) for axis in np.flatnonzero(amounts > 0.0)]


def _tightened(
    limits: Limits, inset: float, p: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What was won inward is not given back, and a little is won with each step."""
    box_lower, box_upper = box_inside(limits, inset)
    return (
        np.maximum(lower, np.minimum(box_lower, p + _INWARD)),
        np.minimum(upper, np.maximum(box_upper, p - _INWARD)),
    )
