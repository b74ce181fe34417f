"""What must hold between the fields of a card. Each check yields problems that name the field and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vla_contract.action_space import ActionSpace, arm_action_names
from vla_contract.card_arm_checks import check_arm, check_positive
from vla_contract.card_error import Problem
from vla_contract.card_sections import TaskCard, template_slots

if TYPE_CHECKING:
    from vla_contract.card import InterfaceCard

Problems = Iterator[Problem]
Path = tuple[str | int, ...]

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TOPIC = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*")
_FRAME = re.compile(r"[^\s/]\S*")

QUANTITIES = ("position", "velocity", "effort")


def check_card(card: InterfaceCard) -> Problems:
    """All problems of a card whose structure is sound, in the order of the card."""
    yield from _check_names(card)
    yield from _check_topics(card)
    yield from _check_frames(card)
    for index, arm in enumerate(card.arms):
        yield from check_arm(arm, ("arms", index))
    yield from _check_cameras(card)
    yield from _check_state(card)
    yield from _check_action(card)
    for index, task in enumerate(card.tasks):
        yield from _check_task(task, ("tasks", index))


def _check_names(card: InterfaceCard) -> Problems:
    for section in ("arms", "cameras", "tasks"):
        items = getattr(card, section)
        yield from _unique([item.name for item in items], [(section, i, "name") for i in range(len(items))])
        for index, item in enumerate(items):
            if not _IDENTIFIER.fullmatch(item.name):
                message = f"{item.name!r}, allowed are letters, digits and _, beginning with a letter"
                yield Problem((section, index, "name"), message)
    joints, paths = [], []
    for index, arm in enumerate(card.arms):
        joints += arm.joints
        paths += [("arms", index, "joints", j) for j in range(len(arm.joints))]
        if arm.gripper:
            joints.append(arm.gripper.joint)
            paths.append(("arms", index, "gripper", "joint"))
    yield from _unique(joints, paths)


def _check_topics(card: InterfaceCard) -> Problems:
    commands, command_paths = [], []
    for index, arm in enumerate(card.arms):
        commands.append(arm.trajectory_topic)
        command_paths.append(("arms", index, "trajectory_topic"))
        if arm.gripper:
            commands.append(arm.gripper.topic)
            command_paths.append(("arms", index, "gripper", "topic"))
    cameras = [camera.topic for camera in card.cameras]
    camera_paths = [("cameras", index, "topic") for index in range(len(cameras))]
    yield from _unique(commands, command_paths)
    yield from _unique(cameras, camera_paths)
    topics = [*commands, *cameras, card.state.topic]
    for topic, path in zip(topics, [*command_paths, *camera_paths, ("state", "topic")]):
        if topic.startswith(("/", "~")):
            yield Problem(path, f"{topic!r} is not relative; without the leading {topic[0]} it works in every namespace")
        elif not _TOPIC.fullmatch(topic):
            yield Problem(path, f"{topic!r} is no topic name; allowed are letters, digits and _, parted by /")


def _check_frames(card: InterfaceCard) -> Problems:
    frames = [(("arms", i, key), getattr(arm, key)) for i, arm in enumerate(card.arms) for key in ("base_frame", "tool_frame")]
    frames += [(("cameras", i, "frame"), camera.frame) for i, camera in enumerate(card.cameras)]
    for path, frame in frames:
        if not _FRAME.fullmatch(frame):
            yield Problem(path, f"{frame!r} is no frame name; allowed is text without spaces that does not begin with /")


def _check_cameras(card: InterfaceCard) -> Problems:
    for index, camera in enumerate(card.cameras):
        at = ("cameras", index)
        for key in ("width", "height"):
            if not 8 <= getattr(camera, key) <= 8192:
                yield Problem((*at, key), f"{getattr(camera, key)}, allowed are 8 to 8192 pixels")
        yield from check_positive(camera.rate, (*at, "rate"), 1000, "Hz", "the period was given instead")
        yield from check_positive(camera.max_age, (*at, "max_age"), 5, "s", "milliseconds")
        if camera.rate > 0 and 0 < camera.max_age < 1 / camera.rate:
            message = f"{camera.max_age:g} s is less than one period of the camera ({1 / camera.rate:.3g} s): always too old"
            yield Problem((*at, "max_age"), message)


def _check_state(card: InterfaceCard) -> Problems:
    yield from check_positive(card.state.max_age, ("state", "max_age"), 5, "s", "milliseconds")
    yield from check_positive(card.state.max_skew, ("state", "max_skew"), 5, "s", "milliseconds")
    known = [joint for arm in card.arms for joint in arm.joints] + [arm.gripper.joint for arm in card.arms if arm.gripper]
    yield from _unique(card.state.fields, [("state", "fields", i) for i in range(card.state_dim)])
    for index, field in enumerate(card.state.fields):
        joint, dot, quantity = field.rpartition(".")
        path = ("state", "fields", index)
        if not dot or quantity not in QUANTITIES:
            yield Problem(path, f"{field!r}, allowed is a joint followed by .{', .'.join(QUANTITIES)}")
        elif joint not in known:
            yield Problem(path, f"no joint {joint!r} in arms; there are {', '.join(known)}")


def _check_action(card: InterfaceCard) -> Problems:
    space = ActionSpace[card.action.space]
    needed: list[str] = []
    for arm in card.arms:
        needed += arm_action_names(space, arm.name, arm.joints, arm.gripper is not None)
    yield from _check_columns(card.action.names, needed, f"{space.name} of {', '.join(arm.name for arm in card.arms)}")
    yield from check_positive(card.action.step_period, ("action", "step_period"), 5, "s", "milliseconds")
    if not 1 <= card.action.horizon <= 1000:
        yield Problem(("action", "horizon"), f"{card.action.horizon}, allowed are 1 to 1000 steps")
    yield from check_positive(card.max_open_loop, ("max_open_loop",), 60, "s", "milliseconds")
    if 0 < card.max_open_loop < card.action.step_period:
        message = f"{card.max_open_loop:g} s is less than action.step_period ({card.action.step_period:g} s)"
        yield Problem(("max_open_loop",), message)


def _check_columns(given: list[str], needed: list[str], what: str) -> Problems:
    path = ("action", "names")
    yield from _unique(given, [(*path, i) for i in range(len(given))])
    missing = [name for name in needed if name not in given]
    extra = [name for name in given if name not in needed]
    parts = [f"missing {', '.join(missing)}"] * bool(missing) + [f"unexpected {', '.join(extra)}"] * bool(extra)
    if parts:
        yield Problem(path, f"{'; '.join(parts)}; {what} needs {', '.join(needed)}")
    elif len(given) == len(needed):
        for column, (seen, due) in enumerate(zip(given, needed)):
            if seen != due:
                message = f"{seen} stands where {due} must; the order is {', '.join(needed)}"
                yield Problem((*path, column), message)
                break


def _check_task(task: TaskCard, at: Path) -> Problems:
    yield from check_positive(task.time_limit, (*at, "time_limit"), 3600, "s", "milliseconds")
    yield from _unique(task.wording, [(*at, "wording", i) for i in range(len(task.wording))])
    for slot, values in task.slots.items():
        if not values:
            yield Problem((*at, "slots", slot), "no values, at least one is needed")
        yield from _unique(values, [(*at, "slots", slot, i) for i in range(len(values))])
    used: set[str] = set()
    for index, template in enumerate(task.wording):
        path = (*at, "wording", index)
        try:
            slots = template_slots(template)
        except ValueError as error:
            yield Problem(path, f"{template!r}: {error}; a slot is written {{name}}")
            continue
        used.update(slots)
        unknown = [slot for slot in slots if slot not in task.slots]
        if unknown:
            there = ", ".join(task.slots) or "none"
            yield Problem(path, f"no slot {', '.join(map(repr, unknown))}; slots has {there}")
        elif all(task.slots[slot] for slot in slots) and not _fillable(template, task):
            yield Problem(path, f"{template!r} makes no sentence: its slots have no distinct values")
    for slot in task.slots:
        if slot not in used:
            yield Problem((*at, "slots", slot), "no wording uses it")


def _fillable(template: str, task: TaskCard) -> bool:
    return bool(task.model_copy(update={"wording": [template]}).instructions())


def _unique(values: list[str], paths: list[Path]) -> Problems:
    first: dict[str, Path] = {}
    for value, path in zip(values, paths):
        if value in first:
            yield Problem(path, f"{value!r} given twice, must be unique")
        first.setdefault(value, path)
