"""Arms and grippers of a draft, from what the robot's controllers say that they move."""

from __future__ import annotations

import os.path
import re
from collections.abc import Sequence
from dataclasses import dataclass

from vla_replay.preflight.draft import DraftArm, DraftGripper, is_gripper
from vla_replay.preflight.draft_robot import describe, draft_arm


@dataclass(frozen=True)
class Controller:
    """Who takes commands.

    Attributes:
        topic: Of its commands, or its action.
        interface: As a card writes it: jtc, binary, gripper_command or parallel_gripper_command.
        joints: That it says it moves, in its order; empty where it says nothing.
        active: It tells its state now. Two for the same joints are common, of which one is active.
    """

    topic: str
    interface: str
    joints: tuple[str, ...] = ()
    active: bool = False

    @property
    def name(self) -> str:
        """Without the last part of its topic."""
        return self.topic.rpartition("/")[0] or self.topic

    @property
    def is_gripper(self) -> bool:
        """By its kind, its joints or its name."""
        named_so = [is_gripper(joint.rpartition("/")[2]) for joint in self.joints]
        return self.interface not in ("jtc", "binary") or is_gripper(self.name) or (0 < len(named_so) <= 2 and all(named_so))


def draft_arms(
    joints: Sequence[str], now: dict[str, float], controllers: Sequence[Controller], description: str
) -> tuple[list[DraftArm], list[str]]:
    """One arm for each trajectory controller that says its joints, with its gripper. Where none says any, all joints that do not
    sound like a gripper's make one arm.

    Args:
        joints: Those that are measured, in any order.
        now: Position of each as heard last [rad or m].
        controllers: All that take commands.
        description: Of the robot, as URDF; may be empty.

    Returns:
        The arms, and what has no place in the draft, with the reason.
    """
    left_out: list[str] = []
    order = sorted(controllers, key=lambda c: (not c.active, not c.joints))
    movers = _movers([c for c in order if c.interface == "jtc" and not c.is_gripper], left_out)
    grippers = [c for c in order if c.is_gripper]
    plain = [c for c in order if c.interface == "binary" and not c.is_gripper]
    left_out += [f"{c.topic}: numbers, not trajectories, and no gripper's" for c in plain]
    held = {joint for c in grippers for joint in c.joints}
    if movers and movers[0].joints:
        arms = [DraftArm(name, list(c.joints), trajectory_topic=c.topic) for name, c in zip(_names(movers), movers)]
        for arm in arms:
            describe(arm, now, description)
    else:
        free = [joint for joint in joints if joint not in held] or list(joints)
        arm = draft_arm(free, now, [c.topic for c in movers], description)
        arms = [arm]
        left_out += [f"{c.topic}: it does not say which joints it moves" for c in movers if c.topic != arm.trajectory_topic]
    taken = {joint for arm in arms for joint in arm.joints}
    spare = [joint for joint in joints if joint not in taken]
    _give_grippers(arms, grippers, spare, left_out)
    moved = taken | {arm.gripper.joint for arm in arms if arm.gripper} | held
    idle = [joint for joint in spare if joint not in moved]
    if idle:
        words = f"joint{'s' if len(idle) > 1 else ''} {', '.join(idle)}"
        left_out.append(f"{words}: measured, and moved by no arm or gripper of this draft")
    return arms, left_out


def _movers(controllers: Sequence[Controller], left_out: list[str]) -> list[Controller]:
    """Those of which each moves joints of its own; those that say nothing only where none says any."""
    kept: list[Controller] = []
    for controller in controllers:
        rival = next((k for k in kept if set(k.joints) & set(controller.joints)), None)
        if rival is not None:
            left_out.append(f"{controller.topic}: it moves joints that '{rival.topic}' moves, too")
        elif kept and kept[0].joints and not controller.joints:
            left_out.append(f"{controller.topic}: it does not say which joints it moves; is it active?")
        else:
            kept.append(controller)
    return kept


def _names(controllers: Sequence[Controller]) -> list[str]:
    """Of the arms: "arm" of one alone, else as their controllers are called."""
    if len(controllers) == 1:
        return ["arm"]
    names: list[str] = []
    for controller in controllers:
        last = re.sub(r"\W", "_", controller.name.rpartition("/")[2])
        name = re.sub(r"(_joint)?(_trajectory)?(_controller)?$", "", last) or "arm"
        name = name if re.match(r"[A-Za-z_]", name) else f"arm_{name}"
        names.append(name if name not in names else f"{name}_{len(names) + 1}")
    return names


def _give_grippers(arms: list[DraftArm], grippers: Sequence[Controller], spare: list[str], left_out: list[str]) -> None:
    """To each arm the gripper whose names are most like its own; without a controller, a joint that sounds like a gripper's."""
    for controller in grippers:
        mine = [joint for joint in controller.joints if joint in spare] or list(controller.joints)
        mine = mine or [joint for joint in spare if is_gripper(joint.rpartition("/")[2])]
        free = [arm for arm in arms if arm.gripper is None or arm.gripper.topic is None]
        if not mine:
            left_out.append(f"{controller.topic}: a gripper's, and no joint is known that tells its opening")
        elif not free:
            left_out.append(f"{controller.topic}: a second gripper, an arm of a card has one")
        else:
            arm = max(free, key=lambda arm: _likeness(arm, controller, mine[0]))
            arm.gripper = DraftGripper(mine[0], controller.topic, controller.interface)
    for arm in arms:
        fingers = [joint for joint in spare if is_gripper(joint.rpartition("/")[2])]
        if arm.gripper is None and len(arms) == 1 and fingers:
            arm.gripper = DraftGripper(fingers[0])


def _likeness(arm: DraftArm, controller: Controller, joint: str) -> int:
    """Characters with which the names of arm and gripper begin alike."""
    pairs = ((arm.joints[0], joint), (arm.name, controller.name))
    return max(len(os.path.commonprefix(pair)) for pair in pairs)
