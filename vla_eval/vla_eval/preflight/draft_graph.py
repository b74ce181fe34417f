"""A draft of a card from the running graph: cameras as measured, joints, controllers, limits of the robot description."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Callable
from typing import get_args

import numpy as np

from vla_contract.card import CameraCard
from vla_contract.ros.qos import LATCHED
from vla_contract.ros.stamps import stamp_to_ns
from vla_eval.preflight.draft import Draft, DraftArm, DraftCamera, DraftGripper, is_gripper
from vla_eval.preflight.finding import PreflightError
from vla_eval.preflight.from_graph import LISTENING, Listener
from vla_eval.preflight.from_ros import message_class
from vla_eval.preflight.topics import COMPRESSED, IMAGE, JOINTS, TRAJECTORY
from vla_motion.model import ModelError, RobotModel

DESCRIPTION = "std_msgs/msg/String"
ENCODINGS = get_args(CameraCard.model_fields["encoding"].annotation)


def draft_of_graph(
    *, namespace: str = "", seconds: float = 3.0, progress: Callable[[float], None] = lambda _: None
) -> Draft:
    """Listens for ``seconds`` [s]. Raises PreflightError for a graph without joint states, or a wrong namespace."""
    heard: dict[str, list] = defaultdict(list)
    with Listener(namespace) as listener:
        listener.discover()
        inside = f"/{namespace.strip('/')}/" if namespace.strip("/") else "/"
        topics = {name.removeprefix(inside): kinds[0] for name, kinds in listener.topics().items() if name.startswith(inside)}
        raw = {topic for topic, kind in topics.items() if kind == IMAGE}
        topics = {t: k for t, k in topics.items() if not (k == COMPRESSED and t.removesuffix("/compressed") in raw)}
        wanted = {IMAGE: LISTENING, COMPRESSED: LISTENING, JOINTS: LISTENING}
        for topic, kind in topics.items():
            qos = LATCHED if kind == DESCRIPTION and topic == "robot_description" else wanted.get(kind)
            if qos is not None:
                keep = _keeper(heard[topic], kind)
                listener.node.create_subscription(message_class(kind), topic, keep, qos)
        listener.spin(seconds, progress)
    states = [topic for topic, kind in topics.items() if kind == JOINTS and heard[topic]]
    if not states:
        raise PreflightError(
            f"no joint states in {inside}: start the robot's driver first, or give --namespace; there are: "
            f"{', '.join(sorted(topics)) or 'no topics'}"
        )
    state_topic = "joint_states" if "joint_states" in states else states[0]
    joints = list(dict.fromkeys(name for names, _ in heard[state_topic] for name in names))
    now = {name: value for names, values in heard[state_topic] for name, value in zip(names, values)}
    description = heard["robot_description"][-1] if heard["robot_description"] else ""
    commands = [topic for topic, kind in topics.items() if kind == TRAJECTORY and topic.endswith("/joint_trajectory")]
    pictures = [(topic, kind) for topic, kind in sorted(topics.items()) if kind in (IMAGE, COMPRESSED)]
    cameras, left_out = [], []
    for topic, kind in pictures:
        reason = _unusable(heard[topic])
        if reason:
            left_out.append(f"{topic}: {reason}")
        else:
            cameras.append(_camera(topic, kind, heard[topic]))
    arm = _arm(joints, now, commands, description)
    fields = [f"{joint}.position" for joint in (*arm.joints, *([arm.gripper.joint] if arm.gripper else []))]
    unknown = [DraftCamera("camera", 224, 224, "rgb8")] if not cameras else []
    return Draft("cell", f"the graph in {inside}", [arm], cameras or unknown, state_topic, fields, left_out=left_out)


def _unusable(shots: list[tuple]) -> str:
    """Why no camera of a card can be made of these pictures; empty where one can."""
    if not shots:
        return "no picture came"
    _, width, height, encoding, _ = shots[-1]
    if encoding not in ENCODINGS:
        return f"encoding {encoding!r}, allowed are {', '.join(ENCODINGS)}"
    return "" if width and height else "the pictures cannot be read"


def _keeper(into: list, kind: str) -> Callable[[object], None]:
    """Keeps of each message what the draft needs, and no pictures."""

    def keep(message: object) -> None:
        if kind == JOINTS:
            into.append((tuple(message.name), tuple(message.position)))
        elif kind == DESCRIPTION:
            into.append(message.data)
        elif kind == IMAGE:
            stamp = stamp_to_ns(message.header.stamp)
            into.append((stamp, message.width, message.height, message.encoding, message.header.frame_id))
        else:
            into.append((stamp_to_ns(message.header.stamp), *_size(message), "rgb8", message.header.frame_id))

    return keep


def _size(message: object) -> tuple[int, int]:
    from vla_contract.ros.images import ImageError, compressed_to_array

    try:
        height, width = compressed_to_array(message).shape[:2]
    except ImageError:
        return 0, 0
    return width, height


def _camera(topic: str, kind: str, shots: list[tuple]) -> DraftCamera:
    compressed = kind == COMPRESSED
    stamps = np.sort([shot[0] for shot in shots])
    _, width, height, encoding, frame = shots[-1]
    span = (stamps[-1] - stamps[0]) / 1e9
    rate = round(float((len(stamps) - 1) / span), 1) if span > 0 else None
    name = re.sub(r"\W", "_", topic.removesuffix("/compressed").rpartition("/")[0] or topic).strip("_")
    name = name if re.match(r"[A-Za-z_]", name) else f"camera_{name}"
    return DraftCamera(name, width, height, encoding, topic.removesuffix("/compressed"), frame or None, rate, compressed)


def _arm(joints: list[str], now: dict[str, float], commands: list[str], description: str) -> DraftArm:
    """All joints that do not sound like a gripper's make one arm: who has two divides the draft.

    now: position of each joint as heard last [rad or m].
    """
    fingers = [joint for joint in joints if is_gripper(joint.rpartition("/")[2]) and len(joints) > 1]
    arm = DraftArm("arm", [joint for joint in joints if joint not in fingers] or joints)
    arm.trajectory_topic = next((topic for topic in commands if not is_gripper(topic)), None)
    tree = _links(description)
    if fingers:
        topic = next((topic for topic in commands if is_gripper(topic)), None)
        arm.gripper = DraftGripper(fingers[0], topic, "jtc" if topic else None)
    order = {joint: k for k, joint in enumerate(tree)}
    if set(arm.joints) <= set(order):
        arm.joints.sort(key=order.__getitem__)
        _limits(arm, tree, description)
    ends = zip(arm.lower or [-0.1] * len(arm.joints), arm.upper or [0.1] * len(arm.joints))
    arm.home = [round(min(max(now.get(joint, 0.0), low), high), 4) for joint, (low, high) in zip(arm.joints, ends)]
    arm.home_source = "where the arm was, within its limits"
    return arm


def _links(description: str) -> dict[str, tuple[str, str]]:
    """Joint -> (parent link, child link), from the root outward; empty where the description cannot be read."""
    try:
        root = ET.fromstring(description) if description else None
    except ET.ParseError:
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
