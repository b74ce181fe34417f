"""One smooth motion of the test cell, in each action space."""

import numpy as np

from vla_contract.action_space import ActionSpace
from vla_motion.action_conversion import Anchors, Targets, actions_from_targets
from vla_motion.kinematics import inverse_path

SPACES = [space.name for space in ActionSpace]


def swing(model, q_start, steps: int = 16):
    """Joint positions (steps, 7) and tool poses (steps, 4, 4) of a smooth motion, 6 cm sideways and 4 cm down."""
    start = model.forward(q_start).copy()
    s = np.linspace(0.0, 1.0, steps + 1)[1:]
    profile = 10 * s**3 - 15 * s**4 + 6 * s**5
    T = np.repeat(start[None], steps, axis=0)
    T[:, 1, 3] += 0.06 * profile
    T[:, 2, 3] -= 0.04 * profile
    return inverse_path(model, T, q_start, posture=q_start, position_tolerance=1e-9, rotation_tolerance=1e-9), T


def actions_in(space: str, model, q, T, q_commanded, q_observed):
    anchors = Anchors(model.forward(q_commanded).copy(), q_commanded, model.forward(q_observed).copy(), q_observed)
    kind = ActionSpace[space]
    targets = Targets(T, None, np.empty((len(q), 0))) if kind.is_cartesian else Targets(None, q, np.empty((len(q), 0)))
    return actions_from_targets(kind, targets, anchors)
