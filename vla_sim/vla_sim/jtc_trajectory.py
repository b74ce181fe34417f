"""Sampling of one message, as the joint trajectory controller's own trajectory class does it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from vla_motion.spline import evaluate, evaluation_matrices, segment_coefficients
from vla_sim.jtc_message import TrajectoryMessage, TrajectoryPoint

__all__ = ["Sample", "SampledTrajectory"]


class Sample:
    """state (3, J): position, velocity, acceleration, rows of NaN where the point has no such field.

    start, end: the points between which it lies; end is the number of points once the last one is reached.
    """

    __slots__ = ("end", "start", "state")

    def __init__(self, state: np.ndarray, start: int, end: int) -> None:
        self.state = state
        self.start = start
        self.end = end


class SampledTrajectory:
    """A message in the controller's joint order, sampled in time.

    Needs the point before the message (set_point_before) ahead of the first sample.
    lookahead_moves_search: the behaviour up to Kilted, where looking past the end makes every later search
    start at the last point.
    """

    def __init__(
        self,
        message: TrajectoryMessage,
        *,
        interpolation_method: str = "splines",
        wraparound: tuple[bool, ...] = (),
        lookahead_moves_search: bool = False,
    ) -> None:
        self.message = message
        self.points = message.points
        self.start_ns: int | None = message.stamp_ns or None
        self.sampled = False
        self.before_ns = 0
        self.before: TrajectoryPoint | None = None
        self._interpolate = interpolation_method != "none"
        self._wraparound = np.array(wraparound, dtype=bool)
        self._lookahead_moves_search = lookahead_moves_search
        self._times = [point.time_ns for point in self.points]
        self._last = len(self._times) - 1
        self._index = 0
        self._matrices: list[np.ndarray | None] | None = None
        self._lead_in: np.ndarray | None = None
        self._lead_in_origin = 0

    def set_point_before(self, time_ns: int, state: TrajectoryPoint) -> None:
        """The state that motion towards the first point begins from, and when [ns]."""
        first = self.points[0].positions
        if self._wraparound.any() and first is not None:
            turns = np.round((first - state.positions) / (2.0 * math.pi))
            state = replace(state, positions=state.positions + 2.0 * math.pi * np.where(self._wraparound, turns, 0.0))
        self.before_ns, self.before = time_ns, state
        self._lead_in = None

    def sample(self, time_ns: int, monotonic: bool = True) -> Sample | None:
        """State at time_ns; None before the point before, or where positions cannot be deduced.

        monotonic: the search remembers the segment and never looks behind it again.
        """
        if not self.sampled:
            if self.start_ns is None:
                self.start_ns = time_ns
            self.sampled = True
        if time_ns < self.before_ns:
            return None
        times, last = self._times, self._last
        elapsed = time_ns - self.start_ns
        if elapsed < times[0]:
            return Sample(self._lead_in_state(time_ns), 0, 0)
        for i in range(self._index, last):
            if times[i] <= elapsed < times[i + 1]:
                if monotonic:
                    self._index = i
                return Sample(self._segment_state(i, (elapsed - times[i]) * 1e-9), i, i + 1)
        if monotonic or self._lookahead_moves_search:
            self._index = last
        state = self._end_state()
        return None if state is None else Sample(state, last, last + 1)

    def _segment_state(self, i: int, t: float) -> np.ndarray:
        if not self._interpolate:
            return _as_given(self.points[i + 1])
        if self._matrices is None:
            self._matrices = _all_matrices(self.points, self._times)
        M = self._matrices[i]
        if M is None:
            duration = (self._times[i + 1] - self._times[i]) * 1e-9
            _deduce(self.points[i], self.points[i + 1], duration)
            M = self._matrices[i] = _matrix(self.points[i], self.points[i + 1], duration)
        return evaluate(M, t)

    def _lead_in_state(self, time_ns: int) -> np.ndarray:
        if not self._interpolate:
            return _as_given(self.before)
        if self._lead_in is None:
            first, dim = self.points[0], len(self.before.positions)
            duration = (self.start_ns + first.time_ns - self.before_ns) * 1e-9
            zeros = np.zeros(dim)
            _deduce(self.before, first, duration)
            before = replace(
                self.before,
                velocities=zeros if self.before.velocities is None else self.before.velocities,
                accelerations=zeros if self.before.accelerations is None else self.before.accelerations,
            )
            self._lead_in = _matrix(before, first, duration)
        return evaluate(self._lead_in, (time_ns - self.before_ns) * 1e-9)

    def _end_state(self) -> np.ndarray | None:
        point = self.points[self._last]
        if point.positions is None:
            before = self.points[self._last - 1] if self._last else self.before
            if before.positions is None:
                return None
            since = self._times[self._last - 1] if self._last else self.before_ns - self.start_ns
            _deduce(before, point, (self._times[self._last] - since) * 1e-9)
        state = np.zeros((3, len(point.positions)))
        state[0] = point.positions
        if point.velocities is not None:
            state[1] = point.velocities
        if point.accelerations is not None:
            state[2] = point.accelerations
        return state


def _all_matrices(points: list[TrajectoryPoint], times: list[int]) -> list[np.ndarray | None]:
    """Matrices of all segments at once where the points carry the same fields; else None for each, made
    when needed.
    """
    missing: list[np.ndarray | None] = [None] * (len(points) - 1)
    fields = []
    for values in zip(*((point.positions, point.velocities, point.accelerations) for point in points), strict=True):
        absent = sum(value is None for value in values)
        if absent not in (0, len(points)):
            return missing
        fields.append(None if absent else np.array(values))
    positions, velocities, accelerations = fields
    if positions is None:
        return missing
    ends = [
        part
        for field in (velocities, accelerations)
        for part in ((None, None) if field is None else (field[:-1], field[1:]))
    ]
    durations = np.diff(np.array(times, dtype=np.int64)) * 1e-9
    C = segment_coefficients(durations[:, None], positions[:-1], positions[1:], *ends)
    return list(evaluation_matrices(np.moveaxis(C, 0, 1)))


def _matrix(first: TrajectoryPoint, second: TrajectoryPoint, duration: float) -> np.ndarray:
    C = segment_coefficients(
        duration,
        first.positions,
        second.positions,
        first.velocities,
        second.velocities,
        first.accelerations,
        second.accelerations,
    )
    return evaluation_matrices(C[None])[0]


def _deduce(first: TrajectoryPoint, second: TrajectoryPoint, duration: float) -> None:
    """Fills what the second point lacks by the trapezoid rule, and writes it into the points as the
    controller does.
    """
    if second.positions is not None:
        return
    dim = len(first.positions)
    if first.velocities is None:
        first.velocities = np.zeros(dim)
    if second.velocities is None:
        if first.accelerations is None:
            first.accelerations = np.zeros(dim)
        second.velocities = first.velocities + (first.accelerations + second.accelerations) * 0.5 * duration
    second.positions = first.positions + (first.velocities + second.velocities) * 0.5 * duration


def _as_given(point: TrajectoryPoint) -> np.ndarray:
    missing = np.full(len(point.positions), np.nan)
    return np.array(
        [
            values if values is not None else missing
            for values in (point.positions, point.velocities, point.accelerations)
        ]
    )
