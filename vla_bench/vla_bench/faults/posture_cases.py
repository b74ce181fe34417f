"""Joint states in parts, in another order, with gaps, of the future; and a trajectory controller that is switched off and on."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

import numpy as np

from vla_bench.faults.bench import FaultBench, Row
from vla_bench.ros.fault_heard import References
from vla_bench.ros.fault_topics import faulty
from vla_contract.report import Verdict
from vla_contract.ros.names import controller_state_topic
from vla_contract.status import ControllerState

SECONDS = 2.0
AHEAD_NS = 10_000_000_000
GAP_MS, EVERY_MS = 150, 600
"""Silence of the states, and from one to the next [ms]: less than a card's max_age, more than ten messages."""
ACTIVATIONS = 100
LOST_LEAP_RAD = 2e-3
"""Where it goes on with an older message: what the plan may differ by before it is told [rad]."""
LEAP_RAD, MOST_ELAPSED_S = 3e-4, 0.05
"""Rounding and the noise of stamps [rad], and states farther apart tell nothing [s]."""


def states_in_parts(bench: FaultBench) -> Row:
    """Two drivers each tell half of the joints, in the reverse order."""
    return _goes_on(bench, "joint states in parts, reordered", split=[bench.card.state.topic])


def state_of_the_future(bench: FaultBench) -> Row:
    """One message of half of the joints is stamped ten seconds ahead."""
    return _goes_on(bench, "one joint state of the future", ahead_ns=AHEAD_NS)


def states_with_gaps(bench: FaultBench) -> Row:
    """Joint states stay away for 150 ms again and again; the card allows 250."""
    return _goes_on(bench, "joint states with gaps of 150 ms", gap_ms=[GAP_MS, EVERY_MS])


def _goes_on(bench: FaultBench, fault: str, **order) -> Row:
    """The arm goes on as if nothing were: every chunk is accepted, and the controller names nothing."""
    bench.begin()
    stream = bench.moving_stream()
    at = bench.order(**order)
    time.sleep(SECONDS)
    until = time.monotonic_ns()
    stream.stop()
    row = bench.judge(fault, at, state=ControllerState.TRACKING, verdict=Verdict.ACCEPTED)
    named = {s.name for t, s, _ in bench.heard.states if at <= t <= until} - {"TRACKING"}
    refused = {r.verdict.name for t, r in bench.heard.reports if at <= t <= until and r.verdict.is_refusal} - {"SUPERSEDED"}
    row.problems += [f"the controller was {', '.join(sorted(named))}"] if named else []
    row.problems += [f"chunks were refused: {', '.join(sorted(refused))}"] if refused else []
    bench.order()
    return row


def reactivations(bench: FaultBench) -> Row:
    """The joint trajectory controller is deactivated and activated at random moments of a motion: it hears and says nothing, then
    holds where it stands."""
    return _again_and_again(bench, "trajectory controller off and on", bench.set_active, LEAP_RAD)


def lost_messages(bench: FaultBench) -> Row:
    """At random moments of a motion the trajectory controller gets nothing for a while, and is not heard: it goes on with what it
    has."""
    commands = bench.card.arms[0].trajectory_topic
    lost = [faulty(commands), controller_state_topic(commands)]

    def connect(connected: bool) -> int:
        bench.order(**({} if connected else {"drop": lost}))
        return bench.clock_ns()

    return _again_and_again(bench, "trajectories and controller states lost", connect, LOST_LEAP_RAD)


def _again_and_again(bench: FaultBench, fault: str, switch: Callable[[bool], int], leap_rad: float) -> Row:
    """Switches off and on ACTIVATIONS times; ``switch`` returns the ROS time [ns]."""
    bench.begin()
    draw = random.Random(1)
    acceleration = np.array(bench.card.arms[0].limits.acceleration)
    references = References(bench.client.node, controller_state_topic(bench.card.arms[0].trajectory_topic))
    stream, at = bench.moving_stream(), time.monotonic_ns()
    off = []
    for _ in range(ACTIVATIONS):
        off_ns = switch(False)
        time.sleep(draw.uniform(0.02, 0.7))
        off.append((off_ns, switch(True)))
        time.sleep(draw.uniform(0.1, 0.9))
    stream.stop()
    row = bench.judge(fault, at, state=ControllerState.SILENT_CONTROLLER, verdict=Verdict.ACCEPTED)
    references.close()
    # The messages on their way to a controller that does not get them are no curve; what it commands is.
    row.problems = [words for words in row.problems if not words.startswith("message ")]
    row.problems += leaps(references.heard, acceleration, off, leap_rad)
    row.notes["times"] = ACTIVATIONS
    return row


def leaps(
    heard: list[tuple[int, np.ndarray, np.ndarray]], acceleration: np.ndarray, off: Sequence[tuple[int, int]] = (),
    leap_rad: float = LEAP_RAD,
) -> list[str]:
    """Where a reference goes farther from one state to the next than its own velocities and the limit [rad/s^2] can lead it.

    off: from when to when the controller was off, or may have been [ns]: there it may stand at once. leap_rad: none yet [rad].
    A simulator that was held up for longer than MOST_ELAPSED_S catches up in the state after the next: both tell nothing.
    """
    found, held_up = [], False
    for (before_ns, q0, v0), (after_ns, q1, v1) in zip(heard, heard[1:]):
        elapsed = (after_ns - before_ns) * 1e-9
        held_up, just_now = not 0.0 < elapsed <= MOST_ELAPSED_S, held_up
        if held_up or just_now:
            continue
        if not v1.any() and any(before_ns < on_ns and after_ns > off_ns for off_ns, on_ns in off):
            continue
        beyond = np.abs(q1 - q0 - 0.5 * (v0 + v1) * elapsed) - 0.25 * acceleration * elapsed**2
        if beyond.max() > leap_rad:
            found.append(f"the reference leaps by {beyond.max():.2g} rad within {elapsed * 1e3:.0f} ms")
    return [f"{len(found)} leaps; the first: {found[0]}"] if found else []
