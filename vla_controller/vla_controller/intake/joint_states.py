"""What is known of the measured motion of all joints."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from vla_contract.turns import on_turn_of

_REST_SPEED = 0.15  # [rad/s] more than a joint that stands trembles
_LEAP = 0.05  # [rad] beyond what the joint's speed explains
_HASTE = 1.5  # times the joint's speed limit
_STEADY = 0.005  # [rad] noise of a joint that stands
_SETTLED_NS = 50_000_000
_ARRIVES_NS = 250_000_000
_STANDING_NS = 100_000_000


class JointStates:
    """The newest measured state of each joint, in the card's order, from any number of drivers that each tell some of them.

    joints: their names (J). stamp_ns: of the joint that was heard of longest ago; None before each has been heard of.
    stamps_ns (J,): of each, newest_ns: of the newest. positions, velocities
    (J,) [rad, rad/s]. at_rest: no joint moves noticeably by its velocity, nor has by its positions for 50 ms. known: states have
    come for 50 ms, so that a first one that is wrong has shown itself. stands: stricter, no joint has left its place by
    more than noise for 100 ms. leap: which joint was last seen to jump farther
    than its speed limit (J,) [rad/s] explains, in words; None until then, and again after ``settle``.

    continuous (J,): joints that turn for ever. Where such a one is reported a full turn off, it is taken for the same angle on
    the turn that it was on; any other joint would have jumped.
    """

    def __init__(self, joints: Sequence[str], speed_limit: np.ndarray, continuous: np.ndarray | None = None) -> None:
        self.joints = tuple(joints)
        self._speed_limit = speed_limit
        self._continuous = np.zeros(len(self.joints), dtype=bool) if continuous is None else continuous
        self._turn = np.full(len(self.joints), np.nan)  # [rad] no clock that is set turns an arm: not forgotten
        self._names: tuple[str, ...] = ()
        self._found: tuple[np.ndarray | slice, np.ndarray] | None = None
        self._turns, self._indices = bool(self._continuous.any()), np.arange(len(self.joints))
        self.forget()

    def forget(self) -> None:
        """As before the first state."""
        count = len(self.joints)
        self.stamp_ns: int | None = None
        self.newest_ns = 0
        self.stamps_ns = np.zeros(count, dtype=np.int64)
        self._heard, self._measured = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
        self.positions = np.zeros(count)
        self.velocities = np.zeros(count)
        self.at_rest = self.stands = False
        self._first_ns: int | None = None
        self._places_since: tuple[np.ndarray, np.ndarray] | None = None
        self.leap: str | None = None
        self._leapt_ns = 0
        self._still_since_ns: int | None = None
        self._ahead: dict[str, int] = {}
        self._unsound: dict[str, str] = {}
        self._behind: dict[str, tuple[int, int]] = {}

    def update(
        self, stamp_ns: int, names: Sequence[str], positions: Sequence[float], velocities: Sequence[float] | None
    ) -> bool:
        """Takes what a message tells of the joints; False: there is no state of all of them, or no newer one.

        A message with a position that is not finite, or with one joint twice, is ignored; so is each joint that was heard of
        with a newer stamp. A velocity that is not there, or not finite, is taken from the joint's last two positions.
        """
        found = self._places(names)
        if found is None or len(positions) != len(names):
            self._refuse(names, f"{len(positions)} positions for {len(names)} names" if found else "a joint is told twice")
            return False
        joints, places = found
        q = np.array(positions, dtype=np.float64)[places]
        if not np.isfinite(q).all():
            worst = int(np.argmin(np.isfinite(q)))
            self._refuse(names, f"the position of {self.joints[self._indices[joints][worst]]} is {q[worst]}")
            return False
        if self.stamp_ns != self.newest_ns or stamp_ns < self.newest_ns:  # else all are older, or were never heard of
            fresh = ~self._heard[joints] | (stamp_ns >= self.stamps_ns[joints])
            if not fresh.all():
                joints, places, q = self._indices[joints][fresh], places[fresh], q[fresh]
                if not len(q):
                    return False
        if self._turns:
            q = self._unwrapped(joints, q)
        v = None
        if velocities is not None and len(velocities) == len(names):
            v = np.array(velocities, dtype=np.float64)[places]
        self._take(stamp_ns, joints, q, v)
        if self._ahead or self._unsound:
            for joint in self._indices[joints]:
                self._ahead.pop(self.joints[joint], None)
                self._unsound.pop(self.joints[joint], None)
        return self._assess()

    def _take(self, stamp_ns: int, joints: np.ndarray | slice, q: np.ndarray, v: np.ndarray | None) -> None:
        """Of these joints (K,) the newest positions, and velocities, NaN or None where they were not measured."""
        all_at_once = isinstance(joints, slice)
        if all_at_once and self.stamp_ns is not None and self.stamp_ns == self.newest_ns:
            elapsed: float | np.ndarray = (stamp_ns - self.stamp_ns) * 1e-9
        else:
            elapsed = (stamp_ns - self.stamps_ns[joints]) * 1e-9
        heard = True if self.stamp_ns is not None else self._heard[joints]
        moved = q - self.positions[joints]
        # joints without a velocity interface come as NaN
        measured = False if v is None else np.isfinite(v)
        if v is None or not measured.all():
            derived, since = self.velocities[joints].copy(), heard & (np.asarray(elapsed) > 0.0)
            np.divide(moved, elapsed, out=derived, where=since)
            v = derived if v is None else np.where(measured, v, derived)
        if heard is True:
            self._watch(stamp_ns, joints, np.abs(moved), elapsed)
        elif heard.any():
            self._watch(stamp_ns, self._indices[joints][heard], np.abs(moved[heard]), elapsed[heard])
        self._measured[joints], self.stamps_ns[joints] = measured, stamp_ns
        if heard is not True:
            self._heard[joints] = True
        if all_at_once:
            self.positions, self.velocities = q, v
        else:
            self.positions, self.velocities = self.positions.copy(), self.velocities.copy()
            self.positions[joints], self.velocities[joints] = q, v

    def _assess(self) -> bool:
        """What the newest states of all joints say together, once there is one of each."""
        before_ns = self.stamp_ns
        if before_ns is None and not self._heard.all():
            return False
        self.stamp_ns, self.newest_ns = int(self.stamps_ns.min()), int(self.stamps_ns.max())
        oldest_ns = self.stamp_ns
        if self._places_since is None:
            self._places_since = self.positions.copy(), np.full(len(self.joints), oldest_ns)
        places, since_ns = self._places_since
        left = np.abs(self.positions - places) > _STEADY
        if left.any():
            places[left], since_ns[left] = self.positions[left], oldest_ns
        self.stands = self.standing(slice(None))
        if before_ns is None:
            self._first_ns = oldest_ns
        if self._still_since_ns is None:  # the first state: its velocities are all there is, where it has any
            self._still_since_ns = oldest_ns - (_SETTLED_NS if self._measured.all() else 0)
        steady = oldest_ns - self._still_since_ns >= _SETTLED_NS
        self.at_rest = steady and bool(np.abs(self.velocities).max() < _REST_SPEED)
        return True

    def standing(self, joints: slice) -> bool:
        """As ``stands``, of these joints alone."""
        return self._places_since is not None and bool(self.stamp_ns - self._places_since[1][joints].max() >= _STANDING_NS)

    def _places(self, names: Sequence[str]) -> tuple[np.ndarray | slice, np.ndarray] | None:
        """Which joints a message has (K,), and where in it (K,); None: none, or one twice. Messages mostly repeat their names."""
        names = tuple(names)
        if names != self._names:
            place = {name: i for i, name in enumerate(names)}
            joints = [i for i, joint in enumerate(self.joints) if joint in place]
            self._names, self._found = names, None
            if joints and all(names.count(self.joints[i]) == 1 for i in joints):
                whole = len(joints) == len(self.joints)
                self._found = slice(None) if whole else np.array(joints), np.array([place[self.joints[i]] for i in joints])
        return self._found

    def _unwrapped(self, joints: np.ndarray | slice, q: np.ndarray) -> np.ndarray:
        known = self._continuous[joints] & np.isfinite(self._turn[joints])
        q[known] = on_turn_of(q[known], self._turn[joints][known])
        self._turn[joints] = q
        return q

    def on_their_turns(self, q: np.ndarray) -> np.ndarray:
        """Positions (J,) [rad] that somebody else tells, with continuous joints on the turns that they are measured on."""
        known = self._continuous & np.isfinite(self._turn)
        return np.where(known, on_turn_of(q, np.where(known, self._turn, q)), q) if known.any() else q

    def _watch(self, stamp_ns: int, joints: np.ndarray | slice, moved: np.ndarray, elapsed: float | np.ndarray) -> None:
        if (moved > _STEADY + _REST_SPEED * elapsed).any():
            self._still_since_ns = stamp_ns
        unexplained = moved - (_HASTE * elapsed) * self._speed_limit[joints]
        worst = int(unexplained.argmax())
        if unexplained[worst] > _LEAP:
            joint, within = self.joints[self._indices[joints][worst]], np.broadcast_to(elapsed, moved.shape)[worst]
            self.leap = f"{joint} jumped by {moved[worst]:.2f} rad in {within * 1e3:.0f} ms"
            self._leapt_ns = stamp_ns

    def refuse_ahead(self, names: Sequence[str], ahead_ns: int) -> None:
        """A message with these joints was stamped ahead_ns ahead of the clock, and is not taken."""
        for name in set(names) & set(self.joints):
            self._ahead[name] = ahead_ns

    def note_behind(self, names: Sequence[str], stamp_ns: int, now_ns: int) -> None:
        """A message with these joints arrives now, and its stamp is older than states may be."""
        for name in set(names) & set(self.joints):
            self._behind[name] = stamp_ns, now_ns

    def _refuse(self, names: Sequence[str], why: str) -> None:
        for name in set(names) & set(self.joints):
            self._unsound[name] = why

    def of_stamps(self, values_at: Callable[[int], np.ndarray]) -> np.ndarray:
        """What values_at (stamp [ns]) -> (J,) says of each joint at the stamp of its own newest state. Shape (J,)."""
        if self.stamp_ns == self.newest_ns:
            return values_at(self.stamp_ns)
        values = np.empty(len(self.joints))
        for stamp_ns in np.unique(self.stamps_ns):
            of_it = self.stamps_ns == stamp_ns
            values[of_it] = values_at(int(stamp_ns))[of_it]
        return values

    @property
    def settled(self) -> bool:
        """No joint has jumped for 50 ms."""
        return self.leap is None or (self.stamp_ns is not None and self.stamp_ns - self._leapt_ns >= _SETTLED_NS)

    @property
    def known(self) -> bool:
        """States have come for 50 ms."""
        return self._first_ns is not None and self.stamp_ns - self._first_ns >= _SETTLED_NS

    def settle(self) -> None:
        """What jumped is where it is now."""
        self.leap = None

    def age_ns(self, now_ns: int) -> int | None:
        """Age of the joint that was heard of longest ago [ns]; None before each has been heard of."""
        return None if self.stamp_ns is None else now_ns - self.stamp_ns

    def late(self, now_ns: int, max_age_ns: float | np.ndarray) -> list[str]:
        """Joints whose newest state is older than that, of all or each (J,) [ns]; those never heard of where there are any."""
        late = ~self._heard if not self._heard.all() else now_ns - self.stamps_ns > max_age_ns
        return [joint for joint, is_late in zip(self.joints, late) if is_late]

    def ahead_ns(self, joints: Sequence[str]) -> int:
        """How far ahead of the clock the newest message of one of these joints was stamped [ns]; 0: it was taken."""
        return max((self._ahead.get(joint, 0) for joint in joints), default=0)

    def behind(self, joints: Sequence[str], now_ns: int) -> str:
        """How messages of these joints that arrive all the time are stamped, in words; empty: none does, or as it should be."""
        found = [self._behind[joint] for joint in joints if joint in self._behind]
        coming = [stamp_ns for stamp_ns, arrived_ns in found if 0 <= now_ns - arrived_ns <= _ARRIVES_NS]
        if not coming:
            return ""
        if min(coming) == 0:
            return "with a stamp of 0: their driver gives them none"
        past_ms = (now_ns - min(coming)) * 1e-6
        return f"stamped {past_ms:.0f} ms in the past: the clocks of arm and controller differ, or they take that long"

    def unsound(self, joints: Sequence[str]) -> str:
        """Why the newest message of one of these joints was not taken, in words; empty: it was."""
        return next((self._unsound[joint] for joint in joints if joint in self._unsound), "")
