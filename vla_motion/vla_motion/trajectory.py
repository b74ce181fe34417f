"""The trajectory message of the joint trajectory controller, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["JointTrajectory"]


@dataclass(frozen=True)
class JointTrajectory:
    """Points for the joints of one controller.

    topic: where it is published, relative. stamp_ns: when time_from_start counts from [ns], 0 = on arrival.
    joint_names (J). times_ns (N,) int64: time_from_start [ns]. positions (N, J) [rad] or [m]; velocities and
    accelerations (N, J) or None where the points carry none. A row of NaN in the derivatives is not "absent".

    Shapes are checked here (ValueError names the field); order of times, limits and finiteness are not: the
    receiver checks what the joint trajectory controller checks.
    """

    topic: str
    stamp_ns: int
    joint_names: tuple[str, ...]
    times_ns: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray | None = None
    accelerations: np.ndarray | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "joint_names", tuple(self.joint_names))
        object.__setattr__(self, "stamp_ns", int(self.stamp_ns))
        times = np.asarray(self.times_ns)
        if times.ndim != 1:
            raise ValueError(f"times_ns has shape {times.shape}, allowed is (points,)")
        if times.size and not np.issubdtype(times.dtype, np.integer):
            raise ValueError(f"times_ns has type {times.dtype}, allowed are integers [ns]")
        object.__setattr__(self, "times_ns", times.astype(np.int64))
        shape = (len(times), len(self.joint_names))
        for field in ("positions", "velocities", "accelerations"):
            value = getattr(self, field)
            if value is None and field != "positions":
                continue
            array = np.asarray(value, dtype=np.float64)
            if array.shape != shape:
                raise ValueError(f"{field} has shape {array.shape}, allowed is {shape} (points, joints)")
            object.__setattr__(self, field, array)

    def __len__(self) -> int:
        return len(self.times_ns)

    @property
    def duration_ns(self) -> int:
        """time_from_start of the last point [ns]; 0 without points."""
        return int(self.times_ns[-1]) if len(self.times_ns) else 0

    @property
    def end_ns(self) -> int:
        """Instant of the last point [ns]; meaningful when the stamp is not 0."""
        return self.stamp_ns + self.duration_ns
