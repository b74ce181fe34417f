"""From a chunk to a plan that continues the commanded motion, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.chunk import ActionChunk
from vla_contract.report import Verdict
from vla_controller.planning.anchor import Schedule, make_schedule
from vla_controller.planning.arm import Request
from vla_controller.planning.arm_group import ArmGroup
from vla_controller.planning.chunk_plan import ChunkPlan, make_requests, plan_chunk
from vla_controller.planning.effort import BRAKES_NS, SHORTEST_BRAKE_NS
from vla_controller.planning.slower import plan_slower
from vla_controller.planning.smoothing import Smoothing
from vla_controller.planning.straight import plan_straight
from vla_controller.planning.strategy import make_strategy
from vla_controller.refusal import Refusal

SLOWEST = 0.05
_ROUNDS = 4


@dataclass(frozen=True)
class Stitched:
    """A plan, when its steps are due, and what the chunk asked of each arm."""

    schedule: Schedule
    plan: ChunkPlan
    requests: list[Request]


class Stitcher:
    """Plans chunks into the motion of all arms, by one strategy and at one speed scale.

    margin_ns: from now to the earliest splice. Raises ValueError for an unknown strategy.
    """

    def __init__(self, card: InterfaceCard, arms: ArmGroup, strategy: str, margin_ns: int) -> None:
        self.strategy = make_strategy(strategy)
        self.margin_ns = margin_ns
        self._arms = arms
        self._max_open_loop_ns, self._smoothing = card.max_open_loop_ns, Smoothing.from_card(card)
        self._speed_scale = self._committed_scale = 1.0

    @property
    def speed_scale(self) -> float:
        """Speed of the steps of the chunks to come, as a share of what they ask for."""
        return self._speed_scale

    @speed_scale.setter
    def speed_scale(self, scale: float) -> None:
        if not SLOWEST <= scale <= 1.0:
            raise ValueError(f"speed_scale is {scale}, allowed is {SLOWEST} to 1")
        self._speed_scale = float(scale)

    def longest_delay_ns(self, chunk: ActionChunk) -> int:
        """From observation to arrival: beyond it the strategy refuses the chunk while the arm moves [ns]."""
        period_ns = round(chunk.step_period_ns / self._speed_scale)
        return self.strategy.bound_ns(chunk, period_ns) - self.margin_ns

    def plan(self, chunk: ActionChunk, now_ns: int) -> Stitched | Refusal:
        """What the chunk makes of the motion under way. Changes nothing."""
        refusal = self._check_reference(chunk)
        if refusal is None and not self._arms.may_send(now_ns):
            refusal = Refusal(Verdict.SUPERSEDED, "the trajectory before it may still be on its way")
        return refusal or self._plan(chunk, now_ns)

    def _plan(self, chunk: ActionChunk, now_ns: int) -> Stitched | Refusal:
        """All steps where the stop behind them is over by the open-loop limit; else as many as leave it more and more time."""
        arms, timeline = self._arms.arms, self._arms.timeline
        refusal: Refusal | None = None
        tried = None
        for brake_ns in (0, *BRAKES_NS):
            schedule = self._schedule(chunk, now_ns, brake_ns)
            if isinstance(schedule, Refusal):
                return refusal or schedule
            until_ns = int(schedule.knots_ns[-1])
            if until_ns == tried or schedule.rest_by_ns - until_ns < SHORTEST_BRAKE_NS:
                continue
            tried = until_ns
            requests = make_requests(arms, timeline, chunk, schedule)
            shaped = self.strategy.shape(requests, now_ns)
            may_go_on = self._committed_scale == schedule.speed_scale
            plan = plan_straight(arms, shaped, timeline, chunk, schedule, may_go_on=may_go_on)
            if plan is None:
                plan = plan_chunk(arms, shaped, timeline, chunk, schedule, self._smoothing)
                if schedule.at_rest and (not isinstance(plan, ChunkPlan) or plan.gave_way):
                    given_way = plan
                    plan = plan_slower(arms, shaped, timeline, chunk, schedule, given_way) or given_way
            if isinstance(plan, ChunkPlan):
                return Stitched(schedule, plan, requests)
            refusal = refusal or Refusal(
                Verdict.INFEASIBLE, f"no motion within the limits: {plan}; the motion under way stays"
            )
            if plan.segment < len(schedule.knots_ns):  # not for want of time to stop
                break
        return refusal or Refusal(Verdict.EXPIRED, "no step is due early enough to be at rest by the open-loop limit")

    def commit(self, stitched: Stitched, now_ns: int) -> None:
        """Makes it the motion under way."""
        plan = stitched.plan
        self._arms.splice(now_ns, stitched.schedule.splice_ns, plan.times_ns, plan.q, plan.v, plan.a)
        self._committed_scale = stitched.schedule.speed_scale
        self.strategy.accepted(stitched.requests)

    def _schedule(self, chunk: ActionChunk, now_ns: int, brake_ns: int) -> Schedule | Refusal:
        """When the chunk's steps are due, the last at least brake_ns before the open-loop limit, or why none can be.

        Where that limit leaves less than twice as much, half of what it leaves is for the stop.
        """
        arms, at_rest = self._arms, not self._arms.moving(now_ns)
        splice_ns = arms.splice_instant(now_ns + self.margin_ns)
        room_ns = chunk.stamp_ns + self._max_open_loop_ns - splice_ns
        if not at_rest:
            period_ns = round(chunk.step_period_ns / self._speed_scale)
            refusal = self.strategy.refusal(chunk, period_ns, splice_ns - chunk.stamp_ns)
            if refusal is not None:
                return refusal
        schedule_of = partial(
            make_schedule,
            chunk,
            max_open_loop_ns=self._max_open_loop_ns,
            at_rest=at_rest,
            speed_scale=self._speed_scale,
            brake_ns=min(brake_ns, max(room_ns, 0) // 2),
        )
        for _ in range(_ROUNDS):  # moving the splice to whole milliseconds before a step may bring it near a knot again
            schedule = schedule_of(splice_ns)
            splice_ns = arms.splice_instant(schedule.splice_ns)
            if splice_ns == schedule.splice_ns:
                break
        else:  # on a knot, then, wherever the first step is
            schedule = schedule_of(splice_ns, whole_ms=False)
            if not arms.is_clear(schedule.splice_ns):
                return Refusal(
                    Verdict.INFEASIBLE, "no instant far enough from the knots of the motion under way; it stays"
                )
        if schedule.first >= chunk.horizon:
            return Refusal(Verdict.STALE, "every step lies in the past")
        if schedule.planned.stop <= schedule.first:
            return Refusal(Verdict.EXPIRED, "no step is due before the open-loop limit")
        return schedule

    def _check_reference(self, chunk: ActionChunk) -> Refusal | None:
        """Relative actions count from a state that has to be the arm's."""
        if not chunk.action_space.is_relative:
            return None
        arms = self._arms
        observed = arms.on_commanded_turns(chunk.stamp_ns, chunk.reference_positions)
        beyond = arms.timeline.distance_with_lag(chunk.stamp_ns, observed)
        joint = int(np.argmax(beyond - arms.tolerance))
        if beyond[joint] <= arms.tolerance[joint]:
            return None
        return Refusal(
            Verdict.DESYNC,
            f"reference_positions of {arms.joint_names[joint]} is {beyond[joint]:.2f} rad from the commanded motion at the "
            f"observation, {arms.tolerance[joint]:g} rad are allowed",
        )
