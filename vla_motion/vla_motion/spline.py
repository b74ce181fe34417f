"""Trajectories evaluated exactly as the joint trajectory controller does between its points.

The degree of a segment follows from what both its ends carry: positions only give a line, velocities as
well a cubic, accelerations as well a quintic. Coefficients are in powers of the seconds since the start of
the segment.
"""

from __future__ import annotations

import numpy as np

from vla_motion.kernels.sample import join_quintics, sample_segments
from vla_motion.spline_extrema import spline_peaks, spline_position_bounds

__all__ = [
    "SplineTrajectory",
    "evaluate",
    "evaluation_matrices",
    "quintic_coefficients",
    "segment_coefficients",
]

_POWERS = np.arange(6.0)


def quintic_coefficients(
    duration: np.ndarray,
    p0: np.ndarray,
    v0: np.ndarray,
    a0: np.ndarray,
    p1: np.ndarray,
    v1: np.ndarray,
    a1: np.ndarray,
) -> np.ndarray:
    """Coefficients (6, ...) of the quintics with these positions, velocities and accelerations at both ends.

    duration [s] (scalar, or of a shape that broadcasts against the others), greater than 0.
    """
    T = np.asarray(duration, dtype=np.float64)
    T2 = T * T
    T3 = T2 * T
    d = p1 - p0
    C = np.empty((6,) + np.broadcast_shapes(T.shape, np.shape(d)))
    C[0], C[1], C[2] = p0, v0, 0.5 * np.asarray(a0)
    C[3] = (20.0 * d - (12.0 * v0 + 8.0 * v1) * T - (3.0 * a0 - a1) * T2) / (2.0 * T3)
    C[4] = (-30.0 * d + (16.0 * v0 + 14.0 * v1) * T + (3.0 * a0 - 2.0 * a1) * T2) / (2.0 * T3 * T)
    C[5] = (12.0 * d - 6.0 * (v0 + v1) * T + (a1 - a0) * T2) / (2.0 * T3 * T2)
    return C


def segment_coefficients(
    duration: np.ndarray,
    p0: np.ndarray,
    p1: np.ndarray,
    v0: np.ndarray | None = None,
    v1: np.ndarray | None = None,
    a0: np.ndarray | None = None,
    a1: np.ndarray | None = None,
) -> np.ndarray:
    """Coefficients (6, ...) of the controller's segments; None where an end lacks the derivative.

    Accelerations without velocities give all zeros, positions included: that is what the controller does.
    """
    velocities = v0 is not None and v1 is not None
    accelerations = a0 is not None and a1 is not None
    if velocities and accelerations:
        return quintic_coefficients(duration, p0, v0, a0, p1, v1, a1)
    T = np.asarray(duration, dtype=np.float64)
    d = p1 - p0
    C = np.zeros((6,) + np.broadcast_shapes(T.shape, np.shape(d)))
    if accelerations:
        return C
    C[0] = p0
    if velocities:
        C[1] = v0
        C[2] = (3.0 * d - (2.0 * v0 + v1) * T) / (T * T)
        C[3] = (-2.0 * d + (v0 + v1) * T) / (T * T * T)
    else:
        C[1] = d / T
    return C


def evaluation_matrices(coefficients: np.ndarray) -> np.ndarray:
    """Matrices (N, 6, 3 J) of segments with coefficients (N, 6, J), for evaluate()."""
    C = coefficients
    M = np.zeros((len(C), 6, 3, C.shape[2]))
    M[:, :, 0] = C
    M[:, :5, 1] = C[:, 1:] * _POWERS[1:, None]
    M[:, :4, 2] = C[:, 2:] * (_POWERS * (_POWERS - 1.0))[2:, None]
    return M.reshape(len(C), 6, -1)


def evaluate(matrix: np.ndarray, t: float) -> np.ndarray:
    """(3, J): position, velocity, acceleration at t [s] into the segment with this matrix (6, 3 J).

    One product gives all three, which at this size is several times faster than three polynomials.
    """
    t2 = t * t
    t3 = t2 * t
    return np.array((1.0, t, t2, t3, t3 * t, t3 * t2)).dot(matrix).reshape(3, -1)


class SplineTrajectory:
    """Points joined as the joint trajectory controller joins them.

    times_ns (N,) int64, absolute or not, strictly increasing, N >= 1; positions (N, J); velocities and
    accelerations (N, J) or None. Before the first point the first point is held, from the last point on
    the last one as given (with its velocity, as the controller does). ValueError for times out of order or
    shapes that disagree.

    coefficients (N - 1, 6, J): of the segments, in powers of seconds since each one's point. ends (2, 3, J): position, velocity,
    acceleration before the first point and from the last one on.
    """

    def __init__(
        self,
        times_ns: np.ndarray,
        positions: np.ndarray,
        velocities: np.ndarray | None = None,
        accelerations: np.ndarray | None = None,
    ) -> None:
        self.times_ns = np.asarray(times_ns, dtype=np.int64)
        self.positions = np.asarray(positions, dtype=np.float64)
        self.velocities = None if velocities is None else np.asarray(velocities, dtype=np.float64)
        self.accelerations = None if accelerations is None else np.asarray(accelerations, dtype=np.float64)
        if self.times_ns.ndim != 1 or not len(self.times_ns):
            raise ValueError(
                f"times_ns has shape {self.times_ns.shape}, allowed is (points,) with at least one point"
            )
        for field in ("positions", "velocities", "accelerations"):
            value = getattr(self, field)
            if value is not None and (
                value.ndim != 2 or value.shape != (len(self.times_ns), self.positions.shape[1])
            ):
                raise ValueError(
                    f"{field} has shape {value.shape}, allowed is (points, joints) = "
                    f"({len(self.times_ns)}, {self.positions.shape[-1]})"
                )
        steps = self.times_ns[1:] - self.times_ns[:-1]
        if np.any(steps <= 0):
            late = int(np.argmax(steps <= 0)) + 1
            raise ValueError(
                f"point {late} at {self.times_ns[late]} ns is not later than point {late - 1} "
                f"at {self.times_ns[late - 1]} ns"
            )
        self.durations = steps * 1e-9
        self.coefficients = self._coefficients()
        self._times = (int(self.times_ns[0]), int(self.times_ns[-1]))
        self.ends = self._ends()

    @classmethod
    def from_trajectory(cls, trajectory, start_ns: int | None = None) -> SplineTrajectory:
        """From a JointTrajectory, on the clock of its stamp, or of start_ns [ns] where given."""
        start = trajectory.stamp_ns if start_ns is None else start_ns
        return cls(
            trajectory.times_ns + start, trajectory.positions, trajectory.velocities, trajectory.accelerations
        )

    @property
    def start_ns(self) -> int:
        return self._times[0]

    @property
    def end_ns(self) -> int:
        return self._times[-1]

    def sample(self, t_ns: np.ndarray | int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Position, velocity, acceleration at t_ns: each (J,) for an int, (M, J) for an array (M,)."""
        if isinstance(t_ns, (int, np.integer)):
            q, v, a = self._samples(np.array([t_ns], dtype=np.int64))
            return q[0], v[0], a[0]
        return self._samples(np.ascontiguousarray(t_ns, dtype=np.int64))

    def _samples(self, t_ns: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        out = np.empty((3, len(t_ns), self.positions.shape[1]))
        sample_segments(self.times_ns, self.coefficients, self.ends, t_ns, out)
        return out[0], out[1], out[2]

    def peaks(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Largest |velocity|, |acceleration|, |jerk| inside each segment: three arrays (N-1, J)."""
        return spline_peaks(self.coefficients, self.durations)

    def position_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Least and greatest position inside each segment: two arrays (N-1, J)."""
        return spline_position_bounds(self.coefficients, self.durations)

    def _ends(self) -> np.ndarray:
        ends = np.zeros((2, 3, self.positions.shape[1]))
        ends[0, 0] = self.positions[0]
        for row, values in zip(ends[1], (self.positions, self.velocities, self.accelerations)):
            if values is not None:
                row[:] = values[-1]
        return ends

    def _coefficients(self) -> np.ndarray:
        if self.velocities is not None and self.accelerations is not None:
            C = np.empty((len(self.durations), 6, self.positions.shape[1]))
            join_quintics(self.durations, self.positions, self.velocities, self.accelerations, C)
            return C

        def ends(values: np.ndarray | None) -> tuple[np.ndarray | None, np.ndarray | None]:
            return (None, None) if values is None else (values[:-1], values[1:])

        p0, p1 = ends(self.positions)
        C = segment_coefficients(
            self.durations[:, None], p0, p1, *ends(self.velocities), *ends(self.accelerations)
        )
        return np.ascontiguousarray(np.moveaxis(C, 0, 1))
