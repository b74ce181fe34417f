"""Whether a step in the commanded position is the controller's good right: to where the arm stands."""

from __future__ import annotations

import numpy as np

from vla_bench.fuzz.curve import Executed, Part
from vla_bench.fuzz.curve_check import TOLERANCE, ArmLimits
from vla_bench.fuzz.plant import Plant
from vla_bench.fuzz.random_cell import MS, RandomCell

_STANDS, _STOOD_NS = 0.006, 90 * MS  # [rad]
_LATELY_NS = 200 * MS
_SETTLING = 1e-4  # [rad] an arm creeps this far after its state was sent
_DISPLACED = 0.0199  # [rad]


class Anchors:
    """Counts the steps that were right, and tells the plant of them.

    arms: what each arm was commanded. joints: its joints among all. count: anchors so far.
    """

    def __init__(
        self, cell: RandomCell, arms: list[Executed], plant: Plant, joints: list[slice], limits: list[ArmLimits]
    ) -> None:
        self._cell, self._arms, self._plant, self._joints, self._limits = cell, arms, plant, joints, limits
        self._reasons = [{"first"} for _ in arms]
        self.count = 0

    def may(self, reason: str) -> None:
        """From now on the next motion of each arm may begin where it stands, once, instead of where it was commanded."""
        for reasons in self._reasons:
            reasons.add(reason)

    def judge(self, arm: int, part: Part, true: np.ndarray, apart: bool) -> None:
        """Marks a new part of the commanded motion as anchored where its step is right: to where the arm stands, from rest,
        or where it stands apart from all that is commanded.

        true (J,): where it stood when its state was last sent [rad]. apart: it stands apart, see ``stands_apart``.
        """
        reasons = self._reasons[arm]
        if "first" not in reasons and np.abs(part.after[0] - part.before[0]).max() <= TOLERANCE:
            return
        displaced = np.abs(true - part.before[0]).max() > _DISPLACED
        before, after = (self._is_rest(arm, state) for state in (part.before, part.after))
        right = before and (reasons or displaced or part.instead)
        off = np.abs(part.after[0] - true).max()
        if (right or apart) and after and off <= 3.0 * self._cell.noise + _SETTLING:
            part.anchored = True
            self.count += 1
            self._plant.anchored(arm, part.start_ns, self._joints[arm])
            reasons.clear()

    def stands_apart(self, now_ns: int, seen: np.ndarray, seen_ns: int) -> bool:
        """The arms stand, and some joint does so beyond its tolerance of all that it was commanded to do in the last moments.

        Then they may be held where they stand, whatever is commanded: something else holds them already.
        seen: true positions at seen_ns, when a joint state was last sent [rad].
        """
        before = self._plant.state(seen_ns - _STOOD_NS)[0]
        if np.abs(seen - before).max() > _STANDS + 6.0 * self._cell.noise:
            return False
        for arm, joints, entry in zip(self._arms, self._joints, self._cell.card.arms):
            lately = np.stack([arm.at(max(0, now_ns - lag))[0] for lag in range(0, _LATELY_NS, 5 * MS)])
            beyond = np.maximum(lately.min(0) - seen[joints], seen[joints] - lately.max(0))
            if beyond.max() > 0.9 * entry.limits.tracking_tolerance:
                return True
        return False

    def _is_rest(self, arm: int, state: np.ndarray) -> bool:
        k = self._limits[arm]
        fast, hard = np.abs(state[1]) > TOLERANCE * k.velocity, np.abs(state[2]) > TOLERANCE * k.acceleration
        return not (fast.any() or hard.any())
