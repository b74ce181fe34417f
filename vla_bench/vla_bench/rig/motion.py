"""Motion to measure the controller with: reaches that never end, and a planner that follows them with noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vla_motion import rotation

POSITION_NOISE = 0.3e-3
"""Standard deviation of the white noise on each axis of each step [m]: about twice what is rough in the chunks of the
shipped policy (0.18 mm, from second differences along the steps)."""
ROTATION_NOISE = np.radians(0.1)
"""The same for each component of the rotation vector [rad]; the shipped policy's chunks show a tenth of it."""
GAIN = 0.5
"""Share of the distance from the path that a plan makes up in each step, as the scripted expert does."""

_LOWER, _UPPER = np.array([0.38, -0.25, 0.10]), np.array([0.62, 0.25, 0.40])
_SPEED, _TURN_SPEED = 0.40, 1.0  # peaks of the reaches [m/s], [rad/s]
_PAUSE = 0.3  # [s]
_TILT, _YAW = np.radians(12.0), np.radians(50.0)


class Reaches:
    """Tool reaches between random poses over the table, minimum-jerk in time, with short rests.

    Position and turn of each reach share one phase, which is what hands do (Flash and Hogan, 1985). Deterministic by
    rng; time [s] starts at 0 with a rest at ``T_start`` (4, 4).
    """

    def __init__(self, rng: np.random.Generator, T_start: np.ndarray) -> None:
        self._rng = rng
        self._begins, self._durations = [0.0], [0.0]
        self._poses = [np.array(T_start)]
        self._deltas: list[np.ndarray] = [np.zeros(6)]

    def pose(self, t: float) -> np.ndarray:
        """The tool's pose (4, 4) in the base frame at t."""
        while t >= self._begins[-1] + self._durations[-1] + _PAUSE:
            self._extend()
        k = int(np.searchsorted(self._begins, t, side="right")) - 1
        if k <= 0:
            return self._poses[0].copy()
        s = min(max((t - self._begins[k]) / self._durations[k], 0.0), 1.0)
        return rotation.compose_left(self._poses[k], self._deltas[k] * (s**3 * (10.0 + s * (6.0 * s - 15.0))))

    def _extend(self) -> None:
        rng = self._rng
        begin = self._begins[-1] + self._durations[-1] + _PAUSE
        T_from = rotation.compose_left(self._poses[-1], self._deltas[-1])
        tilt = rotation.exp(np.array([*rng.uniform(-_TILT, _TILT, 2), 0.0]))
        yaw = rng.uniform(-_YAW, _YAW)
        down = rotation.exp(np.array([0.0, 0.0, yaw])) @ np.diag([1.0, -1.0, -1.0])
        T_to = rotation.pose(rng.uniform(_LOWER, _UPPER), tilt @ down)
        delta = rotation.left_difference(T_from, T_to)
        distance, turn = np.linalg.norm(delta[:3]), np.linalg.norm(delta[3:])
        self._begins.append(begin)
        self._poses.append(T_from)
        self._deltas.append(delta)
        self._durations.append(max(0.8, 1.875 * distance / _SPEED, 1.875 * turn / _TURN_SPEED))


@dataclass
class NoisyPlanner:
    """Chunks of EE_DELTA that follow a path in time, come back to it where they start off it, and are noisy.

    period [s] between steps; noises as POSITION_NOISE and ROTATION_NOISE.
    """

    path: Reaches
    rng: np.random.Generator
    period: float
    position_noise: float = POSITION_NOISE
    rotation_noise: float = ROTATION_NOISE

    def actions(self, t: float, T_tool: np.ndarray, horizon: int, committed: np.ndarray | None = None) -> np.ndarray:
        """Steps (horizon, 6) [m, rad] from the tool commanded to be at T_tool (4, 4) at t [s] on the path's clock.

        committed (C, 6): first steps, given; the rest follows on them.
        """
        out = np.empty((horizon, 6))
        T = np.array(T_tool)
        done = 0
        if committed is not None and len(committed):
            done = len(committed)
            out[:done] = committed
            for delta in committed:
                T = rotation.compose_left(T, delta)
        off = rotation.left_difference(self.path.pose(t + done * self.period), T)
        for k in range(done, horizon):
            off = off * (1.0 - GAIN)
            target = rotation.compose_left(self.path.pose(t + (k + 1) * self.period), off)
            out[k] = rotation.left_difference(T, target)
            T = target
        noise = self.rng.standard_normal((horizon, 6))
        noise[:, :3] *= self.position_noise
        noise[:, 3:] *= self.rotation_noise
        noise[:done] = 0.0
        return out + noise
