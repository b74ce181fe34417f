"""The way home: straight in joint space where that is free, else around what is in the way, from rest to rest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vla_controller.planning.arm import Arm
from vla_motion.collision import MARGIN
from vla_motion.path_planning import plan_path

_INSIDE = 0.02  # [rad], [m] off the limits on the way
_STEP = 0.05  # [rad] between looks at the tool
_TIME_LIMIT = 1.0  # [s]


class HomePath:
    """Paths (J,) [rad] to the home positions of all arms that keep to joint range, workspace and collision margins.

    A start outside of them is allowed; the way leads inward.
    """

    def __init__(self, arms: Sequence[Arm]) -> None:
        self._arms = list(arms)
        self.home = np.concatenate([arm.home for arm in arms])
        self._lower = np.concatenate([np.minimum(arm.limits.lower + _INSIDE, arm.home) for arm in arms])
        self._upper = np.concatenate([np.maximum(arm.limits.upper - _INSIDE, arm.home) for arm in arms])

    def around(self, start: np.ndarray) -> list[np.ndarray] | None:
        """Waypoints after the start, the last of them home; None where none were found in a second."""
        lower, upper = np.minimum(self._lower, start), np.maximum(self._upper, start)
        path = plan_path(start, self.home, self._free, self._edge_free, lower, upper, time_limit=_TIME_LIMIT)
        return None if path is None else path[1:]

    def _free(self, q: np.ndarray) -> bool:
        return self._tools_inside(q[None]) and all(
            arm.collision is None or arm.collision.minimum_distance(q[arm.joints]).distance >= MARGIN
            for arm in self._arms
        )

    def _edge_free(self, start: np.ndarray, end: np.ndarray) -> bool:
        count = 2 + int(np.abs(end - start).max() / _STEP)
        line = start + np.linspace(0.0, 1.0, count)[1:, None] * (end - start)
        return self._tools_inside(line) and all(
            arm.collision is None or arm.collision.edge_free(start[arm.joints], end[arm.joints]) for arm in self._arms
        )

    def _tools_inside(self, q: np.ndarray) -> bool:
        for arm in self._arms:
            tool = arm.model.forward_batch(q[:, arm.joints])[:, :3, 3]
            lower, upper = arm.limits.box_inside(_INSIDE)
            if np.any(tool < lower) or np.any(tool > upper):
                return False
        return True
