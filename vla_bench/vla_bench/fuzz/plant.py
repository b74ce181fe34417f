"""The arm under the trajectory controllers: it follows the executed motion, late, sagging, and at times held fast."""

from __future__ import annotations

import numpy as np

from vla_bench.fuzz.curve import Executed


class Plant:
    """Measured positions of all arms. lag_ns behind the executed motion, sag [rad] off it, joints that are blocked.

    A joint that is let go moves to where it is commanded at ``catch_up`` [rad/s].
    """

    def __init__(self, arms: list[Executed], lag_ns: int, sag: float, catch_up: float = 1.0) -> None:
        self._arms, self._lag_ns, self._sag, self._catch_up = arms, lag_ns, sag, catch_up
        count = sum(len(arm.rest) for arm in arms)
        self._offset = np.zeros(count)
        self._offset_since = 0
        self._blocked: dict[int, float] = {}
        self._not_before = [0] * len(arms)

    def _followed(self, t_ns: int) -> np.ndarray:
        """(2, J): position and velocity of the executed motion that the arm is at now."""
        states = [arm.at(max(t_ns - self._lag_ns, since, 0)) for arm, since in zip(self._arms, self._not_before)]
        return np.concatenate(states, axis=1)[:2]

    def _left(self, t_ns: int) -> np.ndarray:
        way = self._catch_up * max(0, t_ns - self._offset_since) * 1e-9
        return np.sign(self._offset) * np.maximum(np.abs(self._offset) - way, 0.0)

    def state(self, t_ns: int) -> tuple[np.ndarray, np.ndarray]:
        """True positions and velocities (J,) of all joints at a physical instant."""
        q, v = self._followed(t_ns)
        left = self._left(t_ns)
        q, v = q + self._sag + left, v - self._catch_up * np.sign(left)
        for joint, held in self._blocked.items():
            q[joint], v[joint] = held, 0.0
        return q, v

    def block(self, joint: int, t_ns: int, aside: float = 0.0) -> None:
        """Held fast where it is, or ``aside`` [rad] of that."""
        self._blocked[joint] = float(self.state(t_ns)[0][joint]) + aside

    def release(self, joint: int, t_ns: int) -> None:
        if joint not in self._blocked:
            return
        held = self._blocked.pop(joint)
        self._offset, self._offset_since = self._left(t_ns), t_ns
        self._offset[joint] = held - self._followed(t_ns)[0, joint] - self._sag

    def anchored(self, arm: int, start_ns: int, joints: slice) -> None:
        """The commanded motion of an arm begins anew from start_ns on, where the arm stands."""
        self._not_before[arm] = start_ns
        left = self._left(start_ns)
        left[joints] = 0.0
        self._offset, self._offset_since = left, start_ns

    def trails(self, start_ns: int, joints: slice, by: np.ndarray) -> None:
        """The motion that the arm follows leaps from start_ns on; the arm is by (J,) [rad] off it then, and catches up."""
        left = self._left(start_ns)
        left[joints] += by
        self._offset, self._offset_since = left, start_ns
