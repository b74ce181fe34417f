"""A chunk that asks for more than the limits allow, done along its own way and more slowly, steps later than they are due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vla_contract.chunk import ActionChunk
from vla_contract.report import Clamp
from vla_controller.planning.anchor import Schedule
from vla_controller.planning.arm import Arm, Request
from vla_controller.planning.chunk_plan import NOTICEABLE, ChunkPlan, check, columns_of, cut_off
from vla_controller.planning.effort import BRAKES_NS, Effort
from vla_controller.planning.kernels.pace import keep_pace
from vla_controller.planning.limits import Violation
from vla_controller.planning.planner import smooth, smoothing_weight
from vla_controller.planning.timeline import Timeline
from vla_controller.planning.ways_to_rest import State
from vla_motion import rotation

_TRIES = 6
_SPEED, _ACCELERATION = 0.95, 0.7
"""Of the limits, to begin with: smoothing adds to what the pace alone has."""
_STEP_NS, _KNOT_NS = 5_000_000, 50_000_000
_FOLLOWED = 0.8  # of the fastest that knots can tell
_CORNER_S = 0.1  # [s] in which a corner of the way is rounded
_GAIN = 0.7
"""Of what the plan that gave way in place misses, so much may be left: a flattened zigzag is not swung slowly."""
_NEAR = 0.02
"""Where no more is missed [rad], of the tool [m], nothing else is tried."""
_SAMPLES = 24  # of a curve
_BEYOND = 0.01
"""So far it may go beyond the way that was asked for, or as far as the plan that gave way in place [rad], of the tool [m]."""
_TURN_M = 0.3  # [m/rad] what a turn of the tool counts beside its way
_NO_LIMITS = ("smoothing", "open_loop", "delay")
_PATIENCE = 1000
_SAME_S = 1e-6


def plan_slower(
    arms: Sequence[Arm], requests: Sequence[Request], timeline: Timeline, chunk: ActionChunk, schedule: Schedule,
    given_way: ChunkPlan | Violation,
) -> ChunkPlan | None:  # fmt: skip
    """The plan, or None where it would come no nearer to what was asked than the one that gave way in place.

    The way is that of the steps, joined by straight lines of joints, and no step comes sooner than it is due. Those that are not
    done when they are due are clamped by ``delay``, as much as they are later.
    """
    if any(request.limits is not arm.limits for arm, request in zip(arms, requests)):
        return None  # an arm that is outside of its limits comes in step by step
    bar, farthest = np.inf, _BEYOND
    if isinstance(given_way, ChunkPlan):
        before = _Curve.of(timeline, schedule, given_way)
        bar = _missed(arms, requests, schedule, before)
        farthest = max(farthest, _beyond(arms, requests, schedule, before))
    if bar <= _NEAR:
        return None
    way = _Way.of(arms, requests, timeline, schedule)
    if way is None:
        return None
    curve = _fastest(arms, requests, schedule, way)
    if curve is None or _missed(arms, requests, schedule, curve) > _GAIN * bar:
        return None
    if _beyond(arms, requests, schedule, curve) > farthest:
        return None
    due = curve.at(schedule.due_ns[schedule.planned])
    steps = schedule.first + np.flatnonzero(_off(arms, requests, schedule, due) > NOTICEABLE)
    clamps = _why(given_way, steps, way.clamps) + _late(schedule, steps, way, curve) + cut_off(schedule, chunk)
    anchor = tuple(x for request in requests for x in request.anchor)
    clamps = tuple(sorted(clamps, key=lambda clamp: clamp.step))
    done = columns_of(arms, chunk, requests, due)
    return ChunkPlan(curve.times_ns, curve.q, curve.v, curve.a, done, anchor, clamps, 1, True)


@dataclass(frozen=True)
class _Way:
    """Straight parts (K) of joints from where the motion is at the splice, each with a length in seconds at full speed.

    start: the state there. corners (K + 1, J) [rad]. ends (K,) [s]: lengths up to the end of each part. since_ns, due_ns (K,):
    from when to when each is asked for. speeds, accelerations, turns (K,) [1, 1/s, 1]: the most in each part, and at its end, of
    the limits. steps (K,): which step each part ends with. clamps: of what the steps asked for beyond range and workspace.
    """

    start: State
    corners: np.ndarray
    ends: np.ndarray
    since_ns: np.ndarray
    due_ns: np.ndarray
    speeds: np.ndarray
    accelerations: np.ndarray
    turns: np.ndarray
    steps: np.ndarray
    clamps: list[Clamp]

    @classmethod
    def of(cls, arms: Sequence[Arm], requests: Sequence[Request], timeline: Timeline, schedule: Schedule) -> _Way | None:
        """None where the steps ask for no motion."""
        patient = replace(schedule, period_ns=_PATIENCE * schedule.period_ns)  # a way is as long as it is, at whatever speed
        effort = Effort((0.0,) * len(schedule.knots_ns))
        wanted = [arm.wanted(replace(request, schedule=patient), effort) for arm, request in zip(arms, requests)]
        start = timeline.sample(schedule.splice_ns)
        corners = np.vstack([start[0], np.hstack([wish.q for wish in wanted])])
        velocity, acceleration = (
            np.concatenate([getattr(request.limits, name) for request in requests]) for name in ("velocity", "acceleration")
        )
        sides = np.diff(corners, axis=0)
        lengths = (np.abs(sides) / velocity).max(axis=1)
        moves = lengths > _SAME_S
        if not moves.any():
            return None
        instants = np.append(schedule.splice_ns, schedule.knots_ns)
        steps = np.arange(schedule.planned.start, schedule.planned.stop)
        sides, lengths = sides[moves], lengths[moves]
        corners = np.vstack([corners[:1], corners[1:][moves]])
        along = sides / lengths[:, None]
        speeds = schedule.speed_scale * np.minimum(1.0, _tool_speeds(arms, requests, corners, lengths))
        with np.errstate(divide="ignore"):
            accelerations = (acceleration / np.abs(along)).min(axis=1)
            turns = (acceleration * _CORNER_S / np.abs(np.diff(along, axis=0))).min(axis=1)
        clamps = [clamp for wish in wanted for clamp in wish.clamps]
        return cls(
            start, corners, np.cumsum(lengths), instants[:-1][moves], instants[1:][moves], speeds, accelerations,
            np.append(turns, 0.0), steps[moves], clamps,
        )  # fmt: skip

    def speed(self) -> float:
        """Along the first part, at the splice."""
        side = self.corners[1] - self.corners[0]
        return max(0.0, float(self.start[1] @ side / (side @ side) * self.ends[0]))

    def at(self, lengths: np.ndarray) -> np.ndarray:
        """Positions (N, J) at these lengths (N,)."""
        ends = np.append(0.0, self.ends)
        return np.stack([np.interp(lengths, ends, column) for column in self.corners.T], axis=1)


class _Curve:
    """Knots (M) after the splice: times_ns (M,) int64; q, v, a (M, J). start: the state at the splice. arrivals_ns: when parts
    of a way are done, where it follows one."""

    def __init__(
        self, splice_ns: int, start: State, times_ns: np.ndarray, q: np.ndarray, v: np.ndarray, a: np.ndarray,
        arrivals_ns: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        self.times_ns, self.q, self.v, self.a, self.arrivals_ns = times_ns, q, v, a, arrivals_ns
        knots = (np.concatenate([own[None], rest]) for own, rest in zip(start, (q, v, a)))
        self._timeline = Timeline(np.append(splice_ns, times_ns), *knots)

    @classmethod
    def of(cls, timeline: Timeline, schedule: Schedule, plan: ChunkPlan) -> _Curve:
        """A plan's."""
        return cls(schedule.splice_ns, timeline.sample(schedule.splice_ns), plan.times_ns, plan.q, plan.v, plan.a)

    def at(self, times_ns: np.ndarray) -> np.ndarray:
        """Positions (N, J) [rad]."""
        return self._timeline.sample(times_ns)[0]


def _tool_speeds(arms: Sequence[Arm], requests: Sequence[Request], corners: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The most that the tools' limits allow in each part (K,), as a share of its full speed."""
    most = np.full(len(lengths), np.inf)
    for arm, request in zip(arms, requests):
        T = arm.model.forward_batch(np.ascontiguousarray(corners[:, arm.joints]))
        way = np.linalg.norm(np.diff(T[:, :3, 3], axis=0), axis=1)
        turn = np.linalg.norm(rotation.log(T[1:, :3, :3] @ np.swapaxes(T[:-1, :3, :3], 1, 2)), axis=1)
        with np.errstate(divide="ignore"):
            most = np.minimum(most, request.limits.tool_speed * lengths / way)
            most = np.minimum(most, request.limits.tool_angular_speed * lengths / turn)
    return most


def _fastest(arms: Sequence[Arm], requests: Sequence[Request], schedule: Schedule, way: _Way) -> _Curve | None:
    """Along the way as fast as was asked, or as the limits allow; None: no such curve was found."""
    speed, acceleration = _SPEED, _ACCELERATION
    for _ in range(_TRIES):
        curve = _curve(schedule, way, speed, acceleration)
        if curve is None:
            return None
        times = np.append(schedule.splice_ns, curve.times_ns)
        violation = check(arms, requests, way.start, times, curve.q, curve.v, curve.a)
        if violation is None:
            return curve
        softer = 0.97 / (1.0 + min(violation.ratio, 3.0))
        if violation.kind in ("velocity", "tool_speed", "tool_angular_speed"):
            speed *= softer
        elif violation.kind in ("acceleration", "jerk"):
            acceleration *= softer
        else:
            return None
    return None


def _curve(schedule: Schedule, way: _Way, speed: float, acceleration: float) -> _Curve | None:
    """At these shares of the limits; None where there is no time for any."""
    splice_ns, each = schedule.splice_ns, _KNOT_NS // _STEP_NS
    rest_by_ns = schedule.rest_by_ns - 2 * _KNOT_NS  # whole knots, and one more, in which it rests
    brake_ns = min(BRAKES_NS[0], max(rest_by_ns - splice_ns, 0) // 2)
    until_ns = min(schedule.deadline_ns, rest_by_ns - brake_ns)
    done = np.zeros(max(0, min(rest_by_ns, until_ns + BRAKES_NS[-1]) - splice_ns) // _STEP_NS)
    if len(done) < 2 * each:
        return None
    count = keep_pace(
        way.ends, speed * way.speeds, acceleration * way.accelerations, acceleration * way.turns,
        (way.since_ns - splice_ns) * 1e-9, (way.due_ns - splice_ns) * 1e-9, way.speed(), _STEP_NS * 1e-9,
        (until_ns - splice_ns) // _STEP_NS, done,
    )  # fmt: skip
    if count == len(done) and done[-1] > done[-2]:
        return None
    knots = -(-count // each) + 1
    times_ns = splice_ns + _KNOT_NS * np.arange(1, knots + 1, dtype=np.int64)
    through = way.at(done[np.minimum(each * np.arange(1, knots + 1), len(done)) - 1])
    weight = smoothing_weight(_FOLLOWED * np.pi / (_KNOT_NS * 1e-9), _KNOT_NS * 1e-9)
    q, v, a = smooth(way.start, np.full(knots, _KNOT_NS), through, (weight,) * knots)
    arrived = np.searchsorted(done, way.ends - 1e-6) + 1
    return _Curve(splice_ns, way.start, times_ns, q, v, a, splice_ns + _STEP_NS * arrived)


def _missed(arms: Sequence[Arm], requests: Sequence[Request], schedule: Schedule, curve: _Curve) -> float:
    """How far the curve is from what was asked when it was due, in the mean, and at its end; and, counted double, how far off the
    way that was asked for. By joints [rad], or by the tool's way and turn [m]."""
    steps = np.append(schedule.due_ns[schedule.planned], curve.times_ns[-1])
    off = _off(arms, requests, schedule, curve.at(steps))
    along = np.linspace(schedule.splice_ns, curve.times_ns[-1], _SAMPLES).astype(np.int64)
    return float(np.mean(off[:-1]) + off[-1] + 2.0 * np.mean(_off_the_way(arms, requests, schedule, curve.at(along))))


def _beyond(arms: Sequence[Arm], requests: Sequence[Request], schedule: Schedule, curve: _Curve) -> float:
    """How far a joint [rad], or the tool along an axis [m], goes beyond all of the way that was asked for."""
    along = np.linspace(schedule.splice_ns, curve.times_ns[-1], _SAMPLES).astype(np.int64)
    q, worst = curve.at(along), 0.0
    for arm, request in zip(arms, requests):
        points, asked = _ways(arm, request, schedule, q)
        corners = np.vstack([points[:1], asked])
        worst = max(worst, float(np.max(points - corners.max(axis=0))), float(np.max(corners.min(axis=0) - points)))
    return worst


def _ways(arm: Arm, request: Request, schedule: Schedule, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, n) of one arm at q (N, J) and those that the planned steps ask for (K, n): joints [rad], or of the tool [m]."""
    own, asked = np.ascontiguousarray(q[:, arm.joints]), request.targets.q
    if asked is not None:
        return own, asked[schedule.planned]
    return arm.model.forward_batch(own)[:, :3, 3], request.targets.T[schedule.planned, :3, 3]


def _off(arms: Sequence[Arm], requests: Sequence[Request], schedule: Schedule, q: np.ndarray) -> np.ndarray:
    """How far q (K or K + 1, J) is from what was asked in the K planned steps, and then in the last of them, of the worst arm."""
    steps = np.minimum(np.arange(schedule.planned.start, schedule.planned.start + len(q)), schedule.planned.stop - 1)
    off = np.zeros(len(q))
    for arm, request in zip(arms, requests):
        own = np.ascontiguousarray(q[:, arm.joints])
        if request.targets.q is not None:
            off = np.maximum(off, np.abs(own - request.targets.q[steps]).max(axis=1))
            continue
        T, asked = arm.model.forward_batch(own), request.targets.T[steps]
        way = np.linalg.norm(T[:, :3, 3] - asked[:, :3, 3], axis=1)
        turn = np.linalg.norm(rotation.log(np.swapaxes(T[:, :3, :3], 1, 2) @ asked[:, :3, :3]), axis=1)
        off = np.maximum(off, way + _TURN_M * turn)
    return off


def _off_the_way(arms: Sequence[Arm], requests: Sequence[Request], schedule: Schedule, q: np.ndarray) -> np.ndarray:
    """Distance of q (N, J), the first of which is where the motion is at the splice, from straight lines that join the planned
    steps (N,), of the worst arm: in the space of its joints [rad], or of the tool [m]."""
    off = np.zeros(len(q))
    for arm, request in zip(arms, requests):
        points, asked = _ways(arm, request, schedule, q)
        corners = np.vstack([points[:1], asked])
        begin, sides = corners[:-1], np.diff(corners, axis=0)
        length2 = np.maximum((sides**2).sum(axis=1), 1e-18)
        share = np.clip(((points[:, None] - begin) * sides).sum(axis=2) / length2, 0.0, 1.0)
        nearest = np.linalg.norm(points[:, None] - begin - share[:, :, None] * sides, axis=2).min(axis=1)
        off = np.maximum(off, nearest)
    return off


def _why(given_way: ChunkPlan | Violation, steps: np.ndarray, own: list[Clamp]) -> list[Clamp]:
    """What the way asked for beyond range and workspace (own), and what keeps each of these steps from being done when it is due:
    the limits that it would have broken itself, or else the one that the chunk would have broken most."""
    late, reason, found = set(steps.tolist()), given_way, {(clamp.step, clamp.limit): clamp for clamp in own}
    if isinstance(given_way, ChunkPlan):
        reason = given_way.reason
        for clamp in given_way.clamps:
            if clamp.step in late and not clamp.limit.startswith(_NO_LIMITS):
                found.setdefault((clamp.step, clamp.limit), clamp)
    if reason is not None:
        known = {step for step, _ in found}
        found |= {(step, reason.limit): Clamp(step, reason.limit, reason.amount) for step in late - known}
    return list(found.values())


def _late(schedule: Schedule, steps: np.ndarray, way: _Way, curve: _Curve) -> list[Clamp]:
    """Of these steps those that are done later than they are due, or not by the end, and how much later at least."""
    clamps = []
    for step in steps.tolist():
        part = int(np.searchsorted(way.steps, step, side="right")) - 1
        arrival_ns = int(curve.arrivals_ns[part]) if part >= 0 else schedule.splice_ns
        late_ns = arrival_ns - int(schedule.due_ns[step])
        if late_ns > 0:
            clamps.append(Clamp(step, "delay", late_ns * 1e-9))
    return clamps
