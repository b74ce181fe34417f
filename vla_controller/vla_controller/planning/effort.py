"""How hard a chunk is followed, and in which order that gives way where the curve would break a limit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vla_controller.planning.limits import Violation

_LOOSEST = (1.0 / 6.0) ** 6  # of a weight: a sixth of the cutoff
_ROUNDS = 8
SHORTEST_BRAKE_NS = 100_000_000
_LADDERS = {
    "inset": (0.002, 0.006, 0.015, 0.03, 0.06),
    "joint_margin": (0.01, 0.03, 0.08, 0.2),
    "share": (0.95, 0.8, 0.65, 0.5),
    "scale": (1.0, 0.7, 0.4, 0.15),
    "brake_ns": (400_000_000, 600_000_000, 800_000_000),
}
BRAKES_NS = _LADDERS["brake_ns"]
# which of them gives way to which kind of violation, before "scale"
_ANSWERS = {
    "workspace": "inset",
    "position": "joint_margin",
    "velocity": "share",
    "tool_speed": "share",
    "tool_angular_speed": "share",
}


@dataclass(frozen=True)
class Effort:
    """How a chunk is followed.

    weights: of the wanted positions, one for each planned step. inset [m] of the targets off the workspace box;
    joint_margin [rad] off the joint limits; share of the speed limits; brake_ns: the stop after the last step, at most
    room_ns; scale: of the targets' distance from a plain stop; rounds: how often smoothing gave way; most_weight: of a step about
    which it did.
    """

    weights: tuple[float, ...]
    inset: float = _LADDERS["inset"][0]
    joint_margin: float = _LADDERS["joint_margin"][0]
    share: float = _LADDERS["share"][0]
    brake_ns: int = _LADDERS["brake_ns"][0]
    room_ns: int = _LADDERS["brake_ns"][-1]
    scale: float = 1.0
    most_weight: float = 0.0
    rounds: int = 0

    @classmethod
    def full(cls, planned: int, weight: float, most_weight: float, room_ns: int) -> Effort:
        """For this number of planned steps, and room_ns until the arm has to be at rest. Weights: see Smoothing.weights."""
        brake_ns = min(_LADDERS["brake_ns"][0], room_ns)
        return cls((weight,) * planned, brake_ns=brake_ns, room_ns=room_ns, most_weight=most_weight)

    def yielding(self, violation: Violation) -> Effort | None:
        """The next softer way against this violation; None where every way has been tried."""
        if violation.kind in ("acceleration", "jerk"):
            softer = self._smoother(violation)
            if softer is not None:
                return softer
        for name in (_ANSWERS.get(violation.kind), "scale"):
            if name is not None and getattr(self, name) != _LADDERS[name][-1]:
                return self._next(name)
        return None

    def _next(self, name: str) -> Effort:
        ladder = _LADDERS[name]
        return replace(self, **{name: ladder[ladder.index(getattr(self, name)) + 1]})

    def _longer_brake(self) -> int | None:
        """The next longer stop; None where there is none, or no room."""
        longer = [brake_ns for brake_ns in _LADDERS["brake_ns"] if self.brake_ns < brake_ns <= self.room_ns]
        return longer[0] if longer else None

    def _smoother(self, violation: Violation) -> Effort | None:
        """Smoother about the violation, wider each time; elsewhere as before. None where that has been tried enough."""
        if self.rounds == _ROUNDS:
            return None
        steps = np.arange(len(self.weights))
        near = np.abs(steps + 0.5 - violation.segment) < 2.0 + self.rounds
        near[-1] |= violation.segment >= len(steps)
        weights = np.array(self.weights)
        # acceleration goes with the cutoff, the weight with its sixth power
        softer = np.minimum(weights[near], self.most_weight) * min(0.5, 0.8 * (1.0 + violation.ratio) ** -6)
        weights[near] = np.maximum(softer, self.most_weight * _LOOSEST)
        longer = self._longer_brake() if violation.segment >= len(steps) else None
        if tuple(weights) == self.weights and longer is None:
            return None
        return replace(self, weights=tuple(weights.tolist()), rounds=self.rounds + 1, brake_ns=longer or self.brake_ns)
