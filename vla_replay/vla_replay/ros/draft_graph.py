"""A draft of a card from the running graph: cameras as measured, joints, controllers, limits of the robot description."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vla_contract.image_encodings import DEPTH
from vla_contract.ros.qos import LATCHED
from vla_contract.ros.stamps import stamp_to_ns
from vla_replay.preflight.draft import Draft, DraftCamera
from vla_replay.preflight.draft_controllers import draft_arms
from vla_replay.preflight.draft_states import divide_states
from vla_replay.preflight.finding import PreflightError
from vla_replay.preflight.from_ros import message_class
from vla_replay.preflight.topics import COMPRESSED, IMAGE, JOINTS, NUMBERS, TRAJECTORY, WRENCHES
from vla_replay.ros.draft_controllers import STATE, controllers_in
from vla_replay.ros.preflight_graph import LISTENING, Listener

DESCRIPTION = "std_msgs/msg/String"
HEARD = (IMAGE, COMPRESSED, JOINTS, STATE)
COMPRESSED_SUFFIX = "/compressed"
"""Of what image_transport publishes beside a raw topic; a card names the raw one."""


def draft_of_graph(
    *, namespace: str = "", seconds: float = 3.0, progress: Callable[[float], None] = lambda _: None
) -> Draft:
    """Listens for ``seconds`` [s]. Raises PreflightError for a graph without joint states, or a wrong namespace."""
    heard: dict[str, list] = defaultdict(list)
    with Listener(namespace) as listener:
        listener.discover()
        inside = f"/{namespace.strip('/')}/" if namespace.strip("/") else "/"
        everything = {name: kinds[0] for name, kinds in listener.topics().items()}
        topics = {name.removeprefix(inside): kind for name, kind in everything.items() if name.startswith(inside)}
        raw = {topic for topic, kind in topics.items() if kind == IMAGE}
        beside = {t for t, k in topics.items() if k == COMPRESSED and t.removesuffix(COMPRESSED_SUFFIX) in raw}
        for topic, kind in topics.items():
            qos = LATCHED if kind == DESCRIPTION and topic == "robot_description" else LISTENING if kind in HEARD else None
            if qos is not None and topic not in beside and message_class(kind) is not None:
                listener.node.create_subscription(message_class(kind), topic, _keeper(heard[topic], kind), qos)
        listener.spin(seconds, progress)
        told = {topic: tuple(heard[topic][-1]) for topic, kind in topics.items() if kind == STATE and heard[topic]}
        controllers = controllers_in(listener, topics, told)
    states = {topic: dict.fromkeys(name for names, _ in heard[topic] for name in names)
              for topic, kind in sorted(topics.items()) if kind == JOINTS and heard[topic]}  # fmt: skip
    if not states:
        raise PreflightError(
            f"no joint states in {inside}: start the robot's driver first, or give --namespace; there are: "
            f"{', '.join(sorted(topics)) or 'no topics'}"
        )
    moved = {joint for controller in controllers for joint in controller.joints}
    state_topic, sources, left_out = divide_states(states, moved)
    said = [pair for topic in (*sources, state_topic) for names, values in heard[topic] for pair in zip(names, values)]
    now = dict(said)
    description = heard["robot_description"][-1] if heard["robot_description"] else ""
    joints = [*states[state_topic], *(joint for told_here in sources.values() for joint in told_here)]
    arms, more = draft_arms(joints, now, controllers, description)
    cameras, unusable = _cameras(topics, beside, heard)
    left_out += [*more, *unusable, *_others(topics, heard, states), *_outside(everything, inside)]
    known = [joint for arm in arms for joint in (*arm.joints, *([arm.gripper.joint] if arm.gripper else []))]
    sources = {topic: [joint for joint in told_here if joint in known] for topic, told_here in sources.items()}
    left_out += [f"{topic}: it tells no joint of an arm or gripper of this draft" for topic, mine in sources.items() if not mine]
    return Draft(
        "cell", f"the graph in {inside}", arms, cameras or [DraftCamera("camera", 224, 224, "rgb8")], state_topic,
        [f"{joint}.position" for joint in known], sources={topic: mine for topic, mine in sources.items() if mine},
        left_out=left_out,
    )  # fmt: skip


def _cameras(topics: dict[str, str], beside: set[str], heard: dict[str, list]) -> tuple[list[DraftCamera], list[str]]:
    """Those that a card can have, and the others with the reason."""
    cameras, left_out = [], []
    for topic, kind in sorted(topics.items()):
        if kind not in (IMAGE, COMPRESSED):
            continue
        reason = "beside the raw images: set `compressed: true` of that camera to read it instead" if topic in beside else ""
        reason = reason or _unusable(heard[topic])
        if reason:
            left_out.append(f"{topic}: {reason}")
        else:
            cameras.append(_camera(topic, kind, heard[topic]))
    return cameras, left_out


def _others(topics: dict[str, str], heard: dict[str, list], states: dict[str, dict]) -> list[str]:
    """Topics of kinds that a card knows, and that nothing was made of."""
    left_out = []
    for topic, kind in sorted(topics.items()):
        if kind == JOINTS and topic not in states:
            left_out.append(f"{topic}: no joint states came")
        elif kind == WRENCHES:
            name = re.sub(r"\W", "_", topic)
            left_out.append(
                f"{topic}: a force sensor; where the policy is to feel it, add it to state.sources "
                f"({{topic: {topic}, type: wrench, name: {name}, max_age: 0.1}}) and its fields ({name}.force.x) to state.fields"
            )
        elif kind == TRAJECTORY and not topic.endswith("/joint_trajectory"):
            left_out.append(f"{topic}: trajectories, and no controller's topic, which ends with /joint_trajectory")
        elif kind == NUMBERS and not topic.endswith("/commands"):
            left_out.append(f"{topic}: numbers, and no controller's topic, which ends with /commands")
    return left_out


def _outside(everything: dict[str, str], inside: str) -> list[str]:
    """Cameras and joint states of others, which a card may have all the same."""
    reasons = {
        IMAGE: "write its absolute name as a camera's topic where the policy is to see it",
        COMPRESSED: "write the absolute name without /compressed as a camera's topic, with `compressed: true`",
        JOINTS: "write its absolute name into state.sources where it tells joints of this robot",
        WRENCHES: "write its absolute name into state.sources where the policy is to feel it",
    }
    return [
        f"{name}: outside {inside}; {reasons[kind]}"
        for name, kind in sorted(everything.items()) if kind in reasons and not name.startswith(inside)
    ]  # fmt: skip


@dataclass(frozen=True)
class _Shot:
    """What the draft needs of an image. problem: why it cannot be read, else empty."""

    stamp_ns: int
    size: tuple[int, int]
    encoding: str
    frame: str
    problem: str


def _unusable(shots: list[_Shot]) -> str:
    """Why no camera of a card can be made of these images; empty where one can."""
    if not shots:
        return "no image came"
    last = shots[-1]
    if last.encoding == DEPTH:
        example = "depth: {near: 0.2, far: 1.5}"
        return f"encoding {DEPTH!r} is depth: add it by hand, with distances to show ({example}), where the policy is to see it"
    if last.problem:
        return last.problem
    kinds = {(shot.encoding, shot.size) for shot in shots if not shot.problem}
    if len(kinds) > 1:
        words = ", ".join(f"{encoding} {width}x{height}" for encoding, (width, height) in sorted(kinds))
        return f"images of several kinds come on it: {words}; a camera has one"
    return ""


def _keeper(into: list, kind: str) -> Callable[[object], None]:
    """Keeps of each message what the draft needs, and no images."""

    def keep(message: object) -> None:
        if kind == JOINTS:
            into.append((tuple(message.name), tuple(message.position)))
        elif kind == DESCRIPTION:
            into.append(message.data)
        elif kind == STATE:
            into[:] = [tuple(message.joint_names)]
        else:
            into.append(_shot(message, kind == COMPRESSED))

    return keep


def _shot(message: object, compressed: bool) -> _Shot:
    from vla_contract.ros.images import ImageError, compressed_to_array, encoding_of, image_to_array

    size, encoding, problem = (0, 0), "", ""
    try:
        encoding = encoding_of(message)
        if encoding != DEPTH:
            height, width = (compressed_to_array if compressed else image_to_array)(message).shape[:2]
            size = width, height
    except ImageError as error:
        problem = str(error)
    return _Shot(stamp_to_ns(message.header.stamp), size, encoding, message.header.frame_id, problem)


def _camera(topic: str, kind: str, shots: list[_Shot]) -> DraftCamera:
    stamps = np.sort([shot.stamp_ns for shot in shots])
    last = shots[-1]
    span = (stamps[-1] - stamps[0]) / 1e9
    rate = round(float((len(stamps) - 1) / span), 1) if span > 0 else None
    raw = topic.removesuffix(COMPRESSED_SUFFIX)
    name = re.sub(r"\W", "_", raw.rpartition("/")[0] or topic).strip("_")
    name = name if re.match(r"[A-Za-z_]", name) else f"camera_{name}"
    return DraftCamera(name, *last.size, last.encoding, raw, last.frame or None, rate, kind == COMPRESSED)
