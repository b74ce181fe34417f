"""A draft of an arm from what is known of a robot: joint names, positions, command topics, its description."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np

from vla_motion.description import URDF, language_of, plain
from vla_motion.model import ModelError, RobotModel
from vla_replay.preflight.draft import DraftArm, DraftGripper, is_gripper


def draft_arm(joints: list[str], now: dict[str, float], commands: list[str], description: str) -> DraftArm:
    """All joints that do not sound like a gripper's make one arm: who has two divides the draft. For a robot whose controllers
    do not say which joints they move, see ``draft_controllers``.

    now: Position of each joint as heard last [rad or m].
    commands: Topics of trajectories.
    description: Of the robot, as URDF; may be empty.
    """
    fingers = [joint for joint in joints if is_gripper(joint.rpartition("/")[2]) and len(joints) > 1]
    arm = DraftArm("arm", [joint for joint in joints if joint not in fingers] or joints)
    arm.trajectory_topic = next((topic for topic in commands if not is_gripper(topic)), None)
    tree = _links(description)
    if fingers:
        topic = next((topic for topic in commands if is_gripper(topic)), None)
        arm.gripper = DraftGripper(fingers[0], topic, "jtc" if topic else None)
    _place(arm, now, tree, description)
    return arm


def describe(arm: DraftArm, now: dict[str, float], description: str) -> None:
    """What positions (see ``draft_arm``) and description tell of an arm whose joints are known, into it."""
    _place(arm, now, _links(description), description)


def _place(arm: DraftArm, now: dict[str, float], tree: dict[str, tuple[str, str]], description: str) -> None:
    order = {joint: k for k, joint in enumerate(tree)}
    if set(arm.joints) <= set(order):
        arm.joints.sort(key=order.__getitem__)
        _limits(arm, tree, description)
    ends = zip(arm.lower or [-0.1] * len(arm.joints), arm.upper or [0.1] * len(arm.joints))
    arm.home = [round(min(max(now.get(joint, 0.0), low), high), 4) for joint, (low, high) in zip(arm.joints, ends)]
    arm.home_source = "where the arm was, within its limits"


def _links(description: str) -> dict[str, tuple[str, str]]:
    """Joint -> (parent link, child link), from the root outward; empty where the description cannot be read."""
    try:
        root = ET.fromstring(plain(description).encode()) if description and language_of(description) == URDF else None
    except (ET.ParseError, ModelError):
        root = None
    if root is None:
        return {}
    pairs = {}
    for joint in root.findall("joint"):
        parent, child = joint.find("parent"), joint.find("child")
        if parent is not None and child is not None:
            pairs[joint.get("name", "")] = (parent.get("link", ""), child.get("link", ""))
    ordered: dict[str, tuple[str, str]] = {}
    reached = {parent for parent, _ in pairs.values()} - {child for _, child in pairs.values()}
    while new := {j: pair for j, pair in pairs.items() if pair[0] in reached and j not in ordered}:
        ordered |= new
        reached |= {child for _, child in new.values()}
    return ordered


def _limits(arm: DraftArm, tree: dict[str, tuple[str, str]], description: str) -> None:
    """Frames at both ends of the joints, and the limits of the description, as the controller will read them."""
    base, tool = tree[arm.joints[0]][0], tree[arm.joints[-1]][1]
    try:
        model = RobotModel.from_urdf(description, arm.joints, tool, base)
    except (ModelError, ValueError):
        return
    arm.base_frame, arm.tool_frame = base, None  # the last link is seldom the tool
    if np.isfinite(model.lower).all() and np.isfinite(model.upper).all():
        arm.lower, arm.upper = ([round(float(v), 4) for v in values] for values in (model.lower, model.upper))
        arm.limits_source = "from robot_description"
    if np.isfinite(model.velocity).all() and (model.velocity > 0).all():
        arm.velocity = [round(float(v), 4) for v in model.velocity]
