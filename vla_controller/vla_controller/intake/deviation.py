"""Where arms stand or move apart from the plan, as measured and by their trajectory controllers' word."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from vla_controller.intake.confirmation import Confirmation
from vla_controller.intake.readiness import Readiness
from vla_controller.intake.tolerances import DROPPED, EARLIEST_NS, LATEST_NS, OFF, OFF_AT_REST, RESTS, STANDS
from vla_controller.intake.trajectory_controllers import FRESH_NS
from vla_controller.planning.arm_group import ArmGroup
from vla_controller.planning.ways_to_rest import State

_AROUND_NS = np.array([EARLIEST_NS, EARLIEST_NS // 2, 0, LATEST_NS])  # of a set point's stamp
_LEFT_NS = 100_000_000
_WAY_NS = np.arange(0, FRESH_NS + 1, 20_000_000)  # how old a controller's word may be


class Deviation:
    """Compares what others keep: it remembers nothing, and changes nothing. Positions (J,) [rad] are those of all arms.

    The plan is the commanded motion of ``arms``. dry_run: it is not executed, so nobody is apart from it.
    """

    def __init__(self, arms: ArmGroup, ready: Readiness, confirmation: Confirmation, *, dry_run: bool) -> None:
        self._arms, self._ready, self._confirmation, self._dry_run = arms, ready, confirmation, dry_run
        self._states, self._controllers = ready.states, ready.controllers

    # as measured

    def beyond(self) -> np.ndarray:
        """How far each joint is measured outside of its commanded motion of the moments before (J,) [rad]; negative inside."""
        states, timeline = self._states, self._arms.timeline
        return states.of_stamps(lambda stamp_ns: timeline.distance_with_lag(stamp_ns, states.positions))

    def commanded_minus_measured(self) -> np.ndarray:
        """Of each joint, at the stamp of its newest state (J,) [rad]."""
        return self._states.of_stamps(lambda stamp_ns: self._arms.timeline.sample(stamp_ns)[0]) - self._states.positions

    # by the trajectory controllers' word

    def tells(self, stamp_ns: int) -> bool:
        """A state of this stamp is of the plan; else it may be of before it took over, where it began anew."""
        return stamp_ns + EARLIEST_NS >= self._arms.begun_ns

    def off_plan(self, now_ns: int) -> Iterator[tuple[int, np.ndarray]]:
        """Arms whose trajectory controllers say that they are not where they are commanded to be, and their set points: of the
        arm's own joints (K,) [rad]."""
        timeline = self._arms.timeline
        if self._dry_run or timeline is None:
            return
        for arm, set_point, stamp_ns in self._controllers.fresh(now_ns):
            if not self.tells(stamp_ns):
                continue
            joints, at = self._arms.arms[arm].joints, timeline.sample(stamp_ns)[0]
            at[joints] = set_point
            rests = timeline.end_ns <= stamp_ns + EARLIEST_NS
            if np.any(timeline.distance(stamp_ns + _AROUND_NS, at)[joints] > (OFF_AT_REST if rests else OFF)):
                yield arm, set_point

    def last_word_ns(self) -> int | None:
        """Up to when the trajectory controllers that are off the plan, or silent, are known to have followed it; None: all do."""
        quiet = [arm for arm, silent in enumerate(self._controllers.silent) if silent or self._confirmation.is_off(arm)]
        return self._last_word_of(quiet)

    def followed_ns(self) -> int | None:
        """Up to when all trajectory controllers that were ever heard are known to have followed the plan; None: none was."""
        return self._last_word_of(list(range(len(self._arms.arms))))

    def left_ns(self, now_ns: int) -> int | None:
        """Up to when the trajectory controllers that say of themselves that they are off the plan, and have for longer than a
        message may mistake, followed it; None: none is."""
        word_ns = self._last_word_of([arm for arm in range(len(self._arms.arms)) if self._confirmation.is_off(arm)])
        return word_ns if word_ns is not None and now_ns - word_ns > _LEFT_NS else None

    def _last_word_of(self, arms: list[int]) -> int | None:
        words = [word for word in map(self._confirmation.last_word_ns, arms) if word is not None]
        return min(words, default=None)

    # where arms stand

    def standing(self, now_ns: int) -> np.ndarray:
        """Where all arms stand (J,) [rad] before the first command: by a trajectory controller's word where it speaks, as it goes
        on from there and an arm sags below it; as measured where it does not, or where the two disagree."""
        q = self._states.positions.copy()
        for arm, set_point, _ in () if self._dry_run else self._controllers.fresh(now_ns):
            joints = self._arms.arms[arm].joints
            if np.all(np.abs(set_point - q[joints]) <= self._arms.tolerance[joints]):
                q[joints] = set_point
        return q

    def standing_off(self, now_ns: int) -> np.ndarray | None:
        """Where all arms stand (J,) [rad] by their trajectory controllers' own word, where that is not the commanded motion, be
        it by very little: messages were dropped. None where that is not so.

        A motion that took over from the plan would begin with a leap from there.
        """
        if not self._states.stands or self._ready.is_stale(now_ns):
            return None
        off = [(arm, q) for arm, q in self.off_plan(now_ns) if self._controllers.stands(arm, now_ns)]
        if not off:
            return None
        at, v, _ = self._arms.timeline.sample(now_ns)
        for arm, set_point in off:
            at[self._arms.arms[arm].joints], v[self._arms.arms[arm].joints] = set_point, 0.0
        return at if np.abs(v).max() <= RESTS else None  # another arm that goes on, however slowly, is not at rest

    def dropped(self, now_ns: int) -> np.ndarray | None:
        """As ``standing_off``, for every tick: looked for where the newest states of trajectory controllers lie off the plan."""
        off = any(self._confirmation.is_off(arm) for arm in range(len(self._arms.arms)))
        return self.standing_off(now_ns) if off else None

    # how arms go on

    def apart(self, now_ns: int) -> Callable[[int], State] | None:
        """How all arms go on, each (J,), by instant [ns], where one does otherwise than commanded. None: none is known to.

        One that stands, though it should not, goes on standing: something holds it, or its trajectory controller has dropped the
        plan. One that moves otherwise, by its controller's own word, has not got it, whether joint states come or not.
        """
        if self._dry_run or self._arms.timeline is None:
            return None
        standing, moving = self._standing_apart(now_ns), self._moving_apart(now_ns)
        if self._ready.is_stale(now_ns):  # a single word that nothing measured bears out tells no speed
            standing, moving = {}, {arm for arm in moving if self._confirmation.tells_speed(arm)}
        timeline = self._arms.timeline

        def motion(at_ns: int) -> State:
            state = tuple(part.copy() for part in timeline.sample(at_ns))
            for arm, entry in enumerate(self._arms.arms):
                if arm not in standing and arm not in moving:
                    continue
                q, v, a = self._confirmation.motion(arm, at_ns, entry.limits.acceleration) if arm in moving else (0.0,) * 3
                if arm in standing or np.abs(v).max() < STANDS:
                    q, v, a = standing.get(arm, q), 0.0, 0.0
                for whole, part in zip(state, (q, v, a)):
                    whole[entry.joints] = part
            return state

        return motion if standing or moving else None

    def _standing_apart(self, now_ns: int) -> dict[int, np.ndarray]:
        """Arms that stand still, though not where they were commanded to be in the last moments, and where: (K,) [rad].

        By the measured positions, beyond the tracking tolerance; by a controller's own word, beyond what messages are late. One
        that is silent may have been activated again a moment ago, and holds what is measured: then less is enough.
        """
        standing: dict[int, np.ndarray] = {}
        states, timeline = self._states, self._arms.timeline
        stands = [states.standing(entry.joints) for entry in self._arms.arms]
        if not any(stands):
            return standing
        beyond = self.beyond()
        for arm, (entry, silent) in enumerate(zip(self._arms.arms, self._controllers.silent)):
            if stands[arm] and np.any(beyond[entry.joints] > (DROPPED if silent else self._arms.tolerance[entry.joints])):
                standing[arm] = states.positions[entry.joints].copy()
        for arm, set_point, stamp_ns in self._controllers.fresh(now_ns):
            if not stands[arm] or not self.tells(stamp_ns):
                continue
            joints, at = self._arms.arms[arm].joints, states.positions.copy()
            at[joints] = set_point
            if np.any(timeline.distance(now_ns - _WAY_NS, at)[joints] > DROPPED):
                standing[arm] = set_point
        return standing

    def _moving_apart(self, now_ns: int) -> set[int]:
        """Arms that are elsewhere than commanded by their trajectory controllers' own word."""
        fresh = [arm for arm, _, stamp_ns in self._controllers.fresh(now_ns) if self.tells(stamp_ns)]
        return {arm for arm, _ in self.off_plan(now_ns)} | {arm for arm in fresh if self._confirmation.is_off(arm)}
