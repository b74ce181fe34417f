"""Checks of one arm: shapes against its joints, order of limits, and numbers that look like another unit."""

from __future__ import annotations

from collections.abc import Iterator
from math import pi

from vla_contract.card_error import Problem
from vla_contract.card_sections import ArmCard, GripperCard, LimitsCard

Problems = Iterator[Problem]
Path = tuple[str | int, ...]

AXES = "xyz"
LARGEST_ANGLE = 4 * pi
LARGEST_LENGTH = 10.0
# Above these, no arm that people share a room with: the number is in degrees or millimetres.
LARGEST = {"velocity": (50.0, "rad/s"), "acceleration": (500.0, "rad/s^2"), "jerk": (100_000.0, "rad/s^3")}


def check_positive(value: float, path: Path, largest: float, unit: str, likely: str) -> Problems:
    """A quantity that must lie above 0 and, to be plausible, at or below ``largest``."""
    if value <= 0:
        yield Problem(path, f"{value:g} {unit}, must be above 0")
    elif value > largest:
        yield Problem(path, f"{value:g}, allowed is up to {largest:g} {unit} (likely {likely})")


def check_arm(arm: ArmCard, at: Path) -> Problems:
    """All problems of one arm; ``at`` is where it stands in the card."""
    yield from _check_limits(arm.limits, arm.joints, (*at, "limits"))
    yield from _check_home(arm, (*at, "home"))
    if arm.gripper:
        yield from _check_gripper(arm.gripper, (*at, "gripper"))


def _wrong_length(values: list[float], joints: list[str], path: Path) -> Problem | None:
    if len(values) == len(joints):
        return None
    return Problem(path, f"{len(values)} values given, {len(joints)} joints need {len(joints)}")


def _check_limits(limits: LimitsCard, joints: list[str], at: Path) -> Problems:
    bounds = []
    for key in ("position_lower", "position_upper"):
        values = getattr(limits, key)
        wrong = _wrong_length(values, joints, (*at, key))
        if wrong:
            yield wrong
            continue
        bounds.append(values)
        for index, value in enumerate(values):
            if abs(value) > LARGEST_ANGLE:
                message = f"{value:g} for {joints[index]}, radians up to {LARGEST_ANGLE:.4g} are allowed (likely degrees)"
                yield Problem((*at, key, index), message)
    if len(bounds) == 2:
        for index, (lower, upper) in enumerate(zip(*bounds)):
            if not lower < upper:
                message = f"{lower:g} for {joints[index]}, must be below position_upper, which is {upper:g}"
                yield Problem((*at, "position_lower", index), message)
    for key, (largest, unit) in LARGEST.items():
        values = getattr(limits, key)
        wrong = _wrong_length(values, joints, (*at, key))
        if wrong:
            yield wrong
            continue
        for index, value in enumerate(values):
            if value <= 0:
                yield Problem((*at, key, index), f"{value:g} for {joints[index]}, must be above 0 {unit}")
            elif value > largest:
                message = f"{value:g} for {joints[index]}, up to {largest:g} {unit} is allowed: radians, not degrees"
                yield Problem((*at, key, index), message)
    yield from _check_workspace(limits, at)
    yield from check_positive(limits.tool_speed, (*at, "tool_speed"), 10, "m/s", "millimetres")
    yield from check_positive(limits.tool_angular_speed, (*at, "tool_angular_speed"), 50, "rad/s", "degrees, not radians")
    yield from check_positive(limits.tracking_tolerance, (*at, "tracking_tolerance"), pi, "rad", "degrees, not radians")
    table = limits.collision.table_height
    if table is not None and abs(table) > LARGEST_LENGTH:
        yield Problem((*at, "collision", "table_height"), _too_long(table))


def _check_workspace(limits: LimitsCard, at: Path) -> Problems:
    for key in ("workspace_min", "workspace_max"):
        for index, value in enumerate(getattr(limits, key)):
            if abs(value) > LARGEST_LENGTH:
                yield Problem((*at, key, index), _too_long(value))
    for index, (low, high) in enumerate(zip(limits.workspace_min, limits.workspace_max)):
        if not low < high:
            message = f"{low:g} for {AXES[index]}, must be below workspace_max, which is {high:g}"
            yield Problem((*at, "workspace_min", index), message)


def _too_long(value: float) -> str:
    return f"{value:g}, metres up to {LARGEST_LENGTH:g} are allowed (likely millimetres)"


def _check_home(arm: ArmCard, path: Path) -> Problems:
    wrong = _wrong_length(arm.home, arm.joints, path)
    if wrong:
        yield wrong
        return
    limits = (arm.limits.position_lower, arm.limits.position_upper)
    if any(len(values) != len(arm.joints) for values in limits):
        return
    for index, (value, lower, upper) in enumerate(zip(arm.home, *limits)):
        if not lower <= value <= upper:
            message = f"{value:g} rad for {arm.joints[index]}, the limits are {lower:g} to {upper:g}"
            yield Problem((*path, index), message)


def _check_gripper(gripper: GripperCard, at: Path) -> Problems:
    for key in ("open_position", "closed_position"):
        value = getattr(gripper, key)
        if abs(value) > LARGEST_ANGLE:
            message = f"{value:g}, up to {LARGEST_ANGLE:.4g} is allowed: metres, or radians for a revolute joint"
            yield Problem((*at, key), message)
    for first, second in (("open_position", "closed_position"), ("open_value", "closed_value")):
        if getattr(gripper, first) == getattr(gripper, second):
            message = f"{getattr(gripper, second):g} is {first} too; open and closed must differ"
            yield Problem((*at, second), message)
