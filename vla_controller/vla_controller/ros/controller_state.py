"""What a joint trajectory controller says of itself on `<jtc>/controller_state`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

try:
    from control_msgs.msg import JointTrajectoryControllerState as ControllerStateMsg
except ImportError:  # joint states alone are compared then
    ControllerStateMsg = None


@dataclass
class StateReader:
    """Reads the messages of one joint trajectory controller, whichever distribution it is of.

    The set point is `reference` (control_msgs from 4.4 on) or `desired` (before; Humble has both). The speed scaling is
    `speed_scaling_factor` from 5.3 on. Some controllers of that time leave it at 0, so 0 tells nothing before another
    value was seen: an arm that really stands still then fails to follow its reference, which is noticed anyway.
    """

    _scaling_seen: bool = False

    def read(self, message: Any) -> tuple[tuple[str, ...], list[float], float] | None:
        """Joint names, set point [rad] and speed scaling (1.0: full speed, or not given); None without a set point."""
        point = getattr(message, "reference", None)
        if point is None or not len(point.positions):
            point = getattr(message, "desired", None)
        if point is None or len(point.positions) != len(message.joint_names) or not len(point.positions):
            return None
        scaling = float(getattr(message, "speed_scaling_factor", 1.0))
        self._scaling_seen = self._scaling_seen or scaling != 0.0
        return tuple(message.joint_names), list(point.positions), scaling if self._scaling_seen else 1.0
