"""Checks of a card's state: what its fields are of, and which topic tells each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from vla_contract.card_arm_checks import check_positive
from vla_contract.card_content import CardContent
from vla_contract.card_error import Problem
from vla_contract.card_state import JOINT_STATES, WRENCH, WRENCH_PARTS, SourceCard

Problems = Iterator[Problem]
Path = tuple[str | int, ...]

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
QUANTITIES = ("position", "velocity", "effort")


def check_unique(values: Sequence[str], paths: Sequence[Path]) -> Problems:
    """Each of ``values``, which stand at ``paths``, but once."""
    first: dict[str, Path] = {}
    for value, path in zip(values, paths):
        if value in first:
            yield Problem(path, f"{value!r} given twice, must be unique")
        first.setdefault(value, path)


def check_state(card: CardContent) -> Problems:
    """All problems of a card's state but those of its topics' names."""
    state = card.state
    yield from check_positive(state.max_age, ("state", "max_age"), 5, "s", "milliseconds")
    yield from check_positive(state.max_skew, ("state", "max_skew"), 5, "s", "milliseconds")
    known = [joint for arm in card.arms for joint in arm.joints] + [arm.gripper.joint for arm in card.arms if arm.gripper]
    for index, source in enumerate(state.sources):
        yield from _check_source(source, known, ("state", "sources", index))
    joints, paths = [], []
    for i, source in enumerate(state.sources):
        joints += source.joints or ()
        paths += [("state", "sources", i, "joints", j) for j in range(len(source.joints or ()))]
    yield from check_unique(joints, paths)
    wrenches = [source.name for source in state.sources if source.type == WRENCH]
    named = [(source.name, ("state", "sources", i, "name")) for i, source in enumerate(state.sources) if source.name]
    yield from check_unique([name for name, _ in named], [path for _, path in named])
    yield from check_unique(state.fields, [("state", "fields", i) for i in range(len(state.fields))])
    parts = {f"{name}.{part}" for name in wrenches for part in WRENCH_PARTS}
    for index, field in enumerate(state.fields):
        joint, dot, quantity = field.rpartition(".")
        path = ("state", "fields", index)
        if field in parts:
            continue
        wrench = next((name for name in wrenches if name and field.startswith(f"{name}.") and joint not in known), None)
        if wrench is not None:
            yield Problem(path, f"{field!r}, a wrench has {', '.join(f'{wrench}.{part}' for part in WRENCH_PARTS)}")
        elif not dot or quantity not in QUANTITIES:
            yield Problem(path, f"{field!r}, allowed is a joint followed by .{', .'.join(QUANTITIES)}")
        elif joint not in known:
            yield Problem(path, f"no joint {joint!r} in arms; there are {', '.join(known)}")


def _check_source(source: SourceCard, known: list[str], at: Path) -> Problems:
    yield from check_positive(source.max_age, (*at, "max_age"), 5, "s", "milliseconds")
    for key, kind in (("joints", JOINT_STATES), ("name", WRENCH)):
        given = getattr(source, key)
        if source.type == kind and given is None:
            yield Problem((*at, key), f"missing; type {kind} needs it")
        elif source.type != kind and given is not None:
            yield Problem((*at, key), f"type {source.type} has none; it is of type {kind}")
    if source.type == WRENCH and source.name and not IDENTIFIER.fullmatch(source.name):
        yield Problem((*at, "name"), f"{source.name!r}, allowed are letters, digits and _, beginning with a letter")
    for index, joint in enumerate(source.joints or ()):
        if joint not in known:
            yield Problem((*at, "joints", index), f"no joint {joint!r} in arms; there are {', '.join(known)}")
