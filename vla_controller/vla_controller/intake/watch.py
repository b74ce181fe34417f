"""What is known of the arm and of the clock, and what of it keeps the arm from moving."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.report import Verdict
from vla_controller.intake.admission import Admission
from vla_controller.intake.clock_watch import ClockWatch
from vla_controller.intake.confirmation import Confirmation
from vla_controller.intake.deviation import Deviation
from vla_controller.intake.joint_states import JointStates
from vla_controller.intake.readiness import Readiness, at_full_speed
from vla_controller.intake.tracking import Tracking
from vla_controller.intake.trajectory_controllers import TrajectoryControllers
from vla_controller.planning.arm_group import ArmGroup
from vla_controller.refusal import Refusal

_NAMED_NS = 50_000_000
_OLDEST_NS = 200_000_000  # a stamp that is older, or of the future, is of another clock


class Watch:
    """Joint states, what joint trajectory controllers say of themselves, and the clock, compared with the commanded motion.

    ``states``, ``controllers``, ``ready`` and ``deviation`` are for reading. admission: remembers times, so it hears where the
    clock was set. dry_run: nothing that is commanded is executed, so the two are not compared. clock, steady, simulated: see
    ClockWatch.
    """

    def __init__(
        self, card: InterfaceCard, arms: ArmGroup, admission: Admission, *, dry_run: bool,
        clock: Callable[[], int] | None, steady: Callable[[], int] | None, simulated: bool,
    ) -> None:  # fmt: skip
        self._arms, self._admission, self._dry_run = arms, admission, dry_run
        self._clocks = ClockWatch(clock, steady, simulated=simulated)
        limits = np.concatenate([arm.limits.velocity for arm in arms.arms])
        self.states = JointStates(arms.joint_names, limits, arms.continuous)
        # One for each source: references on the plan would hide that the arm itself has stopped following.
        self._tracking = Tracking(arms.tolerance)
        self._references = [Tracking(arms.tolerance) for _ in arms.arms]
        names = [arm.card.name for arm in arms.arms]
        self.controllers, self._confirmation = TrajectoryControllers(names), Confirmation(names)
        self.ready = Readiness(card, self.states, self.controllers, speed_scaling=[1.0] * len(arms.arms))
        self.deviation = Deviation(arms, self.ready, self._confirmation, dry_run=dry_run)
        self._spoke_again = False
        self._desync_until_ns: int | None = None
        self._now_ns = 0
        self._stale = False

    def on_joint_state(
        self,
        stamp_ns: int,
        names: Sequence[str],
        positions: Sequence[float],
        velocities: Sequence[float] | None,
        now_ns: int,
    ) -> None:
        """See ChunkController.on_joint_state."""
        if self._clocks.was_set(now_ns):
            return  # the next tick sees to the clock first
        ready, states = self.ready, self.states
        if stamp_ns > now_ns + ready.card.state.ahead_ns:
            states.refuse_ahead(names, stamp_ns - now_ns)
            return
        if now_ns - stamp_ns > ready.card.state.max_age * 1e9:
            states.note_behind(names, stamp_ns, now_ns)
        if not states.update(stamp_ns, names, positions, velocities):
            return
        if ready.clock_set and states.at_rest and states.known and states.settled:
            known = self._arms.timeline is not None
            waiting = self._arms.moving(states.stamp_ns) if known else states.stamp_ns < ready.sent_until_ns
            ready.clock_set = ready.clock_set if waiting else ""
        if self._arms.timeline is not None and not self._dry_run:
            self._tracking.compare(states.newest_ns, self.deviation.beyond())
            self._arms.watch_sag(now_ns, states)

    def hear(self, arm: int, now_ns: int) -> None:
        """A trajectory controller speaks, whatever it says: before anything is judged by its silence."""
        if not self._dry_run and not self._clocks.was_set(now_ns) and self.controllers.hear(arm, now_ns):
            self._spoke_again = True

    def on_controller_state(
        self, arm: int, names: Sequence[str], reference: Sequence[float], speed_scaling: float, now_ns: int,
        stamp_ns: int | None,
    ) -> str:  # fmt: skip
        """See ChunkController.on_controller_state. Why to brake, in words; empty: go on."""
        before, self.ready.speed_scaling[arm] = self.ready.speed_scaling[arm], float(speed_scaling)
        self.hear(arm, now_ns)
        entry, place = self._arms.arms[arm], dict(zip(names, reference))
        joints = entry.card.joints
        if not self._dry_run and all(joint in place for joint in joints):
            q = self.states.positions.copy()
            q[entry.joints] = [place[joint] for joint in joints]
            if np.isfinite(q).all():
                self._on_set_point(arm, self.states.on_their_turns(q), now_ns, stamp_ns)
        if at_full_speed(before) and not at_full_speed(speed_scaling):
            return f"a joint trajectory controller runs at {speed_scaling:.4g} of its speed"
        return ""

    def _on_set_point(self, arm: int, q: np.ndarray, now_ns: int, stamp_ns: int | None) -> None:
        """q (J,) [rad]: of its own joints, beside the others as measured."""
        timeline, joints = self._arms.timeline, self._arms.arms[arm].joints
        known = stamp_ns is not None and 0 <= now_ns - stamp_ns <= _OLDEST_NS
        stamp_ns = stamp_ns if known else now_ns
        self.controllers.set_point(arm, q[joints], stamp_ns, now_ns)
        if timeline is not None:
            if self.deviation.tells(stamp_ns):
                self._references[arm].compare(now_ns, timeline.distance_with_lag(now_ns, q), joints)
            self._confirmation.see(arm, q[joints], stamp_ns, now_ns, timeline, joints, stamped=known)

    def outside(self) -> str:
        """Where the arms are measured outside of their limits, in words; empty: they are not, or not measured."""
        return self._arms.outside(self.states.positions) if self.states.stamp_ns is not None else ""

    def unconfirmed(self, now_ns: int) -> str:
        """Which trajectory controller has yet to show that it follows the commanded motion, in words; empty: none has.

        What continues that motion waits for it, and so does what begins one, until it has shown that it stands: the next state
        tells. It does not mean that anything is wrong. Where one stands off, nothing is continued: the motion begins anew there.
        """
        if self._dry_run:
            return ""
        if self._arms.timeline is None:
            return self.controllers.overdue(now_ns) or self.controllers.unsettled()
        missing = self._confirmation.missing(now_ns)
        return "" if missing and self.deviation.standing_off(now_ns) is not None else missing

    def on_contended(self, why: str) -> bool:
        """See ChunkController.on_contended. True: it begins, so brake."""
        ready = self.ready
        begins = bool(why) and not ready.contended
        ready.contended, ready.alone = why or ready.contended, not why
        return begins

    def refusal(self, now_ns: int) -> Refusal | None:
        """Why the arm may not be set in motion now."""
        refusal = self.ready.refusal(now_ns, commanded=self._arms.timeline is not None)
        if refusal is None and self.ready.unheard and not self._arms.moving(now_ns):
            return Refusal(Verdict.NO_STATE, self.ready.unheard)
        if refusal is None and self._arms.timeline is None and not self._dry_run:
            for arm, *_ in self.controllers.fresh(now_ns):
                if self.controllers.moves(arm, now_ns):
                    words = "moves, by what its trajectory controller was sent before; waiting until it stands"
                    return Refusal(Verdict.NO_STATE, f"arm {self._arms.arms[arm].card.name} {words}")
            refusal = self._held_elsewhere(now_ns)
        if refusal is None and self.deviation.standing_off(now_ns) is None:
            for arm, _ in self.deviation.off_plan(now_ns):
                words = "is not where its trajectory controller was commanded to be; waiting until it stands"
                return Refusal(Verdict.DESYNC, f"arm {self._arms.arms[arm].card.name} {words}")
        return refusal

    def _held_elsewhere(self, now_ns: int) -> Refusal | None:
        """No trajectory controller holds its arm where that is not measured to be: wherever a motion began, it would leap."""
        for arm, set_point, _ in self.controllers.fresh(now_ns):
            joints = self._arms.arms[arm].joints
            off = np.abs(set_point - self.states.positions[joints]) - self._arms.tolerance[joints]
            joint = int(np.argmax(off))
            if off[joint] > 0.0:
                measured, name = self.states.positions[joints][joint], self._arms.arms[arm].card.joints[joint]
                return Refusal(
                    Verdict.DESYNC,
                    f"{name} is measured at {measured:.3g} rad, its trajectory controller holds it at {set_point[joint]:.3g}: "
                    "look at the joint states; if they are right, deactivate and activate that controller",
                )
        return None

    def clock_set(self, now_ns: int) -> str:
        """Which way the clock was set since the last call, in words; empty: it was not.

        What was measured is of another time then. What was sent goes on, and ends at rest: with a steady clock it is known where.
        """
        before_ns, self._now_ns = self._now_ns, now_ns
        jump = self._clocks.take(now_ns)
        if jump is None:
            return ""
        ready = self.ready
        pending_ns = ready.sent_until_ns - before_ns if ready.clock_set else 0
        ready.sent_until_ns = now_ns + max(self._arms.remaining_ns(before_ns), pending_ns)
        if jump.by_ns is None:
            self._arms.forget()
        else:
            self._arms.shift(jump.by_ns)
        self._forget_tracking()
        self._desync_until_ns = None
        self.controllers.clock_set(now_ns)
        self._confirmation.forget(now_ns)
        self._admission.clock_jumped(now_ns)
        self.states.forget()
        ready.desync, ready.clock_set, ready.blind_since_ns = False, jump.words, now_ns
        return jump.words

    def set_meanwhile(self) -> bool:
        """The clock was set since the instant that the last call of ``clock_set`` was about: stamps made since are of neither."""
        return self._clocks.set_meanwhile()

    @property
    def tracking_error(self) -> float:
        """How far outside of the commanded motion of the last moments a joint is, measured or by a controller's word [rad]."""
        return max(tracking.error for tracking in (self._tracking, *self._references))

    def spoke_again(self) -> bool:
        """A trajectory controller speaks again since the last call, and the arms stand: it may have been activated anew, and
        holds then. An arm that moves shows that it was active all the time, and still follows what it was sent.
        """
        spoke_again, self._spoke_again = self._spoke_again, False
        return spoke_again and self.states.stands

    def _forget_tracking(self) -> None:
        for tracking in (self._tracking, *self._references):
            tracking.forget()

    def stale_since_last(self, now_ns: int) -> bool:
        """Joint states have stopped arriving, and had not at the last call."""
        before, self._stale = self._stale, self.ready.is_stale(now_ns)
        return self._stale and not before

    def lost_since_last(self) -> bool:
        """Measured and commanded motion disagree, and did not at the last call."""
        lost = any(tracking.lost for tracking in (self._tracking, *self._references))
        found = lost and not self.ready.desync
        self.ready.desync = self.ready.desync or found
        return found

    def name_desync(self, now_ns: int) -> None:
        """Measured and commanded motion disagree, for 50 ms at least: one that drops all is named again and again."""
        self.ready.desync, self._desync_until_ns = True, now_ns + _NAMED_NS

    def settle(self, now_ns: int) -> bool:
        """At rest after a disagreement or a leap, the arm is where it is measured. True: the commanded motion is forgotten.

        So it is, wherever the arm stands, after somebody else has commanded it: what its controller was told last is not known.
        """
        seen_ns, states = self.states.stamp_ns, self.states
        still = seen_ns is not None and states.at_rest and states.settled and not self._arms.moving(seen_ns)
        if self._desync_until_ns is not None and now_ns < self._desync_until_ns:
            return False
        self._desync_until_ns = None
        released = still and states.stands and self.ready.alone and bool(self.ready.contended)
        moves = any(self.controllers.moves(arm, now_ns) for arm in range(len(self._arms.arms)))
        if self.ready.desync and moves:  # slowly, and on something that is not the plan
            return False
        if not still or not (self.ready.desync or states.leap or released):
            return False
        if released:
            self.ready.contended = ""
        self.ready.desync = False
        states.settle()
        self._forget_tracking()
        if self._arms.timeline is None or not (released or self._arms.is_away(now_ns, states)):
            return False
        self._arms.forget()
        return True
