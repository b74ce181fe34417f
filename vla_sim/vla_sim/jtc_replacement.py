"""How a new message takes the place of the running one: dropped, or merged into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vla_sim.jtc_message import TrajectoryMessage, TrajectoryPoint
from vla_sim.jtc_trajectory import SampledTrajectory

__all__ = ["complete_message", "merge_messages"]

_FIELDS = ("positions", "velocities", "accelerations", "effort")


def complete_message(message: TrajectoryMessage, joints: Sequence[str], hold: np.ndarray) -> TrajectoryMessage:
    """The message in the controller's order of joints; joints left out stay at hold (J,) at rest.

    A joint named twice leaves another one without a value: zero. The reference vectors do not cover this.
    """
    names = list(message.joint_names)
    if names == list(joints):
        return message
    index = [joints.index(name) for name in names]
    rest = [i for i in range(len(joints)) if joints[i] not in names] if len(names) < len(joints) else []

    def place(values: np.ndarray | None, filling: np.ndarray | None) -> np.ndarray | None:
        if values is None:
            return None
        placed = np.zeros(len(joints))
        placed[index] = values
        if filling is not None:
            placed[rest] = filling[rest]
        return placed

    points = [
        TrajectoryPoint(
            point.time_ns,
            place(point.positions, hold),
            place(point.velocities, None),
            place(point.accelerations, None),
            place(point.effort, None),
        )
        for point in message.points
    ]
    return TrajectoryMessage(message.stamp_ns, tuple(joints), points)


def merge_messages(
    running: SampledTrajectory,
    new: TrajectoryMessage,
    joints: Sequence[str],
    cursor_ns: int,
    now_ns: int,
    scaling: float,
) -> TrajectoryMessage:
    """The message that continues the running one up to the new one's start, times counted from cursor_ns.

    cursor_ns: trajectory time of the previous cycle. now_ns: the clock. A stamp that is zero or not later
    than now starts at the cursor, whatever the stamp says.
    """
    start = 0 if new.stamp_ns <= now_ns else int((new.stamp_ns - now_ns) * scaling)
    shift = running.start_ns - cursor_ns  # a running point's time_from_start plus this counts from the cursor
    points = [
        replace(point, time_ns=point.time_ns + shift) for point in running.points if 0 < point.time_ns + shift < start
    ]
    if new.points[0].time_ns > 0:
        bridge = running.sample(cursor_ns + start, monotonic=False)
        if bridge is not None:
            points.append(_point(start, bridge.state))
    index = [joints.index(name) for name in new.joint_names]
    commanded = np.zeros(len(joints), dtype=bool)
    commanded[index] = True
    if commanded.all():
        for point in complete_message(new, joints, np.zeros(0)).points:
            points.append(replace(point, time_ns=start + point.time_ns))
        return TrajectoryMessage(0, tuple(joints), points)
    for point in new.points:
        base = running.sample(cursor_ns + start + point.time_ns, monotonic=False).state
        points.append(_overlay(start + point.time_ns, point, base, index))
    end = points[-1]
    for point in running.points:
        if point.time_ns + shift > end.time_ns:
            points.append(_frozen(point.time_ns + shift, point, end.positions, commanded))
    return TrajectoryMessage(0, tuple(joints), points)


def _point(time_ns: int, state: np.ndarray) -> TrajectoryPoint:
    rows = [None if np.isnan(row).all() else row for row in state]
    return TrajectoryPoint(time_ns, *rows)


def _overlay(time_ns: int, point: TrajectoryPoint, base: np.ndarray, index: list[int]) -> TrajectoryPoint:
    """The point's values over those of the running trajectory; only the fields that the point has."""
    rows = []
    for row, name in zip(base, _FIELDS[:3], strict=True):
        values = getattr(point, name)
        if values is None:
            rows.append(None)
            continue
        placed = row.copy()
        placed[index] = values
        rows.append(placed)
    return TrajectoryPoint(time_ns, *rows)


def _frozen(time_ns: int, point: TrajectoryPoint, positions: np.ndarray, commanded: np.ndarray) -> TrajectoryPoint:
    """A running point beyond the new end, the commanded joints kept at their last new position, at rest."""

    def rest(values: np.ndarray | None) -> np.ndarray | None:
        return None if values is None else np.where(commanded, 0.0, values)

    held = None if point.positions is None or positions is None else np.where(commanded, positions, point.positions)
    return TrajectoryPoint(time_ns, held, rest(point.velocities), rest(point.accelerations))
