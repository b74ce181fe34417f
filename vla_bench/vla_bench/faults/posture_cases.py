"""Joint states in parts, in another order, with gaps, of the future; and a trajectory controller that is switched off and on."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

import numpy as np

from vla_bench.faults.bench import FaultBench, Row
from vla_bench.ros.fault_heard import References
from vla_contract.report import Verdict
from vla_contract.ros.names import controller_state_topic
from vla_contract.status import ControllerState

SECONDS = 2.0
AHEAD_NS = 10_000_000_000
GAP_MS, EVERY_MS = 150, 600
"""Silence of the states, and from one to the next [ms]: less than a card's max_age, more than ten messages."""
ACTIVATIONS = 100
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
    bench.begin()
    draw = random.Random(1)
    references = References(bench.client.node, controller_state_topic(bench.card.arms[0].trajectory_topic))
    stream, at = bench.moving_stream(), time.monotonic_ns()
    off = []
    for _ in range(ACTIVATIONS):
        off_ns = bench.set_active(False)
        time.sleep(draw.uniform(0.02, 0.7))
        off.append((off_ns, bench.set_active(True)))
        time.sleep(draw.uniform(0.1, 0.9))
    stream.stop()
    row = bench.judge("trajectory controller off and on", at, state=ControllerState.SILENT_CONTROLLER, verdict=Verdict.ACCEPTED)
    references.close()
    # The messages on their way to a controller that is off are no curve; what it commands is.
    row.problems = [words for words in row.problems if not words.startswith("message ")]
    row.problems += leaps(references.heard, np.array(bench.card.arms[0].limits.acceleration), off)
    row.notes["activations"] = ACTIVATIONS
    return row


def leaps(
    heard: list[tuple[int, np.ndarray, np.ndarray]], acceleration: np.ndarray, off: Sequence[tuple[int, int]] = ()
) -> list[str]:
    """Where a reference goes farther from one state to the next than its own velocities and the limit [rad/s^2] can lead it.

    off: from when to when the controller was off, or may have been [ns]: there it may stand at once.
    """
    found = []
    for (before_ns, q0, v0), (after_ns, q1, v1) in zip(heard, heard[1:]):
        elapsed = (after_ns - before_ns) * 1e-9
        if not 0.0 < elapsed <= MOST_ELAPSED_S:
            continue
        if not v1.any() and any(before_ns < on_ns and after_ns > off_ns for off_ns, on_ns in off):
            continue
        beyond = np.abs(q1 - q0 - 0.5 * (v0 + v1) * elapsed) - 0.25 * acceleration * elapsed**2
        if beyond.max() > LEAP_RAD:
            found.append(f"the reference leaps by {beyond.max():.2g} rad within {elapsed * 1e3:.0f} ms")
    return [f"{len(found)} leaps; the first: {found[0]}"] if found else []
