"""What is known of the measured motion of the cell's joints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_REST_SPEED = 0.1  # [rad/s]


class JointStates:
    """The newest measured state of all joints, in the card's order.

    joints: their names (J). stamp_ns: None before the first. positions, velocities (J,) [rad, rad/s].
    """

    def __init__(self, joints: Sequence[str]) -> None:
        self.joints = tuple(joints)
        self.forget()

    def forget(self) -> None:
        """As before the first state."""
        self.stamp_ns: int | None = None
        self.positions = np.zeros(len(self.joints))
        self.velocities = np.zeros(len(self.joints))

    def update(
        self, stamp_ns: int, names: Sequence[str], positions: Sequence[float], velocities: Sequence[float] | None
    ) -> bool:
        """Takes a message that has all joints, finite and not older than the newest; False: it was ignored.

        Without velocities they are taken from the positions of the last two states.
        """
        place = {name: i for i, name in enumerate(names)}
        if not all(joint in place for joint in self.joints) or len(positions) != len(names):
            return False
        order = [place[joint] for joint in self.joints]
        q = np.array([positions[i] for i in order], dtype=np.float64)
        if not np.isfinite(q).all() or (self.stamp_ns is not None and stamp_ns < self.stamp_ns):
            return False
        if velocities is not None and len(velocities) == len(names):
            v = np.array([velocities[i] for i in order], dtype=np.float64)
            if not np.isfinite(v).all():
                return False
        elif self.stamp_ns is None or stamp_ns == self.stamp_ns:
            v = self.velocities
        else:
            v = (q - self.positions) / ((stamp_ns - self.stamp_ns) * 1e-9)
        self.stamp_ns, self.positions, self.velocities = stamp_ns, q, v
        return True

    def age_ns(self, now_ns: int) -> int | None:
        """Age of the newest state; None before the first."""
        return None if self.stamp_ns is None else now_ns - self.stamp_ns

    @property
    def at_rest(self) -> bool:
        """No joint moves noticeably."""
        return bool(np.all(np.abs(self.velocities) < _REST_SPEED))
