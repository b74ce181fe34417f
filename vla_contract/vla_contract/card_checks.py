"""What must hold between the fields of a card. Each check yields problems that name the field and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

from vla_contract.action_space import ActionSpace, arm_action_names
from vla_contract.card_arm_checks import check_arm, check_positive
from vla_contract.card_camera_checks import check_camera
from vla_contract.card_content import CardContent
from vla_contract.card_error import Problem
from vla_contract.card_sections import MOST_SENTENCES, SmoothingCard, TaskCard, template_slots
from vla_contract.card_state_checks import IDENTIFIER, check_state, check_unique
from vla_contract.printing import listed

Problems = Iterator[Problem]
Path = tuple[str | int, ...]

_TOPIC = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*")
_FRAME = re.compile(r"[^\s/]\S*")

LONGEST_TOPIC = 200
"""ROS allows 247, with the namespace."""


def check_card(card: CardContent) -> Problems:
    """All problems of a card whose structure is sound, in the order of the card."""
    yield from _check_names(card)
    yield from _check_topics(card)
    yield from _check_frames(card)
    for index, arm in enumerate(card.arms):
        yield from check_arm(arm, ("arms", index))
    for index, camera in enumerate(card.cameras):
        yield from check_camera(camera, ("cameras", index))
    yield from check_state(card)
    yield from _check_action(card)
    too_many = list(_check_sentences(card))
    yield from too_many
    for index, task in enumerate(card.tasks):
        yield from () if too_many else _check_task(task, ("tasks", index))


def _check_names(card: CardContent) -> Problems:
    for section in ("arms", "cameras", "tasks"):
        items = getattr(card, section)
        yield from check_unique([item.name for item in items], [(section, i, "name") for i in range(len(items))])
        for index, item in enumerate(items):
            if not IDENTIFIER.fullmatch(item.name):
                message = f"{item.name!r}, allowed are letters, digits and _, beginning with a letter"
                yield Problem((section, index, "name"), message)
    joints, paths = [], []
    for index, arm in enumerate(card.arms):
        joints += arm.joints
        paths += [("arms", index, "joints", j) for j in range(len(arm.joints))]
        if arm.gripper:
            joints.append(arm.gripper.joint)
            paths.append(("arms", index, "gripper", "joint"))
    yield from check_unique(joints, paths)


def _check_topics(card: CardContent) -> Problems:
    commands, command_paths = [], []
    for index, arm in enumerate(card.arms):
        commands.append(arm.trajectory_topic)
        command_paths.append(("arms", index, "trajectory_topic"))
        if arm.gripper:
            commands.append(arm.gripper.topic)
            command_paths.append(("arms", index, "gripper", "topic"))
    cameras = [camera.topic for camera in card.cameras]
    camera_paths = [("cameras", index, "topic") for index in range(len(cameras))]
    yield from check_unique(commands, command_paths)
    yield from check_unique([topic.removeprefix("/") for topic in cameras], camera_paths)
    for topic, path in zip(commands, command_paths):
        if topic.startswith("/"):
            yield Problem(path, f"{topic!r} is not relative; without the leading / it works in every namespace")
        else:
            yield from _check_topic(topic, path)
    states = [card.state.topic, *(source.topic for source in card.state.sources)]
    state_paths = [("state", "topic"), *(("state", "sources", index, "topic") for index in range(len(card.state.sources)))]
    yield from check_unique([topic.removeprefix("/") for topic in states], state_paths)
    for topic, path in zip([*cameras, *states], [*camera_paths, *state_paths]):
        yield from _check_topic(topic.removeprefix("/"), path, topic)


def _check_topic(relative: str, path: Path, given: str | None = None) -> Problems:
    """given: as the card has it, where it is absolute."""
    given = relative if given is None else given
    if given.startswith("~"):
        yield Problem(path, f"{given!r} is of one node alone; without the leading ~ it works in every namespace")
    elif not _TOPIC.fullmatch(relative):
        allowed = "letters, digits and _, parted by /, with no digit first"
        yield Problem(path, f"{given!r} is no topic name; allowed are {allowed}")
    elif len(given) > LONGEST_TOPIC:
        yield Problem(path, f"{len(given)} characters, at most {LONGEST_TOPIC} are allowed")


def _check_frames(card: CardContent) -> Problems:
    frames = [(("arms", i, key), getattr(arm, key)) for i, arm in enumerate(card.arms) for key in ("base_frame", "tool_frame")]
    frames += [(("cameras", i, "frame"), camera.frame) for i, camera in enumerate(card.cameras)]
    for path, frame in frames:
        if not _FRAME.fullmatch(frame):
            yield Problem(path, f"{frame!r} is no frame name; allowed is text without spaces that does not begin with /")


def _check_action(card: CardContent) -> Problems:
    space = ActionSpace[card.action.space]
    needed: list[str] = []
    for arm in card.arms:
        needed += arm_action_names(space, arm.name, arm.joints, arm.gripper is not None)
    yield from _check_columns(card.action.names, needed, f"{space.name} of {', '.join(arm.name for arm in card.arms)}")
    yield from check_positive(card.action.step_period, ("action", "step_period"), 5, "s", "milliseconds")
    if not 1 <= card.action.horizon <= 1000:
        yield Problem(("action", "horizon"), f"{card.action.horizon}, allowed are 1 to 1000 steps")
    yield from _check_smoothing(card.action.smoothing)
    yield from check_positive(card.max_open_loop, ("max_open_loop",), 60, "s", "milliseconds")
    if 0 < card.max_open_loop < card.action.step_period:
        message = f"{card.max_open_loop:g} s is less than action.step_period ({card.action.step_period:g} s)"
        yield Problem(("max_open_loop",), message)


def _check_smoothing(smoothing: SmoothingCard | None) -> Problems:
    if smoothing is None:
        return
    at = ("action", "smoothing")
    if smoothing.cutoff is not None and not 1.0 <= smoothing.cutoff <= 1000.0:
        yield Problem((*at, "cutoff"), f"{smoothing.cutoff:g} rad/s, allowed are 1 to 1000, or null")
    yield from check_positive(smoothing.position, (*at, "position"), 1, "m", "millimetres")
    yield from check_positive(smoothing.angle, (*at, "angle"), 3.15, "rad", "degrees")


def _check_columns(given: list[str], needed: list[str], what: str) -> Problems:
    path = ("action", "names")
    yield from check_unique(given, [(*path, i) for i in range(len(given))])
    missing = [name for name in needed if name not in given]
    extra = [name for name in given if name not in needed]
    parts = [f"{kind} {listed(names)}" for kind, names in (("missing", missing), ("unexpected", extra)) if names]
    if parts:
        yield Problem(path, f"{'; '.join(parts)}; {what} needs {', '.join(needed)}")
    elif len(given) == len(needed):
        for column, (seen, due) in enumerate(zip(given, needed)):
            if seen != due:
                message = f"{seen} stands where {due} must; the order is {', '.join(needed)}"
                yield Problem((*path, column), message)
                break


def _check_sentences(card: CardContent) -> Problems:
    """Before any sentence is made: ten slots of fifty values would never end."""
    count = 0
    for index, task in enumerate(card.tasks):
        with suppress(ValueError):  # told by _check_task
            count += task.sentence_count()
        if count > MOST_SENTENCES:
            yield Problem(("tasks", index, "wording"), f"makes more than {MOST_SENTENCES} sentences; use fewer slots or values")
            return


def _check_task(task: TaskCard, at: Path) -> Problems:
    yield from check_positive(task.time_limit, (*at, "time_limit"), 3600, "s", "milliseconds")
    yield from check_unique(task.wording, [(*at, "wording", i) for i in range(len(task.wording))])
    for slot, values in task.slots.items():
        if not values:
            yield Problem((*at, "slots", slot), "no values, at least one is needed")
        yield from check_unique(values, [(*at, "slots", slot, i) for i in range(len(values))])
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
