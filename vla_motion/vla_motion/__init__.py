"""Robot mathematics without ROS: kinematics, rotations, splines, collisions and conversions between action spaces.

The public names below are found when they are first asked for: `import vla_motion` by itself brings in nothing heavy.
"""

from importlib import import_module

_PLACES = {
    "ModelError": "model",
    "RobotModel": "model",
    "IkPath": "kinematics",
    "IkResult": "kinematics",
    "inverse": "kinematics",
    "inverse_path": "kinematics",
    "solve_path": "kinematics",
    "JointTrajectory": "trajectory",
    "SplineTrajectory": "spline",
    "Closest": "collision",
    "CollisionModel": "collision",
    "Contact": "collision",
    "BodyPair": "collision_unchecked",
    "Why": "collision_unchecked",
    "unchecked_pairs": "collision_unchecked",
    "plan_path": "path_planning",
    "Anchors": "action_conversion",
    "Targets": "action_conversion",
    "actions_from_targets": "action_conversion",
    "targets_from_actions": "action_conversion",
}
__all__ = sorted(_PLACES)


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(
            f"module 'vla_motion' has no attribute {name!r}; its public names are {', '.join(__all__)}"
        )
    return getattr(import_module(f"vla_motion.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
