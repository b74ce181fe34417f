"""How much a chunk's steps are smoothed, as the card says, and what that makes of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vla_contract.card import InterfaceCard, SmoothingCard
from vla_contract.report import Clamp
from vla_controller.planning.anchor import Schedule
from vla_controller.planning.arm import Arm, Wanted
from vla_controller.planning.planner import smoothing_weight

CUTOFF = 30.0
"""Where the card names none [rad/s]. It does not rise where steps are closer: see docs/explanation/decisions.md."""
_NONE = 10.0
"""Times the fastest wish that steps can tell, one that turns at each: there a millionth is left of smoothing."""


@dataclass(frozen=True)
class Smoothing:
    """cutoff: wishes that oscillate so fast come out half as large [rad/s]. position [m], angle [rad]: so far a step may be moved
    before that counts."""

    cutoff: float
    position: float
    angle: float

    @classmethod
    def from_card(cls, card: InterfaceCard) -> Smoothing:
        """As the card says."""
        given = card.action.smoothing or SmoothingCard()
        cutoff = given.cutoff or CUTOFF
        return cls(cutoff if given.enabled else _NONE * math.pi / card.action.step_period, given.position, given.angle)

    def weights(self, period: float) -> tuple[float, float]:
        """Of wanted positions ``period`` [s] apart: as the card says, and at most where a limit asks for less."""
        return smoothing_weight(self.cutoff, period), smoothing_weight(min(self.cutoff, CUTOFF), period)

    def clamps(self, arms: Sequence[Arm], schedule: Schedule, wanted: Sequence[Wanted], smoothed: np.ndarray) -> list[Clamp]:
        """Of the planned steps that smoothing alone moves farther than the card lets pass without a word.

        smoothed (K, J) [rad]: where it leaves all arms at the steps, had they no limits. The tool's way and turn, and in joint
        spaces the largest turn of a joint.
        """
        clamps: list[Clamp] = []
        for arm, wish in zip(arms, wanted):
            q = np.ascontiguousarray(smoothed[:, arm.joints])
            off = np.abs(q - wish.q)
            farthest, widest = float((off @ arm.model.reach).max()), float(off.sum(axis=1).max())
            if farthest <= self.position and widest <= self.angle:  # no pose is needed to know
                continue
            position, angle = _apart(arm.model.forward_batch(q), arm.model.forward_batch(wish.q))
            for step in np.flatnonzero(position > self.position).tolist():
                clamps.append(Clamp(schedule.first + step, "smoothing_position", float(position[step])))
            if wish.by_joints:
                joint = off.argmax(axis=1)
                for step in np.flatnonzero(off.max(axis=1) > self.angle).tolist():
                    name = f"smoothing_angle {arm.model.joints[joint[step]]}"
                    clamps.append(Clamp(schedule.first + step, name, float(off[step, joint[step]])))
            else:
                for step in np.flatnonzero(angle > self.angle).tolist():
                    clamps.append(Clamp(schedule.first + step, "smoothing_angle", float(angle[step])))
        return clamps


def _apart(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances [m] and angles [rad] between poses (K, 4, 4)."""
    position = np.linalg.norm(one[:, :3, 3] - other[:, :3, 3], axis=1)
    chord = np.linalg.norm(one[:, :3, :3] - other[:, :3, :3], axis=(1, 2))  # 2 sqrt(2) sin(angle / 2): exact for small ones
    return position, 2.0 * np.arcsin(np.minimum(chord / math.sqrt(8.0), 1.0))
