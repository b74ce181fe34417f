"""Velocities for chunks that carry positions only, as the newest joint trajectory controller makes them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vla_sim.jtc_message import TrajectoryMessage

__all__ = ["spline_velocities", "upsample_message"]


def spline_velocities(times_ns: list[int], positions: list[np.ndarray]) -> np.ndarray | None:
    """Velocities (N, J) at the knots of the cubic spline of continuous acceleration that rests at both ends.

    None where there is none: fewer than two points, times that do not increase, points of different width.
    """
    durations = np.diff(np.array(times_ns, dtype=np.int64)) * 1e-9
    if len(positions) < 2 or np.any(durations <= 0.0) or len({len(row) for row in positions}) > 1:
        return None
    knots = np.array(positions)
    velocities = np.zeros_like(knots)
    if len(knots) > 2:
        inverse = 1.0 / durations
        weighted = np.diff(knots, axis=0) * (inverse * inverse)[:, None]
        A = np.diag(2.0 * (inverse[:-1] + inverse[1:])) + np.diag(inverse[1:-1], 1) + np.diag(inverse[1:-1], -1)
        velocities[1:-1] = np.linalg.solve(A, 3.0 * (weighted[:-1] + weighted[1:]))
    return velocities


def upsample_message(message: TrajectoryMessage, policy_frequency: float) -> TrajectoryMessage:
    """The message with times (where all are zero) and velocities filled in, unless it has derivatives.

    policy_frequency: points a second of a chunk without times [Hz]; 0 leaves the times alone.
    """
    points = message.points
    if not points or any(
        point.positions is None or point.velocities is not None or point.accelerations is not None for point in points
    ):
        return message
    if policy_frequency > 0.0 and all(point.time_ns == 0 for point in points):
        points = [replace(point, time_ns=round((i + 1) / policy_frequency * 1e9)) for i, point in enumerate(points)]
    velocities = spline_velocities([point.time_ns for point in points], [point.positions for point in points])
    if velocities is not None:
        points = [replace(point, velocities=row) for point, row in zip(points, velocities, strict=True)]
    return TrajectoryMessage(message.stamp_ns, message.joint_names, points)
