"""What is known of the measured motion of the cell's joints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_REST_SPEED = 0.15  # [rad/s] more than a joint that stands trembles
_LEAP = 0.05  # [rad] beyond what the joint's speed explains
_HASTE = 1.5  # times the joint's speed limit
_STEADY = 0.005  # [rad] noise of a joint that stands
_SETTLED_NS = 50_000_000
_STANDING_NS = 100_000_000


class JointStates:
    """The newest measured state of all joints, in the card's order.

    joints: their names (J). stamp_ns: None before the first. positions, velocities (J,) [rad, rad/s]. at_rest: no joint
    moves noticeably by its velocity, nor has by its positions for 50 ms. known: states have come for 50 ms, so that a first one
    that is wrong has shown itself. stands: stricter, no joint has left its place by
    more than noise for 100 ms. leap: which joint was last seen to jump farther
    than its speed limit (J,) [rad/s] explains, in words; None until then, and again after ``settle``.
    """

    def __init__(self, joints: Sequence[str], speed_limit: np.ndarray) -> None:
        self.joints = tuple(joints)
        self._speed_limit = speed_limit
        self._names: tuple[str, ...] = ()
        self._order: list[int] | None = None
        self.forget()

    def forget(self) -> None:
        """As before the first state."""
        self.stamp_ns: int | None = None
        self.positions = np.zeros(len(self.joints))
        self.velocities = np.zeros(len(self.joints))
        self.at_rest = self.stands = False
        self._first_ns: int | None = None
        self._place: tuple[int, np.ndarray] | None = None
        self.leap: str | None = None
        self._leapt_ns = 0
        self._still_since_ns: int | None = None

    def update(
        self, stamp_ns: int, names: Sequence[str], positions: Sequence[float], velocities: Sequence[float] | None
    ) -> bool:
        """Takes a message that has all joints, finite and not older than the newest; False: it was ignored.

        Without velocities, or with some that are not finite, they are taken from the positions of the last two states.
        """
        order = self._places(names)
        if order is None or len(positions) != len(names):
            return False
        q = np.array(positions, dtype=np.float64)[order]
        if not np.isfinite(q).all() or (self.stamp_ns is not None and stamp_ns < self.stamp_ns):
            return False
        v = None
        if velocities is not None and len(velocities) == len(names):
            v = np.array(velocities, dtype=np.float64)[order]
        # joints without a velocity interface are told as NaN: then all are taken from positions
        told = v is not None and bool(np.isfinite(v).all())
        if not told and (self.stamp_ns is None or stamp_ns == self.stamp_ns):
            v = self.velocities
        elif not told:
            v = (q - self.positions) / ((stamp_ns - self.stamp_ns) * 1e-9)
        self._watch(stamp_ns, q)
        if self._place is None or np.abs(q - self._place[1]).max() > _STEADY:
            self._place = stamp_ns, q
        self.stands = stamp_ns - self._place[0] >= _STANDING_NS
        self.stamp_ns, self.positions, self.velocities = stamp_ns, q, v
        if self._first_ns is None:
            self._first_ns = stamp_ns
        if self._still_since_ns is None:  # the first state: its velocities are all there is, where it has any
            self._still_since_ns = stamp_ns - (_SETTLED_NS if told else 0)
        steady = stamp_ns - self._still_since_ns >= _SETTLED_NS
        self.at_rest = steady and bool(np.abs(v).max() < _REST_SPEED)
        return True

    def _places(self, names: Sequence[str]) -> list[int] | None:
        """Where the joints stand in a message; None where one is missing. Messages mostly repeat their names."""
        names = tuple(names)
        if names != self._names:
            place = {name: i for i, name in enumerate(names)}
            complete = all(joint in place for joint in self.joints)
            self._names, self._order = names, [place[joint] for joint in self.joints] if complete else None
        return self._order

    def _watch(self, stamp_ns: int, q: np.ndarray) -> None:
        if self.stamp_ns is None:
            return
        elapsed = (stamp_ns - self.stamp_ns) * 1e-9
        moved = np.abs(q - self.positions)
        if moved.max() > _STEADY + _REST_SPEED * elapsed:
            self._still_since_ns = stamp_ns
        unexplained = moved - (_HASTE * elapsed) * self._speed_limit
        joint = int(unexplained.argmax())
        if unexplained[joint] > _LEAP:
            self.leap = f"{self.joints[joint]} jumped by {moved[joint]:.2f} rad in {elapsed * 1e3:.0f} ms"
            self._leapt_ns = stamp_ns

    @property
    def settled(self) -> bool:
        """No joint has jumped for 50 ms."""
        return self.leap is None or self.stamp_ns - self._leapt_ns >= _SETTLED_NS

    @property
    def known(self) -> bool:
        """States have come for 50 ms."""
        return self._first_ns is not None and self.stamp_ns - self._first_ns >= _SETTLED_NS

    def settle(self) -> None:
        """What jumped is where it is now."""
        self.leap = None

    def age_ns(self, now_ns: int) -> int | None:
        """Age of the newest state; None before the first."""
        return None if self.stamp_ns is None else now_ns - self.stamp_ns
