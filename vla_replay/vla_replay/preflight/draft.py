"""Drafts of cards: what a checkpoint or a graph tells, safe numbers for the rest, and a list of what a person must fill in."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from vla_contract.action_space import GRIPPER, ActionSpace, arm_action_names

# Where nothing is known: slow, soft and close to the middle of the table.
SLOW_RAD_S, SOFT_RAD_S2, SMOOTH_RAD_S3 = 0.5, 2.0, 50.0
BOX = ([0.2, -0.3, 0.02], [0.6, 0.3, 0.5])


@dataclass
class DraftGripper:
    """open_value, closed_value: None where nobody has said them."""

    joint: str
    topic: str | None = None
    interface: str | None = None
    ends: tuple[float, float] | None = None
    """Joint positions when closed and open [m or rad]."""
    open_value: float | None = None
    closed_value: float | None = None


@dataclass
class DraftArm:
    """What is known of an arm; None: not known. One number for each joint in the lists [rad], [rad/s]."""

    name: str
    joints: list[str]
    base_frame: str | None = None
    tool_frame: str | None = None
    trajectory_topic: str | None = None
    home: list[float] | None = None
    home_source: str = ""
    lower: list[float] | None = None
    upper: list[float] | None = None
    limits_source: str = ""
    velocity: list[float] | None = None
    gripper: DraftGripper | None = None


@dataclass
class DraftCamera:
    """A camera; None: not known."""

    name: str
    width: int
    height: int
    encoding: str
    topic: str | None = None
    frame: str | None = None
    rate: float | None = None
    compressed: bool = False
    seen: dict = field(default_factory=dict)
    """`crop`, `resize` and `depth`, where a checkpoint was trained with them."""


@dataclass
class Draft:
    """A card to be. ``source``: in words, for the first line. action_space None: not known."""

    name: str
    source: str
    arms: list[DraftArm]
    cameras: list[DraftCamera]
    state_topic: str | None = None
    state_fields: list[str] = field(default_factory=list)
    action_space: str | None = None
    action_names: list[str] = field(default_factory=list)
    step_period: float | None = None
    horizon: int | None = None
    left_out: list[str] = field(default_factory=list)
    """What was there and has no place in a card, with the reason."""
    sources: dict[str, list[str]] = field(default_factory=dict)
    """Other topics of joint states, with the joints that each of them alone tells."""
    wrenches: list[str] = field(default_factory=list)
    """Names of force sensors in the state's fields; where they publish is not known."""


class _Text:
    """Lines of YAML; what is not known gets a comment, and an entry in the list at the top."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.open: list[str] = []

    def put(self, indent: int, key: str, value: object, path: str = "", todo: str = "", first: bool = False) -> None:
        """first: the line begins an item of a list."""
        lead = "  " * indent + ("- " if first else "")
        line = f"{lead}{key}: {json.dumps(value, ensure_ascii=False)}" if value is not _SECTION else f"{lead}{key}:"
        if todo:
            self.open.append(f"{path}: {todo}")
            line += f"  # TODO: {todo}"
        self.lines.append(line)


_SECTION = object()


def as_yaml(draft: Draft) -> str:
    """The draft's text. Loads with ``load_card``; the comment at its top lists every field that a person must look at."""
    text = _Text()
    text.put(0, "schema_version", 1)
    text.put(0, "name", draft.name)
    text.put(0, "description", "a draft", "description", "say in a sentence what the cell is")
    text.put(0, "arms", _SECTION)
    for i, arm in enumerate(draft.arms):
        _arm(text, arm, f"arms[{i}]")
    text.put(0, "cameras", _SECTION)
    for i, camera in enumerate(draft.cameras):
        _camera(text, camera, f"cameras[{i}]")
    text.put(0, "state", _SECTION)
    known = draft.state_topic is not None
    text.put(1, "topic", draft.state_topic or "joint_states", "state.topic", "" if known else "where joint states come")
    text.put(1, "fields", draft.state_fields)
    text.put(1, "max_age", 0.25)
    text.put(1, "max_skew", 0.06, "state.max_skew", "about two periods of the slowest camera [s]")
    _sources(text, draft)
    _action(text, draft)
    text.put(0, "max_open_loop", 1.0, "max_open_loop", "longest motion on one chunk that is still safe [s]")
    text.put(0, "tasks", _SECTION)
    text.put(1, "name", "task", "tasks[0]", "name, wording and success of each task", first=True)
    text.put(2, "wording", ["do the task"])
    text.put(2, "success_metric", "to be written")
    text.put(2, "time_limit", 15.0)
    text.put(0, "dataset", _SECTION)
    text.put(1, "licence", "NOASSERTION", "dataset.licence", "licence of the training data, as SPDX writes it")
    text.put(1, "source", "unknown", "dataset.source", "where the training data comes from")
    head = [f"# Draft of an interface card, from {draft.source}. Check it with `vla card check FILE` when it is filled in.",
            "# To fill in by a person, each marked TODO below; numbers that stand there are slow and safe guesses:",
            *(f"#   {line}" for line in text.open),
            *(f"# Left out: {' '.join(line.split())}" for line in draft.left_out)]  # fmt: skip
    return "\n".join([*head, "", *text.lines, ""])


def todo_list(text: str) -> list[str]:
    """The entries of the list at the top of a draft."""
    return [line.removeprefix("#   ") for line in text.splitlines() if line.startswith("#   ")]


def _arm(text: _Text, arm: DraftArm, at: str) -> None:
    count = len(arm.joints)
    text.put(1, "name", arm.name, first=True)
    text.put(2, "base_frame", arm.base_frame or "base_link", f"{at}.base_frame",
             "" if arm.base_frame else "frame of Cartesian values")  # fmt: skip
    text.put(2, "tool_frame", arm.tool_frame or "tool0", f"{at}.tool_frame",
             "" if arm.tool_frame else "frame that Cartesian actions move")  # fmt: skip
    text.put(2, "joints", arm.joints, f"{at}.joints", "look whether these are all, from the base outward")
    text.put(2, "trajectory_topic", arm.trajectory_topic or f"{arm.name}_controller/joint_trajectory",
             f"{at}.trajectory_topic", "" if arm.trajectory_topic else "topic of the joint trajectory controller")  # fmt: skip
    text.put(2, "replacement_rule", "legacy", f"{at}.replacement_rule", "legacy (Humble to Kilted) or splice (newest)")
    text.put(2, "home", arm.home or [0.0] * count, f"{at}.home",
             "a position to return to, free of obstacles [rad]; here: " + (arm.home_source or "a guess"))  # fmt: skip
    _gripper(text, arm, at)
    text.put(2, "limits", _SECTION)
    source = f" (here: {arm.limits_source})" if arm.limits_source else ""
    for key, values, default, unit in (
        ("position_lower", arm.lower, -0.1, "rad"), ("position_upper", arm.upper, 0.1, "rad"),
        ("velocity", arm.velocity, SLOW_RAD_S, "rad/s"), ("acceleration", None, SOFT_RAD_S2, "rad/s^2"),
        ("jerk", None, SMOOTH_RAD_S3, "rad/s^3"),
    ):  # fmt: skip
        todo = f"as the manufacturer has it [{unit}]{source if values else ''}"
        text.put(3, key, values or [default] * count, f"{at}.limits.{key}", todo)
    for key, corner in zip(("workspace_min", "workspace_max"), BOX):
        text.put(3, key, corner, f"{at}.limits.{key}", "corner of the box that the tool stays in [m]")
    text.put(3, "tool_speed", 0.1, f"{at}.limits.tool_speed", "largest speed of the tool [m/s]")
    text.put(3, "tool_angular_speed", 0.5, f"{at}.limits.tool_angular_speed", "largest angular speed of the tool [rad/s]")
    text.put(3, "tracking_tolerance", 0.1, f"{at}.limits.tracking_tolerance", "above the lag of the controller [rad]")
    text.put(3, "collision", _SECTION)
    text.put(4, "self_collision", True)
    text.put(4, "table_height", 0.0, f"{at}.limits.collision.table_height", "in the base frame [m]; null: no table")


def _gripper(text: _Text, arm: DraftArm, at: str) -> None:
    gripper = arm.gripper
    if gripper is None:
        text.put(2, "gripper", None, f"{at}.gripper", "describe it where the arm has one")
        return
    at = f"{at}.gripper"
    closed, opened = gripper.ends or (0.0, 0.04)
    text.put(2, "gripper", _SECTION)
    text.put(3, "name", "gripper")
    text.put(3, "interface", gripper.interface or "jtc", f"{at}.interface",
             "" if gripper.interface else "jtc, gripper_command, parallel_gripper_command or binary")  # fmt: skip
    text.put(3, "topic", gripper.topic or f"{arm.name}_gripper_controller/joint_trajectory", f"{at}.topic",
             "" if gripper.topic else "where its commands go")  # fmt: skip
    text.put(3, "joint", gripper.joint, f"{at}.joint", "look whether this joint tells the opening")
    text.put(3, "open_position", opened, f"{at}.open_position", "joint position when open [m or rad]")
    text.put(3, "closed_position", closed, f"{at}.closed_position", "joint position when closed [m or rad]")
    known = gripper.open_value is not None
    text.put(3, "open_value", gripper.open_value if known else 1.0, f"{at}.open_value", "" if known else "what the policy says")
    closed_value = gripper.closed_value if known else 0.0
    text.put(3, "closed_value", closed_value, f"{at}.closed_value", "" if known else "what the policy says")


def _camera(text: _Text, camera: DraftCamera, at: str) -> None:
    text.put(1, "name", camera.name, first=True)
    topic = camera.topic or f"{camera.name}/image_raw"
    text.put(2, "topic", topic, f"{at}.topic", "" if camera.topic else "where its images come")
    text.put(2, "frame", camera.frame or f"{camera.name}_optical_frame", f"{at}.frame", "" if camera.frame else "optical frame")
    text.put(2, "width", camera.width)
    text.put(2, "height", camera.height)
    text.put(2, "encoding", camera.encoding)
    text.put(2, "rate", camera.rate or 30.0, f"{at}.rate", "" if camera.rate else "images a second [Hz]")
    age = max(0.25, round(3 / camera.rate, 2)) if camera.rate else 0.25
    text.put(2, "max_age", age, f"{at}.max_age", "oldest image to decide from [s]")
    if camera.compressed:
        text.put(2, "compressed", True)
    for key, value in camera.seen.items():
        text.put(2, key, value)


_SOURCE_AGE = "oldest message to decide from, two of its periods or more [s]"


def _sources(text: _Text, draft: Draft) -> None:
    if draft.sources or draft.wrenches:
        text.put(1, "sources", _SECTION)
    for i, (topic, joints) in enumerate(draft.sources.items()):
        text.put(2, "topic", topic, first=True)
        text.put(3, "type", "joint_states")
        text.put(3, "joints", joints)
        text.put(3, "max_age", 0.25, f"state.sources[{i}].max_age", _SOURCE_AGE)
    for i, name in enumerate(draft.wrenches, len(draft.sources)):
        text.put(2, "topic", f"{name}/wrench", f"state.sources[{i}].topic", "where this force sensor publishes", first=True)
        text.put(3, "type", "wrench")
        text.put(3, "name", name)
        text.put(3, "max_age", 0.1, f"state.sources[{i}].max_age", _SOURCE_AGE)


def _action(text: _Text, draft: Draft) -> None:
    text.put(0, "action", _SECTION)
    space = draft.action_space or "JOINT_POSITION"
    names = draft.action_names
    if not names:
        for arm in draft.arms:
            names = [*names, *arm_action_names(ActionSpace[space], arm.name, arm.joints, arm.gripper is not None)]
    known = draft.action_space is not None
    text.put(1, "space", space, "action.space", "" if known else "what the policy's columns mean")
    text.put(1, "names", names, "action.names", "" if known else "the policy's columns, in its order")
    period = draft.step_period
    text.put(1, "step_period", period or 0.1, "action.step_period", "" if period else "from one step to the next [s]")
    text.put(1, "horizon", draft.horizon or 16, "action.horizon", "" if draft.horizon else "steps in a chunk")


def is_gripper(name: str) -> bool:
    """Whether a joint or topic sounds like a gripper's."""
    return any(word in name.lower() for word in ("finger", "grip", "hand", "knuckle", "jaw", "claw", "robotiq", GRIPPER))
