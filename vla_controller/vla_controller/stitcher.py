"""From a chunk to a plan that continues the commanded motion, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from vla_contract.chunk import ActionChunk
from vla_contract.report import Verdict

from .anchor import Schedule, make_schedule
from .arm import Request
from .cell import Cell
from .chunk_plan import ChunkPlan, make_requests, plan_chunk
from .gate import Refusal
from .limits import Violation
from .strategy import make_strategy
from .tracking import distance

SLOWEST = 0.05
_ROUNDS = 4


@dataclass(frozen=True)
class Stitched:
    """A plan, when its steps are due, and what the chunk asked of each arm."""

    schedule: Schedule
    plan: ChunkPlan
    requests: list[Request]


class Stitcher:
    """Plans chunks into the motion of a cell, by one strategy and at one speed scale.

    margin_ns: from now to the earliest splice. max_open_loop_ns: of the card. Raises ValueError for an unknown strategy.
    """

    def __init__(self, cell: Cell, strategy: str, margin_ns: int, max_open_loop_ns: int) -> None:
        self.strategy = make_strategy(strategy)
        self._cell = cell
        self._margin_ns = margin_ns
        self._max_open_loop_ns = max_open_loop_ns
        self._speed_scale = 1.0

    @property
    def speed_scale(self) -> float:
        """Speed of the steps of the chunks to come, as a share of what they ask for."""
        return self._speed_scale

    @speed_scale.setter
    def speed_scale(self, scale: float) -> None:
        if not SLOWEST <= scale <= 1.0:
            raise ValueError(f"speed_scale is {scale}, allowed is {SLOWEST} to 1")
        self._speed_scale = float(scale)

    def plan(self, chunk: ActionChunk, now_ns: int) -> Stitched | Refusal:
        """What the chunk makes of the motion under way. Changes nothing."""
        refusal = self._check_reference(chunk)
        if refusal is None and not self._cell.may_send(now_ns):
            refusal = Refusal(Verdict.SUPERSEDED, "the trajectory before it may still be on its way")
        schedule = refusal or self._schedule(chunk, now_ns)
        if isinstance(schedule, Refusal):
            return schedule
        cell = self._cell
        start = cell.timeline.sample(schedule.splice_ns)[0]
        for arm in cell.arms:
            arm.start_from(start[arm.joints])
        requests = make_requests(cell.arms, cell.timeline, chunk, schedule)
        plan = plan_chunk(cell.arms, self.strategy.shape(requests, now_ns), cell.timeline, chunk, schedule)
        if isinstance(plan, Violation):
            return Refusal(Verdict.INFEASIBLE, f"no motion within the limits: {plan}; the motion under way stays")
        return Stitched(schedule, plan, requests)

    def commit(self, stitched: Stitched, now_ns: int) -> None:
        """Makes it the motion under way."""
        plan = stitched.plan
        self._cell.splice(now_ns, stitched.schedule.splice_ns, plan.times_ns, plan.q, plan.v, plan.a)
        self.strategy.accepted(stitched.requests)

    def _schedule(self, chunk: ActionChunk, now_ns: int) -> Schedule | Refusal:
        """When the chunk's steps are due, or why none can be."""
        cell, at_rest = self._cell, not self._cell.moving(now_ns)
        splice_ns = cell.splice_instant(now_ns + self._margin_ns)
        if not at_rest:
            period_ns = round(chunk.step_period_ns / self._speed_scale)
            refusal = self.strategy.refusal(chunk, period_ns, splice_ns - chunk.stamp_ns)
            if refusal is not None:
                return refusal
        schedule_of = partial(
            make_schedule, chunk, max_open_loop_ns=self._max_open_loop_ns, at_rest=at_rest, speed_scale=self._speed_scale
        )
        for _ in range(_ROUNDS):  # moving the splice to whole milliseconds before a step may bring it near a knot again
            schedule = schedule_of(splice_ns)
            splice_ns = cell.splice_instant(schedule.splice_ns)
            if splice_ns == schedule.splice_ns:
                break
        else:  # on a knot, then, wherever the first step is
            schedule = schedule_of(splice_ns, whole_ms=False)
            if not cell.is_clear(schedule.splice_ns):
                return Refusal(Verdict.INFEASIBLE, "no instant far enough from the knots of the motion under way; it stays")
        if schedule.first >= chunk.horizon:
            return Refusal(Verdict.STALE, "every step lies in the past")
        if schedule.planned.stop <= schedule.first:
            return Refusal(Verdict.EXPIRED, "no step is due before the open-loop limit")
        return schedule

    def _check_reference(self, chunk: ActionChunk) -> Refusal | None:
        """Relative actions count from a state that has to be the arm's."""
        if not chunk.action_space.is_relative:
            return None
        cell = self._cell
        beyond = distance(cell.timeline, chunk.stamp_ns, chunk.reference_positions)
        joint = int(np.argmax(beyond - cell.tolerance))
        if beyond[joint] <= cell.tolerance[joint]:
            return None
        return Refusal(
            Verdict.DESYNC,
            f"reference_positions of {cell.joint_names[joint]} is {beyond[joint]:.2f} rad from the commanded motion at the "
            f"observation, {cell.tolerance[joint]:g} rad are allowed",
        )
