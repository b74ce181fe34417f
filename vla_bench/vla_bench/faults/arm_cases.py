"""The arm, its states and its clock: one function for each fault. They leave the graph as they found it."""

from __future__ import annotations

import time

import numpy as np

from vla_bench.faults.bench import FaultBench, Row
from vla_bench.faults.leaps import MESSAGE_NS, Leaps, blind_messages
from vla_bench.ros.fault_heard import References
from vla_bench.ros.fault_topics import faulty
from vla_contract.report import Verdict
from vla_contract.ros.names import controller_state_topic
from vla_contract.status import ControllerState
from vla_graph.ros.client import GraphError

TICK_MS = 60.0
"""From the age at which an input counts as stale to the first braking setpoint, at most: looking, planning, splicing [ms]."""
_SET_BACK_NS = 3_000_000_000
_SET_BACK_WAIT_S = 30.0


def joint_states_stopped(bench: FaultBench) -> Row:
    """No joint state comes any more while chunks go on."""
    bench.begin()
    stream = bench.moving_stream()
    at = bench.order(drop=[bench.card.state.topic])
    time.sleep(1.0)
    stream.stop()
    row = bench.judge(
        "joint states stopped", at, state=ControllerState.STALE_STATE, verdict=Verdict.NO_STATE,
        braking_ms=bench.braking_ms(at), allowed_ms=bench.card.state.max_age * 1e3 + TICK_MS,
    )  # fmt: skip
    bench.order()
    return row


def stuck_joint(bench: FaultBench) -> Row:
    """One joint is measured to stand still while the others follow: it is blocked, or its sensor is."""
    bench.begin()
    stream = bench.moving_stream()
    at = bench.order(stuck=[bench.card.arms[0].joints[0]])
    problems = _until_desync(bench, stream, at)
    row = bench.judge(
        "desync: a joint stands still", at, state=ControllerState.DESYNC, braking_ms=bench.braking_ms(at), problems=problems
    )
    bench.order()
    return row


def moved_by_hand(bench: FaultBench) -> Row:
    """The arm is somewhere else from one moment to the next."""
    bench.begin()
    stream = bench.moving_stream()
    time.sleep(0.9)  # far out
    references, at = _references(bench), time.monotonic_ns()
    bench.client.reset_now("pick", 7)
    moved_ns = bench.clock_ns()
    problems = _until_desync(bench, stream, at)
    row = bench.judge("desync: moved by hand", at, state=ControllerState.DESYNC, problems=problems)
    return _by_references(bench, row, references, moved_ns)


def ignored_trajectories(bench: FaultBench) -> Row:
    """The joint trajectory controller gets none of the messages any more."""
    bench.begin()
    references = _references(bench)
    stream = bench.moving_stream()
    at = bench.order(drop=[faulty(bench.card.arms[0].trajectory_topic)])
    problems = _until_desync(bench, stream, at)
    row = bench.judge("desync: trajectories ignored", at, state=ControllerState.DESYNC, problems=problems)
    bench.order()
    return _by_references(bench, row, references, 0)


def _references(bench: FaultBench) -> References:
    return References(bench.client.node, controller_state_topic(bench.card.arms[0].trajectory_topic))


def _by_references(bench: FaultBench, row: Row, references: References, since_ns: int) -> Row:
    """Judges from since_ns on [ns] what the trajectory controller commands: messages begin anew where it stands, and the plan
    before is no curve with them. One that was planned before the arm was known to be elsewhere is no fault."""
    references.close()
    row.problems = [words for words in row.problems if "at the seam" not in words]
    found = Leaps([s for s in references.heard if s[0] >= since_ns], np.array(bench.card.arms[0].limits.acceleration))
    arrivals = [sent.arrival_ns for sent in bench.sent()]
    row.problems += found.in_words(blind_messages(arrivals, [(since_ns - MESSAGE_NS, since_ns)]) if since_ns else [])
    row.notes.update(found.notes)
    return row


def silent_controller(bench: FaultBench) -> Row:
    """The joint trajectory controller is deactivated: it hears nothing, and says nothing."""
    bench.begin()
    stream = bench.moving_stream()
    commands = bench.card.arms[0].trajectory_topic
    at = bench.order(drop=[faulty(commands), controller_state_topic(commands)])
    time.sleep(0.9)
    stream.stop()
    row = bench.judge("trajectory controller inactive", at, state=ControllerState.SILENT_CONTROLLER, verdict=Verdict.NO_STATE)
    bench.order()
    return row


def _until_desync(bench: FaultBench, stream, at: int) -> list[str]:
    try:
        bench.wait(lambda: any(t >= at and s is ControllerState.DESYNC for t, s, _ in bench.heard.states), "DESYNC", 4.0)
        stream.stop()  # the next chunk would begin where the arm stands, which is no curve with the plan before
        time.sleep(0.2)
    except GraphError as error:
        return [str(error)]
    finally:
        stream.stop()
    return []


def clock_set_back(bench: FaultBench) -> Row:
    """The clock of controller and sensors jumps back by three seconds while chunks go on."""
    bench.begin()
    # ROS time does not go below zero
    bench.wait(lambda: bench.clock_ns() > _SET_BACK_NS + 1_000_000_000, "simulated time to be set back from", _SET_BACK_WAIT_S)
    stream = bench.moving_stream()
    at = bench.order(offset_ns=-_SET_BACK_NS)
    stream.stop()
    after = bench.new_stream()
    after.start()
    bench.wait_rest(4.0)
    rest = time.monotonic_ns()
    time.sleep(0.8)
    after.stop()
    words = {r.message for t, r in bench.heard.reports if t >= at} | {m for t, _, m in bench.heard.states if t >= at}
    problems = [] if any("clock was set back" in text for text in words) else ["nobody said that the clock was set back"]
    row = bench.judge("clock set back", at, verdict=Verdict.NO_STATE, problems=problems)
    row.to_rest_ms = (rest - at) * 1e-6
    row.named += ': "the clock was set back"'
    if not any(r.verdict is Verdict.ACCEPTED and r.run_id == after.run_id for _, r in bench.heard.reports):
        row.problems.append("no chunk was accepted after the arm had come to rest")
    bench.order()
    return row


# The policy at work.
