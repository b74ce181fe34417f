"""Joint states in parts, in another order, with gaps, of the future; and a trajectory controller that is switched off and on."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable

import numpy as np

from vla_bench.faults.bench import FaultBench, Row
from vla_bench.faults.leaps import LEAP_RAD, Leaps, blind_messages, blind_spells
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
_STOPPED = re.compile(r"braked: .* has fallen silent")
LOST_LEAP_RAD = 2e-3
"""Where it goes on with an older message: what the plan may differ by before it is told [rad]."""


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

    return _again_and_again(bench, "trajectories and controller states lost", connect, LOST_LEAP_RAD, unseen=True)


def _again_and_again(
    bench: FaultBench, fault: str, switch: Callable[[bool], int], leap_rad: float, *, unseen: bool = False
) -> Row:
    """Switches off and on ACTIVATIONS times; ``switch`` returns the ROS time [ns].

    unseen: the arm goes on meanwhile, unheard. A stop for that silence which is on its way when messages come again makes it
    leap: nobody could know better. Such a one is counted, and is no fault. Nor is a message planned on the last word before it
    was switched off, where the next was not due yet.
    """
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
    stops = [r.stamp_ns for at_ns, r in bench.heard.reports if at_ns >= at and _STOPPED.match(r.message)] if unseen else []
    spells = blind_spells([on_ns for _, on_ns in off], stops)
    found = Leaps(references.heard, acceleration, off, leap_rad)
    row.problems += found.in_words([*spells, *blind_messages([sent.arrival_ns for sent in bench.sent()], off)])
    row.notes.update(times=ACTIVATIONS, **found.notes, **({"blind stops": len(spells)} if unseen else {}))
    return row
