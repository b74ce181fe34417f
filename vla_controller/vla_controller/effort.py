"""How hard a chunk is followed, and in which order that gives way where the curve would break a limit."""

from __future__ import annotations

from dataclasses import dataclass, replace

_LADDERS = {
    "inset": (0.002, 0.006, 0.015, 0.03, 0.06),
    "joint_margin": (0.01, 0.03, 0.08, 0.2),
    "share": (0.95, 0.8, 0.65, 0.5),
    "cutoff": (20.0, 16.0, 12.0, 9.0, 6.0),
    "scale": (1.0, 0.7, 0.4, 0.15),
}
_ANSWERS = {
    "workspace": "inset",
    "position": "joint_margin",
    "velocity": "share",
    "tool_speed": "share",
    "tool_angular_speed": "share",
    "acceleration": "cutoff",
    "jerk": "cutoff",
}
_BRAKE_NS = (400_000_000, 600_000_000, 800_000_000)


@dataclass(frozen=True)
class Effort:
    """inset [m] of the targets off the workspace box; joint_margin [rad] off the joint limits; share of the speed
    limits; cutoff [rad/s] of the smoothing; brake_ns: the stop after the last step; scale: of the targets' distance
    from a plain stop."""

    inset: float = _LADDERS["inset"][0]
    joint_margin: float = _LADDERS["joint_margin"][0]
    share: float = _LADDERS["share"][0]
    cutoff: float = _LADDERS["cutoff"][0]
    brake_ns: int = _BRAKE_NS[0]
    scale: float = 1.0

    def yielding(self, violation_kind: str) -> Effort | None:
        """The next softer way against a violation of this kind; None where every way has been tried."""
        answer = _ANSWERS.get(violation_kind, "scale")
        for name in (answer, "scale"):
            softer = [value for value in _LADDERS[name] if _softer(name, value, getattr(self, name))]
            if softer:
                changes = {name: softer[0]}
                if name == "cutoff":
                    changes["brake_ns"] = _BRAKE_NS[min(_BRAKE_NS.index(self.brake_ns) + 1, len(_BRAKE_NS) - 1)]
                return replace(self, **changes)
        return None


def _softer(name: str, value: float, present: float) -> bool:
    return value > present if name in ("inset", "joint_margin") else value < present
