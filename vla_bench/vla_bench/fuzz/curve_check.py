"""The executed curve against the card, sampled at 1 kHz and at every knot and handover. Shares no code with the planner."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vla_bench.fuzz.curve import CYCLE_NS, Executed, Part, evaluate
from vla_bench.fuzz.geometry import Frames, frames, self_distances, table_distances
from vla_bench.fuzz.robots import Robot
from vla_bench.fuzz.violation import Found

_WHOLE = 0.05  # share of the messages that are judged to their end, whatever replaced them
TOLERANCE = 1e-6
"""Relative; of positions, in rad and m."""
_COARSE = 5  # every so many samples distances are looked at, then closer where something is near
_NEAR = 0.06  # [m] two bodies cannot come this much closer within _COARSE samples, nor go back


@dataclass(frozen=True)
class ArmLimits:
    """A card's limits of one arm, as plain arrays: (J,) [rad, s], box (2, 3) [m], tool_speed, tool_angular_speed.

    table: height in the base frame [m], None where there is none.
    """

    lower: np.ndarray
    upper: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray
    jerk: np.ndarray
    box: np.ndarray
    tool_speed: float
    tool_angular_speed: float
    self_collision: bool
    table: float | None

    @classmethod
    def of(cls, section: dict) -> ArmLimits:
        """From the ``limits`` of an arm in a card."""
        rows = (
            np.array(section[key]) for key in ("position_lower", "position_upper", "velocity", "acceleration", "jerk")
        )
        return cls(
            *rows,
            box=np.array([section["workspace_min"], section["workspace_max"]]),
            tool_speed=section["tool_speed"],
            tool_angular_speed=section["tool_angular_speed"],
            self_collision=section["collision"]["self_collision"],
            table=section["collision"]["table_height"],
        )


@dataclass
class CurveCheck:
    """Judges one arm's executed curve.

    An arm that is anchored anew outside a limit (it woke there, or was moved there) may stay as far outside as it was,
    never further. found: the worst of each kind for each message. peaks: the largest share of each limit that was used.
    samples: how many instants were looked at.
    """

    robot: Robot
    limits: ArmLimits
    found: list[Found] = field(default_factory=list)
    peaks: dict[str, float] = field(default_factory=dict)
    samples: int = 0

    def run(self, executed: Executed, until_ns: int, whole: set[int] = frozenset()) -> None:
        """Everything executed up to until_ns. whole: indices of parts whose messages are also judged to their end."""
        parts = executed.parts
        ends = [part.start_ns for part in parts[1:]] + [until_ns]
        epoch_begins = [i for i, part in enumerate(parts) if part.anchored or part.trouble or i == 0] + [len(parts)]
        for first, last in zip(epoch_begins, epoch_begins[1:]):
            anchor = parts[first].after[0]
            pieces = [(part, part.start_ns, end) for part, end in zip(parts[first:last], ends[first:last])]
            self._judge(pieces, anchor, CYCLE_NS)
            self._judge([(parts[i], parts[i].start_ns, parts[i].path.end_ns) for i in range(first, last) if i in whole],
                        anchor, 4 * CYCLE_NS)  # fmt: skip
        for part in parts[1:]:
            self._handover(part)
            self._end(part)

    def _add(self, kind: str, amount: float, time_ns: int, chunk: int, detail: str = "") -> None:
        self.found.append(Found(kind, float(amount), int(time_ns), chunk, detail))

    def _handover(self, part: Part) -> None:
        if part.trouble:
            return
        if part.late_ns > 0:
            self._add("late", part.late_ns * 1e-9, part.start_ns, part.path.chunk)
        if part.anchored:
            return
        step = np.abs(part.after - part.before)
        limits = self.limits
        rows = (("position_step", 1.0), ("velocity_step", limits.velocity), ("acceleration_step", limits.acceleration))
        for (kind, scale), row in zip(rows, step):
            share = row / scale
            joint = int(np.argmax(share))
            if not share[joint] <= TOLERANCE:
                self._add(kind, row[joint], part.start_ns, part.path.chunk, f"joint {joint + 1}")

    def _end(self, part: Part) -> None:
        end = part.path.end
        for kind, row, scale in (
            ("velocity", end[1], self.limits.velocity),
            ("acceleration", end[2], self.limits.acceleration),
        ):
            joint = int(np.argmax(np.abs(row) / scale))
            if not abs(row[joint]) <= TOLERANCE * scale[joint]:
                self._add(
                    "not_at_rest", abs(row[joint]), part.path.end_ns, part.path.chunk, f"{kind} of joint {joint + 1}"
                )

    def _judge(self, pieces: list[tuple[Part, int, int]], anchor: np.ndarray, step_ns: int) -> None:
        rows = [sampled for piece in pieces if (sampled := _sample(*piece, step_ns)) is not None]
        if not rows:
            return
        values = np.concatenate([row[0] for row in rows], axis=1)
        times = np.concatenate([row[1] for row in rows])
        sizes = [len(row[1]) for row in rows]
        chunks = np.repeat([row[2] for row in rows], sizes)
        groups = np.concatenate([[0], np.cumsum(sizes)])
        self.samples += len(times)
        q, v, a, j = values
        if not np.isfinite(values).all():
            i = int(np.argmax(~np.isfinite(values).all(axis=(0, 2))))
            self._add("not_finite", np.inf, times[i], chunks[i])
            return

        def report(kind: str, excess: np.ndarray, tolerance: float = TOLERANCE, detail=lambda i: "") -> None:
            """excess (N,): by how much each sample is beyond; the worst of each message is told."""
            if not (excess > tolerance).any():
                return
            for begin, end in zip(groups, groups[1:]):
                i = begin + int(np.argmax(excess[begin:end]))
                if excess[i] > tolerance:
                    self._add(kind, excess[i], times[i], int(chunks[i]), detail(i))

        limits = self.limits
        for kind, rates, limit in (
            ("velocity", v, limits.velocity),
            ("acceleration", a, limits.acceleration),
            ("jerk", j, limits.jerk),
        ):
            share = np.abs(rates) / limit
            self._peak(kind, share)
            report(kind, share.max(axis=1) - 1.0, detail=lambda i, s=share: f"joint {int(np.argmax(s[i])) + 1}")
        beyond = np.maximum(np.minimum(limits.lower, anchor) - q, q - np.maximum(limits.upper, anchor))
        report("position", beyond.max(axis=1), detail=lambda i: f"joint {int(np.argmax(beyond[i])) + 1}")
        at = frames(self.robot, q)
        began = frames(self.robot, anchor[None])
        low, high = np.minimum(limits.box[0], began.tool[0]), np.maximum(limits.box[1], began.tool[0])
        outside = np.maximum(low - at.tool, at.tool - high)
        report("workspace", outside.max(axis=1), detail=lambda i: "xyz"[int(np.argmax(outside[i]))])
        linear, angular = at.tool_velocity(v)
        for kind, rate, limit in (
            ("tool_speed", linear, limits.tool_speed),
            ("tool_angular_speed", angular, limits.tool_angular_speed),
        ):
            share = np.sqrt(np.einsum("ni,ni->n", rate, rate)) / limit
            self._peak(kind, share)
            report(kind, share - 1.0)
        if limits.self_collision:
            distance = lambda chosen: self_distances(self.robot, chosen)  # noqa: E731
            self._touching("self_collision", distance, at, began, report)
        if limits.table is not None:
            distance = lambda chosen: table_distances(self.robot, chosen, limits.table)  # noqa: E731
            self._touching("table", distance, at, began, report)

    def _touching(self, kind: str, distance, at: Frames, began: Frames, report) -> None:
        allowed = np.minimum(distance(began), 0.0)  # (P, 1): who begins inside may stay as deep
        count = at.origins.shape[1]
        coarse = np.arange(0, count, _COARSE)
        deep = np.full(count, -np.inf)
        gaps = distance(_take(at, coarse)) - allowed
        deep[coarse] = -gaps.min(axis=0)
        close = coarse[gaps.min(axis=0) < _NEAR]
        if len(close):
            around = np.unique(np.clip(close[:, None] + np.arange(-_COARSE, _COARSE + 1), 0, count - 1))
            deep[around] = -(distance(_take(at, around)) - allowed).min(axis=0)
        self.peaks[kind] = max(self.peaks.get(kind, -np.inf), float(deep.max()))
        report(kind, deep)

    def _peak(self, kind: str, share: np.ndarray) -> None:
        self.peaks[kind] = max(self.peaks.get(kind, 0.0), float(share.max()))


def _take(at: Frames, chosen: np.ndarray) -> Frames:
    return Frames(at.rotations[:, chosen], at.origins[:, chosen], at.tool[chosen])


def _sample(part: Part, begin_ns: int, end_ns: int, step_ns: int) -> tuple[np.ndarray, np.ndarray, int] | None:
    """Values (4, N, J), times (N,) and chunk of a part while it rules: every step_ns, and both sides of every knot.

    None where it does not move in that time.
    """
    path = part.path
    t = path.t_ns
    end_ns = min(end_ns, path.end_ns)
    if end_ns <= begin_ns or len(t) < 2:
        return None
    first = max(0, int(np.searchsorted(t, begin_ns, side="right")) - 1)
    last = int(np.searchsorted(t, end_ns, side="left"))  # segments first .. last - 1
    starts, stops = np.maximum(t[first:last], begin_ns), np.minimum(t[first + 1 : last + 1], end_ns)
    grid = np.arange(-(-begin_ns // step_ns) * step_ns, end_ns, step_ns, dtype=np.int64)
    times = np.concatenate([starts, stops, grid])
    segments = np.concatenate([np.arange(first, last)] * 2 + [np.searchsorted(t, grid, side="right") - 1])
    order = np.lexsort((times, segments))
    times, segments = times[order], segments[order]
    h = (t[segments + 1] - t[segments]).astype(np.float64)
    s = (times - t[segments]) / h
    return evaluate(path.c[:, segments], s[:, None], (h * 1e-9)[:, None]), times, path.chunk


def check_all(
    robot: Robot, arms: list[Executed], limits: list[ArmLimits], until_ns: int, rng: np.random.Generator
) -> tuple[list[Found], dict[str, float], int]:
    """Everything that these arms executed up to until_ns: what was found, peaks and samples as of CurveCheck."""
    found: list[Found] = []
    peaks: dict[str, float] = {}
    samples = 0
    for arm, own in zip(arms, limits):
        check = CurveCheck(robot, own)
        check.run(arm, until_ns, {i for i in range(1, len(arm.parts)) if rng.random() < _WHOLE})
        found += check.found
        samples += check.samples
        for kind, share in check.peaks.items():
            peaks[kind] = max(peaks.get(kind, -np.inf), share)
    return found, peaks, samples
