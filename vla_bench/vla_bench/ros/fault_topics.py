"""What runs between the graph and the faulty relay: names of topics, and trajectories as they were sent. No rclpy here."""

from __future__ import annotations

from dataclasses import dataclass
from math import perm

import numpy as np

PREFIX = "faulty/"


def faulty(topic: str) -> str:
    """Where the relay speaks what it hears on a topic."""
    return PREFIX + topic.lstrip("/")


@dataclass(frozen=True)
class Sent:
    """A trajectory message: absolute knots times_ns (N,), q, v, a (N, J), and its arrival in ROS time and on the steady clock."""

    times_ns: np.ndarray
    q: np.ndarray
    v: np.ndarray
    a: np.ndarray
    arrival_ns: int
    arrival_steady_ns: int

    @property
    def end_ns(self) -> int:
        """When it ends [ns]."""
        return int(self.times_ns[-1])

    @property
    def ends_at_rest(self) -> bool:
        """The last point carries no velocity and no acceleration."""
        return bool(np.all(np.abs(self.v[-1]) < 1e-9) and np.all(np.abs(self.a[-1]) < 1e-9))

    def sample(self, t_ns: np.ndarray) -> np.ndarray:
        """(4, M, J): position, velocity, acceleration, jerk at t_ns (M,); held before the first and behind the last point."""
        t_ns = np.asarray(t_ns, dtype=np.int64)
        out = np.zeros((4, len(t_ns), self.q.shape[1]))
        segment = np.searchsorted(self.times_ns, t_ns, side="right") - 1
        out[0, segment < 0], out[0, segment >= len(self.times_ns) - 1] = self.q[0], self.q[-1]
        for k in np.unique(segment[(segment >= 0) & (segment < len(self.times_ns) - 1)]):
            rows = segment == k
            h = (self.times_ns[k + 1] - self.times_ns[k]) * 1e-9
            s = (t_ns[rows] - self.times_ns[k]) * 1e-9 / h
            ends = [x for i in (k, k + 1) for x in (self.q[i] - self.q[k], self.v[i] * h, self.a[i] * h * h)]
            C = np.linalg.solve(_CONDITIONS, np.stack(ends))
            for order in range(4):
                powers = [perm(p, order) * s ** (p - order) if p >= order else 0.0 * s for p in range(6)]
                out[order, rows] = np.stack(powers, axis=1) @ C / h**order
            out[0, rows] += self.q[k]
        return out


_CONDITIONS = np.array([[perm(p, d) * (0.0 ** (p - d) if p > d else 1.0) * (p >= d) if end == 0 else
                         perm(p, d) * (p >= d) for p in range(6)] for end in (0, 1) for d in range(3)], dtype=float)  # fmt: skip
"""Rows: position, velocity, acceleration of 1, s, .. s^5 at s = 0 and at s = 1."""
