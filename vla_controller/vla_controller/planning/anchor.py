"""When each step is due, and which steps are still to come."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vla_contract.chunk import ActionChunk

SHORTEST_FIRST_NS = 10_000_000
_SHORTEST_PART = 0.05


@dataclass(frozen=True)
class Schedule:
    """When the steps of a chunk are due, and which of them are planned.

    due_ns (H,) int64: when target i is to be reached. Steps first .. last - 1 are planned: those before are past, or
    committed to what was planned already; those from ``last`` on are due after deadline_ns, when the stop has to begin.
    partial: share of step ``last`` that is done until the deadline, 0 where none is. rest_by_ns: when the arm is at rest at
    the latest. splice_ns: when the new motion takes over. period_ns: from step to step, stretched by speed_scale.
    at_rest: the chunk found the arm at rest, and its step 0 starts at the splice.
    """

    due_ns: np.ndarray
    first: int
    last: int
    partial: float
    splice_ns: int
    deadline_ns: int
    rest_by_ns: int
    period_ns: int
    speed_scale: float
    at_rest: bool

    @property
    def planned(self) -> slice:
        """The steps that are planned, the partial one included."""
        return slice(self.first, self.last + (self.partial > 0.0))

    @property
    def knots_ns(self) -> np.ndarray:
        """When the planned steps end, the partial one at the deadline."""
        knots = self.due_ns[self.first : self.last]
        return np.append(knots, self.deadline_ns) if self.partial > 0.0 else knots


def make_schedule(
    chunk: ActionChunk,
    splice_ns: int,
    max_open_loop_ns: int,
    *,
    at_rest: bool,
    speed_scale: float = 1.0,
    brake_ns: int = 0,
    whole_ms: bool = True,
) -> Schedule:
    """Due times of the steps of a chunk whose new motion can take over at splice_ns at the earliest.

    At rest, step 0 begins at the splice. Else step i is due at stamp + (i + 1) * period, committed steps stay as they
    were planned, and the splice is moved (by less than 1 ms, or to the end of the last committed step) to lie a whole
    number of milliseconds before the first step planned; not where whole_ms is False. speed_scale stretches the period; the
    open-loop limit stays: until then the arm is at rest, and brake_ns before it the last step ends.
    """
    period_ns = round(chunk.step_period_ns / speed_scale)
    due = (splice_ns if at_rest else chunk.stamp_ns) + period_ns * np.arange(1, chunk.horizon + 1, dtype=np.int64)
    first = 0
    if not at_rest:
        if chunk.committed_steps:
            splice_ns = max(splice_ns, int(due[min(chunk.committed_steps, chunk.horizon) - 1]))
        first = int(np.searchsorted(due, splice_ns + SHORTEST_FIRST_NS, side="left"))
        if whole_ms and first < chunk.horizon:
            splice_ns = int(due[first]) - (int(due[first]) - splice_ns) // 1_000_000 * 1_000_000
    rest_by_ns = chunk.stamp_ns + max_open_loop_ns
    deadline_ns = min(chunk.stamp_ns + chunk.valid_for_ns, rest_by_ns - brake_ns)
    last, partial = planned_until(due, period_ns, first, splice_ns, deadline_ns)
    return Schedule(due, first, last, partial, splice_ns, deadline_ns, rest_by_ns, period_ns, speed_scale, at_rest)


def planned_until(due_ns: np.ndarray, period_ns: int, first: int, splice_ns: int, deadline_ns: int) -> tuple[int, float]:
    """The first step that is due after the deadline, and the share of it that is done until then."""
    last = max(first, int(np.searchsorted(due_ns, deadline_ns, side="right")))
    if last == len(due_ns):
        return last, 0.0
    before = int(due_ns[last]) - period_ns
    partial = (deadline_ns - before) / period_ns
    if partial < _SHORTEST_PART or deadline_ns - max(before, splice_ns) < SHORTEST_FIRST_NS:
        partial = 0.0
    return last, partial
