"""What an arm was really told to do: the messages of its trajectory topic as one curve, sampled at 1 kHz against the card.

Shares no code with the planner: quintics are solved here from their six end conditions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vla_bench.ros.fault_topics import Sent
from vla_contract.card import ArmCard
from vla_motion.model import RobotModel

PERIOD_NS = 1_000_000
TOLERANCE = 1e-6
_INSIDE_M = 1e-6
_STOOD_NS, _LATEST_STATES, _FEWEST_STATES = 90_000_000, 5_000, 4
_STANDS_RAD, _THERE_RAD = 6e-3, 2e-3
_LATEST_NS = 300_000_000
_STEP_RAD, _STEP_RAD_S = 1e-6, 1e-4


def deviation_ns(before: Sent, after: Sent) -> int | None:
    """The first instant, to 0.25 ms, at which the later message asks for another motion; None where it never does."""
    begin_ns = max(after.arrival_ns - 50_000_000, int(after.times_ns[0]))  # it says nothing of the time before it begins
    grid = np.arange(begin_ns, max(before.end_ns, after.end_ns), 250_000)
    difference = np.abs(before.sample(grid)[1:3] - after.sample(grid)[1:3])
    off = np.flatnonzero((difference[0].max(axis=1) > 1e-5) | (difference[1].max(axis=1) > 1e-2))
    return int(grid[off[0]]) if len(off) else None


def is_brake(before: Sent, after: Sent) -> bool:
    """The later message brings the arm to rest sooner."""
    return after.end_ns < before.end_ns - PERIOD_NS


@dataclass(frozen=True)
class Late:
    """A message that arrived after the instant from which it asks for another motion: by how long, and the step that it made."""

    ms: float
    rad: float
    rad_s: float


def holds(message: Sent, motion: Sequence[tuple[int, np.ndarray, np.ndarray]]) -> bool:
    """It tells the arm to stand where it has been standing, whatever it was to do: no joint moves by that.

    motion: arrivals of joint states on the steady clock [ns], positions and velocities (J,).
    """
    if np.ptp(message.q, axis=0).any() or message.v.any() or message.a.any():
        return False
    ages = [(message.arrival_steady_ns - at, q) for at, q, _ in motion[-_LATEST_STATES:]]
    lately = np.array([q for age, q in ages if 0 <= age <= _STOOD_NS])
    if len(lately) < _FEWEST_STATES:
        return False
    return bool(np.ptp(lately, axis=0).max() <= _STANDS_RAD and np.abs(message.q[0] - lately[-1]).max() <= _THERE_RAD)


def seams(sent: Sequence[Sent]) -> tuple[list[str], list[Late]]:
    """Passages from a running message to the next, which comes in force when it arrives: steps, and late arrivals.

    One that begins later than it arrives is judged where it begins: until then a trajectory controller leads from its
    command to the first point, and how far ahead that is, is seen here only as well as this process knows the graph's clock.
    Two that were one curve until a moment before are the work of a planner that delivered late, as on a busy machine.
    """
    found, late = [], []
    for index, (before, after) in enumerate(zip(sent, sent[1:]), start=1):
        rules_ns = max(after.arrival_ns, int(after.times_ns[0]))
        if before.end_ns <= rules_ns:
            continue
        now = np.array([rules_ns])
        position, velocity = (float(x.max()) for x in np.abs(before.sample(now) - after.sample(now))[:2])
        if position <= _STEP_RAD and velocity <= _STEP_RAD_S:
            continue
        past = np.arange(max(after.arrival_ns - _LATEST_NS, int(after.times_ns[0])), after.arrival_ns, 250_000)
        apart = np.abs(before.sample(past) - after.sample(past)).max(axis=2)
        met = np.flatnonzero((apart[0] <= _STEP_RAD) & (apart[1] <= _STEP_RAD_S))
        if len(met):
            late.append(Late((after.arrival_ns - int(past[met[-1]])) * 1e-6, position, velocity))
        else:
            found.append(f"message {index}: a step of {position:.2g} rad, {velocity:.2g} rad/s at the seam")
    return found, late


def violations(sent: Sequence[Sent], arm: ArmCard, model: RobotModel) -> list[str]:
    """What in the whole curve is beyond the card's limits, from message to message.

    Each message rules from its arrival to that of the next one, as in a controller that drops the old one; a message that
    arrives at rest may begin later.
    """
    found: list[str] = []
    limits = arm.limits
    lower = np.maximum(limits.position_lower, model.lower)
    upper = np.minimum(limits.position_upper, model.upper)
    for index, message in enumerate(sent):
        last = index + 1 == len(sent)
        until = message.end_ns + 20 * PERIOD_NS if last else sent[index + 1].arrival_ns
        grid = np.arange(message.arrival_ns, max(until, message.arrival_ns + PERIOD_NS), PERIOD_NS)
        q, v, a, jerk = message.sample(grid)
        if not message.ends_at_rest:
            found.append(f"message {index} does not end at rest")
        if np.any(q < lower - TOLERANCE) or np.any(q > upper + TOLERANCE):
            found.append(f"message {index}: joint position")
        for name, values, limit in (
            ("velocity", v, limits.velocity), ("acceleration", a, limits.acceleration), ("jerk", jerk, limits.jerk),
        ):  # fmt: skip
            ratio = (np.abs(values).max(axis=0) / np.array(limit)).max()
            if ratio > 1.0 + TOLERANCE:
                found.append(f"message {index}: joint {name} {ratio:.3f} of the limit")
        tool = model.forward_batch(q)[:, :3, 3]
        beyond = np.maximum(limits.workspace_min - tool, tool - np.array(limits.workspace_max)).max()
        if beyond > _INSIDE_M:
            found.append(f"message {index}: tool {beyond * 1e3:.2f} mm outside the workspace")
        if len(tool) > 1:
            speed = (np.linalg.norm(np.diff(tool, axis=0), axis=1) / (PERIOD_NS * 1e-9)).max()
            if speed > limits.tool_speed * (1.0 + 1e-3):
                found.append(f"message {index}: tool at {speed:.3f} m/s, the limit is {limits.tool_speed:g}")
    return found
