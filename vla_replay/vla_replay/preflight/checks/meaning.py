"""Do the numbers of the state mean what the card says: unit, joint, and the range that the policy was trained in?"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import numpy as np
from scipy.optimize import linear_sum_assignment

from vla_contract.card import InterfaceCard
from vla_contract.normalisation import Statistics
from vla_policy.native.preprocess import MIN_STATE_SCALE
from vla_replay.preflight.finding import Finding, error, warning
from vla_replay.preflight.known import Known
from vla_replay.preflight.sample import Sample

FAR, VERY_FAR = 5.0, 8.0
"""Median distance from the training mean, in its standard deviations: a warning, an error."""
NEAR = 3.5
"""What counts as a good fit after a correction."""
UNITS = {"degrees": (pi / 180, "rad", "angle"), "millimetres": (1e-3, "m", "length")}
"""Likely wrong units: what to multiply by, the right unit, what it measures."""
LONGEST_FINGER = 0.3
"""Largest travel of a gripper joint that is taken for a length [m]; others are angles."""
BEYOND = 1.2
"""A joint measured beyond this share of the widest limit of the card makes its unit doubtful."""
OFF_RAD = 0.08
"""A joint that follows its command stays nearer than this in the root mean square [rad]."""


@dataclass
class _Field:
    """A state field: its path in the card, where it is in JointState, and what it measures ("angle", "length", "")."""

    path: str
    key: str
    values: np.ndarray
    measures: str


def check(card: InterfaceCard, sample: Sample, known: Known) -> list[Finding]:
    """Checks ``units``, ``permutation`` and ``state``, in this order: a field that one explains is not told again."""
    fields = [f for f in _fields(card, sample) if len(f.values)]
    findings, explained = _units(card, sample, fields)
    swapped = _swapped_by_commands(card, sample, explained)
    fit = _fit(known.state, [f for f in fields if f.key not in explained and f.key in known.state.names]) if known.state else {}
    if not swapped and known.state is not None:
        swapped = _swapped_by_statistics(known.state, [f for f in fields if f.key in fit], fit)
    for finding, keys in swapped:
        findings.append(finding)
        explained |= keys
    for field in fields:
        z = fit.get(field.key)
        if z is None or field.key in explained or abs(z) < FAR:
            continue
        column = known.state.names.index(field.key)
        mean, std = known.state.mean[column], known.state.std[column]
        make = error if abs(z) > VERY_FAR else warning
        findings.append(
            make(field.path, "state",
                 f"{field.key} is {np.median(field.values):.4g}, {z:+.1f} standard deviations from its training mean",
                 f"{mean:.4g} within a few times {std:.2g}, seen in training from {known.state.min[column]:.4g} "
                 f"to {known.state.max[column]:.4g}",
                 "bring the arm where the demonstrations began, look at the joint's zero, or train for this posture")
        )  # fmt: skip
    return findings


def _fields(card: InterfaceCard, sample: Sample) -> list[_Field]:
    """The state's fields, and joints of the card that are not in it; without values that are not finite."""
    kinds = {joint: "angle" for arm in card.arms for joint in arm.joints}
    for arm in card.arms:
        if arm.gripper:
            travel = max(abs(arm.gripper.open_position), abs(arm.gripper.closed_position))
            kinds[arm.gripper.joint] = "length" if travel < LONGEST_FINGER else "angle"
    paths = {key: f"state.fields[{i}]" for i, key in enumerate(card.state.fields)}
    for i, arm in enumerate(card.arms):
        for j, joint in enumerate(arm.joints):
            paths.setdefault(f"{joint}.position", f"arms[{i}].joints[{j}]")
    fields = []
    for key, path in paths.items():
        joint, _, quantity = key.rpartition(".")
        values = sample.state[key].values if key in sample.state else np.empty(0)
        values = values[np.isfinite(values)]
        fields.append(_Field(path, key, values, kinds.get(joint, "") if quantity == "position" else ""))
    return fields


def _fit(statistics: Statistics, fields: list[_Field], scale: float = 1.0) -> dict[str, float]:
    """Median distance from the training mean in standard deviations, by key."""
    fit = {}
    for field in fields:
        column = statistics.names.index(field.key)
        spread = max(statistics.std[column], MIN_STATE_SCALE)
        fit[field.key] = float(np.median(field.values * scale - statistics.mean[column]) / spread)
    return fit


def _units(card: InterfaceCard, sample: Sample, fields: list[_Field]) -> tuple[list[Finding], set[str]]:
    """Fields that fit when multiplied by a likely factor, and do not fit as they are. One finding for each unit."""
    ranges = _ranges(card)
    findings: list[Finding] = []
    explained: set[str] = set()
    for unit, (factor, right, measures) in UNITS.items():
        wrong = []
        candidates = [f for f in fields if f.measures == measures]
        # No joint of this kind goes there: a joint under another's name would stay within.
        widest = BEYOND * max((abs(end) for f in candidates for end in ranges[f.key]), default=np.inf)
        for field in candidates:
            reasons = []
            low, high = ranges[field.key]
            largest = float(np.abs(field.values).max())
            if largest > widest and largest * factor <= BEYOND * max(abs(low), abs(high)):
                reasons.append(f"outside the card's {low:.4g} to {high:.4g} {right}")
            if field.key.rpartition(".")[0] in sample.commands and _scaled_by(sample, field.key, factor):
                reasons.append("follows its commands when converted, and not as it is")
            if reasons:
                wrong.append((field, reasons))
        if not wrong:
            continue
        # A joint at rest near zero gives no sign of its unit: with all others in degrees it is in degrees, too.
        explained |= {field.key for field in candidates}
        shown = [f"{field.key} {np.median(field.values):.4g} ({reasons[0]})" for field, reasons in wrong]
        paths = [field.path for field, _ in wrong]
        findings.append(
            error(", ".join(paths), "units", f"looks like {unit}: {'; '.join(shown)}", right,
                  f"let the driver publish {right} (REP-103), or convert before the policy")
        )  # fmt: skip
    return findings, explained


def _ranges(card: InterfaceCard) -> dict[str, tuple[float, float]]:
    ranges = {}
    for arm in card.arms:
        for joint, low, high in zip(arm.joints, arm.limits.position_lower, arm.limits.position_upper):
            ranges[f"{joint}.position"] = (low, high)
        if arm.gripper:
            ends = (arm.gripper.open_position, arm.gripper.closed_position)
            slack = abs(ends[0] - ends[1])  # fingers overshoot
            ranges[f"{arm.gripper.joint}.position"] = (min(ends) - slack, max(ends) + slack)
    return ranges


def _scaled_by(sample: Sample, key: str, factor: float) -> bool:
    """Whether the measured joint follows its command when multiplied by the factor, and not as it is."""
    command, measured = sample.commands[key.rpartition(".")[0]], sample.state[key]
    value = measured.at(command.at_ns)
    use = np.isfinite(value)
    if use.sum() < 10:
        return False
    as_is, scaled = (float(np.sqrt(np.mean((value[use] * s - command.values[use]) ** 2))) for s in (1.0, factor))
    # A joint near zero fits any factor: the rest must be small beside the command itself.
    return as_is > 1.0 and scaled < min(OFF_RAD, 0.3 * float(np.sqrt(np.mean(command.values[use] ** 2))))


def _swapped_by_commands(card: InterfaceCard, sample: Sample, explained: set[str]) -> list[tuple[Finding, set[str]]]:
    """Each measured joint against the commands of all joints of its arm: does it follow another's?"""
    found = []
    for i, arm in enumerate(card.arms):
        names = [j for j in arm.joints if j in sample.commands and f"{j}.position" in sample.state]
        if len(names) < 2 or any(f"{j}.position" in explained for j in names):
            continue
        at = sample.commands[names[0]].at_ns
        measured = np.stack([sample.state[f"{j}.position"].at(at) for j in names])
        commanded = np.stack([sample.commands[j].at(at) for j in names])
        use = np.isfinite(measured).all(0) & np.isfinite(commanded).all(0)
        if use.sum() < 10:
            continue
        apart = np.sqrt(((measured[:, None, use] - commanded[None, :, use]) ** 2).mean(-1))
        follows = linear_sum_assignment(apart**2)[1]
        wrong = [k for k in range(len(names))
                 if follows[k] != k and apart[k, k] > OFF_RAD
                 and apart[k, follows[k]] < min(OFF_RAD, apart[k, k] / 3)]  # fmt: skip
        if wrong:
            words = [f"{names[k]} follows the command of {names[follows[k]]} ({apart[k, follows[k]]:.3f} rad apart, "
                     f"its own {apart[k, k]:.3f})" for k in wrong]  # fmt: skip
            found.append(_permutation(", ".join(f"arms[{i}].joints[{arm.joints.index(names[k])}]" for k in wrong),
                                      words, {f"{names[k]}.position" for k in wrong}))  # fmt: skip
    return found


def _swapped_by_statistics(
    statistics: Statistics, fields: list[_Field], fit: dict[str, float]
) -> list[tuple[Finding, set[str]]]:
    """Fields that fit badly against the training statistics of each other: does another order fit all of them?"""
    fields = [f for f in fields if f.measures == "angle" and abs(fit[f.key]) > NEAR]
    if len(fields) < 2 or all(abs(fit[f.key]) < FAR for f in fields):
        return []
    columns = [statistics.names.index(f.key) for f in fields]
    spread = np.maximum(statistics.std[columns], MIN_STATE_SCALE)
    middle = np.array([np.median(f.values) for f in fields])
    z = (middle[:, None] - statistics.mean[columns][None]) / spread[None]
    other = linear_sum_assignment(z**2)[1]
    wrong = [k for k in range(len(fields)) if other[k] != k]
    if not wrong or any(abs(z[k, other[k]]) > NEAR for k in range(len(fields))):
        return []
    words = [f"{fields[k].key} ({z[k, k]:+.1f} standard deviations) fits {fields[other[k]].key} ({z[k, other[k]]:+.1f})"
             for k in wrong]  # fmt: skip
    return [_permutation(", ".join(fields[k].path for k in wrong), words, {fields[k].key for k in wrong})]


def _permutation(path: str, words: list[str], keys: set[str]) -> tuple[Finding, set[str]]:
    todo = "look at the order of names in the driver and in the card: values stand under another joint's name"
    return error(path, "permutation", "; ".join(words), "each joint under its own name", todo), keys
