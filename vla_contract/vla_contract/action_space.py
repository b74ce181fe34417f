"""The six ways an action can be meant. The numbers equal the constants of ActionChunk.msg."""

from __future__ import annotations

from enum import IntEnum

POSE_AXES = ("x", "y", "z", "rx", "ry", "rz")
"""Column suffixes of the Cartesian spaces: position [m], then rotation vector [rad], in the base frame."""

GRIPPER = "gripper"
"""Column suffix of a gripper. Always absolute, in the policy's polarity, never averaged."""


class ActionSpace(IntEnum):
    """What the columns of a chunk mean.

    POSITION and POSE are absolute. RELATIVE counts from the observed state that the chunk carries. DELTA counts from the
    previous action, the first of them from the commanded motion at the stamp of the observation.
    """

    JOINT_POSITION = 0
    JOINT_RELATIVE = 1
    JOINT_DELTA = 2
    EE_POSE = 3
    EE_RELATIVE = 4
    EE_DELTA = 5

    @property
    def is_cartesian(self) -> bool:
        """True where the columns are tool poses, False where they are joints."""
        return self >= ActionSpace.EE_POSE

    @property
    def is_absolute(self) -> bool:
        """True for JOINT_POSITION and EE_POSE."""
        return self in (ActionSpace.JOINT_POSITION, ActionSpace.EE_POSE)

    @property
    def is_relative(self) -> bool:
        """True where actions count from the observed state."""
        return self in (ActionSpace.JOINT_RELATIVE, ActionSpace.EE_RELATIVE)

    @property
    def is_delta(self) -> bool:
        """True where actions count from the previous action."""
        return self in (ActionSpace.JOINT_DELTA, ActionSpace.EE_DELTA)


def arm_action_names(space: ActionSpace, arm: str, joints: list[str], has_gripper: bool) -> list[str]:
    """Column names of one arm, in the only order that is allowed: six pose axes or the joints, then the gripper."""
    motion = [f"{arm}.{axis}" for axis in POSE_AXES] if space.is_cartesian else list(joints)
    return motion + ([f"{arm}.{GRIPPER}"] if has_gripper else [])
