"""Places of the test cell that chunks ask for, and what is executed on the way there."""

import numpy as np
from cells import HOME, Rig, arm_section, make_card
from curve import executed_curve


class Cell(Rig):
    """Remembers when each message for the arm arrived."""

    def __init__(self, card):
        self.arrivals = []
        super().__init__(card)

    def take(self, output):
        self.arrivals += [self.now for message in output.trajectories if "_arm_controller" in message.topic]
        return super().take(output)

    def executed(self, begin_ns):
        """Times, q, v, a, jerk from begin_ns until now, each millisecond."""
        return executed_curve(self.arm_messages, self.arrivals, "legacy", begin_ns, self.now)


def place(change, steps=16, grip=1.0):
    """JOINT_POSITION actions (steps, 8) that ask for home and a change of it (7,) [rad]."""
    return np.tile([*(HOME + change), grip], (steps, 1))


def turned(joint, angle):
    change = np.zeros(7)
    change[joint] = angle
    return change


def fastest(way, card):
    """[s] of the slowest joint alone, each at its own limits: no motion of all of them is faster."""
    limits, found = card.arms[0].limits, []
    for d, v, a, j in zip(np.abs(way), limits.velocity, limits.acceleration, limits.jerk):
        found.append(d / v + v / a + a / j if d > v**2 / a + v * a / j else a / j + np.sqrt((a / j) ** 2 + 4.0 * d / a))
    return max(found)


def card_of(period, steps=16, **limits):
    section = arm_section()
    section["limits"] |= {"workspace_min": [-1.0, -1.0, -0.5], "workspace_max": [1.0, 1.0, 1.5], "tool_speed": 5.0,
                          "tool_angular_speed": 20.0, **limits}  # fmt: skip
    card = make_card("JOINT_POSITION", arms=[section], horizon=steps)
    return card.model_copy(update={"action": card.action.model_copy(update={"step_period": period})})
