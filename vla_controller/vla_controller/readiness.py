"""Whether the arm may be set in motion, and the reason in words where it may not."""

from __future__ import annotations

from dataclasses import dataclass, field

from vla_contract.card import InterfaceCard
from vla_contract.report import Verdict
from vla_contract.status import ControllerState

from .gate import Refusal
from .joint_states import JointStates

_ROUNDING = 1e-3


@dataclass
class Readiness:
    """Conditions that keep the arm from moving. All are False, empty or 0, and speed_scaling is 1, in normal work.

    stopped: ``vla/stop`` is latched. desync: measured and commanded motion disagreed. clock_set: which way the clock was
    set, at blind_since_ns, and the arm has not been seen at rest since what was sent before has ended, at sent_until_ns.
    speed_scaling: of each arm's joint trajectory controller, as it says. ahead_ns: how far ahead of the clock the
    newest joint state was stamped; 0 where it was taken.
    """

    card: InterfaceCard
    states: JointStates
    stopped: bool = False
    desync: bool = False
    clock_set: str = ""
    blind_since_ns: int = 0
    sent_until_ns: int = 0
    speed_scaling: list[float] = field(default_factory=list)
    ahead_ns: int = 0

    def is_stale(self, now_ns: int) -> bool:
        """Joint states have arrived, and have stopped arriving; those of before the clock was set count."""
        age = self.states.age_ns(now_ns)
        if age is None and self.clock_set:
            age = now_ns - self.blind_since_ns
        return age is not None and age * 1e-9 > self.card.state.max_age

    def state(self, now_ns: int) -> ControllerState | None:
        """The state that keeps the arm from moving; None where none does."""
        if self.states.stamp_ns is None and not self.is_stale(now_ns):
            return ControllerState.WAITING_FOR_STATE
        if self.stopped:
            return ControllerState.STOPPED
        if self.desync:
            return ControllerState.DESYNC
        return ControllerState.STALE_STATE if self.is_stale(now_ns) else None

    def refusal(self, now_ns: int, *, commanded: bool) -> Refusal | None:
        """Why the arm may not be set in motion now; commanded: its present motion is by this controller."""
        if self.stopped:
            return Refusal(Verdict.STOPPED, "stop is latched; resume releases it")
        if self.desync:
            return Refusal(Verdict.DESYNC, "measured and commanded motion disagree; anchoring anew at rest")
        age = self.states.age_ns(now_ns)
        if age is None and self.clock_set:
            return Refusal(Verdict.NO_STATE, f"{self.clock_set}; no joint state since")
        if self.ahead_ns and (age is None or self.is_stale(now_ns)):
            return Refusal(
                Verdict.NO_STATE,
                f"joint states are stamped {self.ahead_ns * 1e-6:.0f} ms in the future: the clocks of arm and controller differ",
            )
        if age is None:
            return Refusal(Verdict.NO_STATE, f"no joint state yet with {', '.join(self.states.joints)}")
        if self.is_stale(now_ns):
            allowed = f"{self.card.state.max_age * 1e3:.0f} ms are allowed"
            return Refusal(Verdict.NO_STATE, f"the newest joint state is {age * 1e-6:.0f} ms old, {allowed}")
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


def at_full_speed(scaling: float) -> bool:
    """Whether a joint trajectory controller's speed scaling is 1, but for rounding."""
    return abs(scaling - 1.0) <= _ROUNDING
