"""Whether the arm may be set in motion, and the reason in words where it may not."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.report import Verdict
from vla_contract.status import ControllerState
from vla_controller.intake.joint_states import JointStates
from vla_controller.intake.trajectory_controllers import TrajectoryControllers
from vla_controller.refusal import Refusal

_ROUNDING = 1e-3


@dataclass
class Readiness:
    """Conditions that keep the arm from moving. All are False, empty or 0, and speed_scaling is 1, in normal work.

    stopped: ``vla/stop`` is latched. contended: who else commands the arm, in words; it stays until they have gone (``alone``)
    and the arm is at rest. desync: measured and commanded motion disagreed. clock_set: which way the clock was
    set, at blind_since_ns, and the arm has not been seen at rest since what was sent before has ended, at sent_until_ns.
    speed_scaling: of each arm's joint trajectory controller, as it says. unheard: whose trajectories nobody takes, in words.
    """

    card: InterfaceCard
    states: JointStates
    controllers: TrajectoryControllers
    stopped: bool = False
    contended: str = ""
    alone: bool = True
    desync: bool = False
    clock_set: str = ""
    blind_since_ns: int = 0
    sent_until_ns: int = 0
    speed_scaling: list[float] = field(default_factory=list)
    unheard: str = ""

    def is_stale(self, now_ns: int) -> bool:
        """Joint states have arrived, and have stopped arriving; those of before the clock was set count."""
        age = self.states.age_ns(now_ns)
        if age is None and self.clock_set:
            age = now_ns - self.blind_since_ns
        if not self.card.state.sources or self.states.stamp_ns is None:
            return age is not None and age * 1e-9 > self.card.state.max_age
        return bool(self.states.late(now_ns, self._max_age_ns()))

    def _max_age_ns(self) -> np.ndarray:
        """Oldest state of each joint (J,) [ns]."""
        return np.array([self.card.state.max_age_of(joint) for joint in self.states.joints]) * 1e9

    def state(self, now_ns: int) -> ControllerState | None:
        """The state that keeps the arm from moving; None where none does."""
        if self.states.stamp_ns is None and not self.is_stale(now_ns):
            return ControllerState.WAITING_FOR_STATE
        if self.stopped:
            return ControllerState.STOPPED
        if self.contended:
            return ControllerState.CONTENDED
        if any(self.controllers.silent):
            return ControllerState.SILENT_CONTROLLER
        if self.desync:
            return ControllerState.DESYNC
        return ControllerState.STALE_STATE if self.is_stale(now_ns) else None

    def refusal(self, now_ns: int, *, commanded: bool) -> Refusal | None:
        """Why the arm may not be set in motion now; commanded: its present motion is by this controller."""
        if self.stopped:
            also = "; ".join(["", *filter(None, [self.contended, self.controllers.in_words()])])
            return Refusal(Verdict.STOPPED, f"vla/stop is latched; vla/resume releases it{also}")
        if self.contended:
            then = "the arm has to be at rest" if self.alone else "nothing is commanded until it is gone"
            return Refusal(Verdict.CONTENDED, f"{self.contended}; {then}")
        if any(self.controllers.silent):
            return Refusal(Verdict.NO_STATE, self.controllers.in_words())
        if self.desync:
            return Refusal(Verdict.DESYNC, "measured and commanded motion disagree; anchoring anew at rest")
        age = self.states.age_ns(now_ns)
        if age is None and self.clock_set:
            return Refusal(Verdict.NO_STATE, f"{self.clock_set}; no joint state since")
        if age is None or self.is_stale(now_ns):
            return Refusal(Verdict.NO_STATE, self._what_is_late(now_ns, age))
        if self.clock_set:
            return Refusal(Verdict.NO_STATE, f"{self.clock_set}; waiting for the arm to be at rest")
        if not self.states.settled:
            return Refusal(Verdict.NO_STATE, f"joint states jump: {self.states.leap}; waiting for 50 ms without")
        slowed = [scaling for scaling in self.speed_scaling if not at_full_speed(scaling)]
        if slowed:
            return Refusal(
                Verdict.NO_STATE,
                f"a joint trajectory controller runs at {slowed[0]:.4g} of its speed; only 1 can be followed",
            )
        if not commanded and not self.states.at_rest:
            return Refusal(Verdict.NO_STATE, "the arm moves, and not by this controller; waiting for it to be at rest")
        return None

    def _what_is_late(self, now_ns: int, age_ns: int | None) -> str:
        """age_ns: of the joint that was heard of longest ago; None: some never were."""
        states = self.states
        late = states.late(now_ns, self._max_age_ns())
        ahead_ns = states.ahead_ns(late)
        if ahead_ns:
            return f"joint states are stamped {ahead_ns * 1e-6:.0f} ms in the future: the clocks of arm and controller differ"
        unsound = states.unsound(late or states.joints)
        if unsound:
            return f"joint states come, and cannot be used: {unsound}"
        behind = states.behind(late or states.joints, now_ns)
        if behind:
            return f"joint states come {behind}"
        if age_ns is None:
            return f"no joint state yet with {', '.join(late)}"
        which = f" of {', '.join(late)}" if 0 < len(late) < len(states.joints) else ""
        allowed = f"{min(map(self.card.state.max_age_of, late), default=self.card.state.max_age) * 1e3:.0f} ms are allowed"
        return f"the newest joint state{which} is {age_ns * 1e-6:.0f} ms old, {allowed}"


def at_full_speed(scaling: float) -> bool:
    """Whether a joint trajectory controller's speed scaling is 1, but for rounding."""
    return abs(scaling - 1.0) <= _ROUNDING
