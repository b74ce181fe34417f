"""The faults, one function each. They leave the graph as they found it, or wait until what was killed is back."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from vla_contract.chunk import ActionChunk
from vla_contract.report import Phase, Verdict
from vla_contract.ros.convert import chunk_to_msg
from vla_contract.status import ControllerState, PolicyState, RunError
from vla_eval.fault_bench import FaultBench, Row
from vla_eval.fault_graph import faulty
from vla_eval.fault_stop import STOP_MS
from vla_eval.graph_client import GraphError

TICK_MS = 60.0
"""From the age at which an input counts as stale to the first braking setpoint, at most: looking, planning, splicing [ms]."""

_SET_BACK_NS = 3_000_000_000
_SET_BACK_WAIT_S = 30.0
_AHEAD_NS = 700_000_000
"""What is left of the trajectory under way when a process is killed, at least."""


def _open_loop_ms(bench: FaultBench) -> float:
    return bench.card.max_open_loop * 1e3


# Chunks that must not be executed.


def _bad_chunks(bench: FaultBench, fault: str, alter, verdict: Verdict) -> Row:
    """From an instant on every chunk is bad: each is refused by name, and the arm ends at rest on the last good one."""
    bench.begin()
    stream = bench.moving_stream()
    at = time.monotonic_ns()
    first_bad = stream.sequence
    stream.alter = alter
    time.sleep(0.6)
    stream.stop()
    row = bench.judge(fault, at, verdict=verdict)
    row.first_braking_ms, row.allowed_ms = bench.last_step_ms(at), _open_loop_ms(bench)
    if row.first_braking_ms is None or row.first_braking_ms > row.allowed_ms:
        row.problems.append(f"the stop began after {row.first_braking_ms} ms")
    bad = {r.sequence for _, r in bench.heard.reports if r.verdict is Verdict.ACCEPTED and r.sequence > first_bad}
    if bad:
        row.problems.append(f"{len(bad)} bad chunks were accepted")
    return row


def nan_chunk(bench: FaultBench) -> Row:
    """One value of a chunk is not a number."""

    def alter(chunk: ActionChunk) -> ActionChunk:
        actions = np.array(chunk.actions)
        actions[3, 1] = np.nan
        return replace(chunk, actions=actions)

    return _bad_chunks(bench, "NaN chunk", alter, Verdict.NOT_FINITE)


def permuted_names(bench: FaultBench) -> Row:
    """x and y are swapped, names with them."""
    return _bad_chunks(
        bench, "permuted names", lambda c: replace(c, names=(c.names[1], c.names[0], *c.names[2:])), Verdict.NAMES
    )


def wrong_card(bench: FaultBench) -> Row:
    """Chunks carry the hash of another card."""
    return _bad_chunks(bench, "wrong card: chunks", lambda c: replace(c, card_hash="0" * 16), Verdict.CARD_MISMATCH)


def replayed_run(bench: FaultBench) -> Row:
    """Chunks of an earlier run come again into the present one, as they were and with new stamps."""
    bench.begin()
    old = bench.new_stream()
    old.start()
    bench.wait_moving()
    old.stop()
    bench.wait_rest()
    stream = bench.moving_stream()
    at = time.monotonic_ns()
    replayed = list(old.sent)
    for chunk in replayed:
        bench.publish(chunk_to_msg(chunk))
        bench.publish(chunk_to_msg(replace(chunk, stamp_ns=bench.clock_ns() - 30_000_000)))
        time.sleep(0.02)
    time.sleep(0.3)
    stream.stop()
    row = bench.judge("replayed old run", at, verdict=Verdict.OLD_RUN)
    seen = [r for t, r in bench.heard.reports if t >= at and r.run_id == old.run_id and r.phase is Phase.CLOSED]
    refused = [r for r in seen if r.verdict is Verdict.OLD_RUN]
    if len(refused) < 2 * len(replayed):
        row.problems.append(f"{len(refused)} of {2 * len(replayed)} replayed chunks refused as OLD_RUN")
    if not any(r.run_id == stream.run_id and r.verdict is Verdict.ACCEPTED for t, r in bench.heard.reports if t > at):
        row.problems.append("the present run was not followed any more")
    row.notes["replayed"] = 2 * len(replayed)
    return row


def flood(bench: FaultBench, rate: float = 500.0, seconds: float = 2.0) -> Row:
    """Chunks come fifty times as fast as a policy makes them; each is reported, none twice."""
    bench.begin()
    stream = bench.new_stream()
    stream.prepare()
    stream.start()
    bench.wait_moving()
    stream.stop()
    first = stream.sequence
    at = time.monotonic_ns()
    due = time.monotonic()
    for _ in range(int(rate * seconds)):
        stream.send_prepared()
        due += 1.0 / rate
        time.sleep(max(0.0, due - time.monotonic()))
    took = (time.monotonic_ns() - at) * 1e-9
    row = bench.judge("500 chunks a second", at, verdict=Verdict.SUPERSEDED)
    counted = len(bench.heard.raw_reports), time.monotonic()
    while time.monotonic() - counted[1] < 1.0:  # LOST is told after half a second
        if len(bench.heard.raw_reports) > counted[0]:
            counted = len(bench.heard.raw_reports), time.monotonic()
        time.sleep(0.05)
    status = bench.client.controller_status
    closed: dict[int, int] = {}
    scheduled: dict[int, int] = {}
    for _, report in bench.heard.reports:
        if report.run_id == stream.run_id and report.sequence >= first:
            count = closed if report.phase is Phase.CLOSED else scheduled
            count[report.sequence] = count.get(report.sequence, 0) + 1
    wanted = set(range(first, stream.sequence))
    missing, twice = wanted - set(closed), [s for s, n in closed.items() if n > 1]
    verdicts = [r.verdict.name for _, r in bench.heard.reports if r.phase is Phase.CLOSED and r.sequence >= first]
    row.notes = {
        "sent": len(wanted), "seconds": round(took, 2), "verdicts": {v: verdicts.count(v) for v in sorted(set(verdicts))},
        "controller_counts": {"received": status.chunks_received, "lost": status.chunks_lost},
    }  # fmt: skip
    if missing or twice:
        row.problems.append(f"{len(missing)} of {len(wanted)} chunks neither closed nor told LOST, {len(twice)} closed twice")
    if took > 1.5 * seconds:
        row.problems.append(f"the flood was too slow to count: {len(wanted) / took:.0f} chunks a second")
    return row


# Inputs that fail.


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
    at = time.monotonic_ns()
    bench.client.reset_now("pick", 7)
    problems = _until_desync(bench, stream, at)
    return bench.judge("desync: moved by hand", at, state=ControllerState.DESYNC, problems=problems)


def ignored_trajectories(bench: FaultBench) -> Row:
    """The joint trajectory controller gets none of the messages any more."""
    bench.begin()
    stream = bench.moving_stream()
    at = bench.order(drop=[faulty(bench.card.arms[0].trajectory_topic)])
    problems = _until_desync(bench, stream, at)
    row = bench.judge("desync: trajectories ignored", at, state=ControllerState.DESYNC, problems=problems)
    bench.order()
    return row


def _until_desync(bench: FaultBench, stream, at: int) -> list[str]:
    try:
        bench.wait(lambda: any(t >= at and s is ControllerState.DESYNC for t, s, _ in bench.heard.states), "DESYNC", 4.0)
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


def _run_until_moving(bench: FaultBench, seed: int):
    instruction = bench.client.reset("pick", seed)
    bench.begin()
    handle = bench.client.send(instruction, 12.0)
    if not handle.accepted:
        raise GraphError("vla/run_task refused the instruction")
    bench.wait_moving()
    bench.wait(
        lambda: bench.is_moving() and bench.sent()[-1].end_ns > bench.clock_ns() + _AHEAD_NS, "a trajectory under way"
    )
    return handle


def _camera_fault(bench: FaultBench, fault: str, order: dict, policy: PolicyState, error: RunError, seed: int) -> Row:
    handle = _run_until_moving(bench, seed)
    at = bench.order(**order)
    _, result = bench.client.result(handle, 12.0)
    problems = [] if result.error_code == error else [f"run_task ended with {RunError(result.error_code).name}: {result.message}"]
    row = bench.judge(
        fault, at, policy=policy, verdict=Verdict.BRAKE, braking_ms=bench.braking_ms(at), allowed_ms=_open_loop_ms(bench),
        problems=problems,
    )  # fmt: skip
    row.named += f", result {error.name}"
    bench.order()
    return row


def camera_stopped(bench: FaultBench) -> Row:
    """The first camera sends no more images."""
    order = {"drop": [bench.card.cameras[0].topic]}
    return _camera_fault(bench, "camera frozen: no images", order, PolicyState.STALE_INPUT, RunError.STALE_INPUT, 3001)


def camera_repeats(bench: FaultBench) -> Row:
    """The first camera sends the same image, old stamp and all."""
    order = {"repeat": [bench.card.cameras[0].topic]}
    return _camera_fault(bench, "camera frozen: old stamps", order, PolicyState.STALE_INPUT, RunError.STALE_INPUT, 3002)


def camera_frozen(bench: FaultBench) -> Row:
    """The first camera sends the same picture with new stamps."""
    order = {"freeze": [bench.card.cameras[0].topic]}
    return _camera_fault(bench, "camera frozen: new stamps", order, PolicyState.FROZEN_INPUT, RunError.FROZEN_INPUT, 3003)


def stop_under_policy(bench: FaultBench) -> Row:
    """Stop is pressed while the policy carries out an instruction."""
    handle = _run_until_moving(bench, 3004)
    at = bench.press_stop()
    _, result = bench.client.result(handle, 12.0)
    problems = [] if result.error_code == RunError.CONTROLLER_STOPPED else [f"run_task: {result.error_code} {result.message}"]
    row = bench.judge(
        "stop pressed: under the policy", at, state=ControllerState.STOPPED, verdict=Verdict.STOPPED,
        braking_ms=bench.braking_ms(at), allowed_ms=STOP_MS, problems=problems,
    )  # fmt: skip
    bench.call("resume")
    return row


def policy_killed(bench: FaultBench) -> Row:
    """SIGKILL to the policy during a run."""
    _run_until_moving(bench, 3005)
    bench.client.policy_status = None
    at = bench.graph.kill("policy")
    row = bench.judge("policy killed", at, state=ControllerState.BRAKING)
    row.first_braking_ms, row.allowed_ms = bench.last_step_ms(at), _open_loop_ms(bench)
    if row.first_braking_ms is None or row.first_braking_ms > row.allowed_ms:
        row.problems.append(f"the stop began after {row.first_braking_ms} ms")
    return row


def controller_killed(bench: FaultBench) -> Row:
    """SIGKILL to the controller during a run: the trajectory already sent ends at rest, and the policy notices."""
    handle = _run_until_moving(bench, 3006)
    pid = bench.graph.pid("controller")
    at = bench.graph.kill("controller")
    problems = []
    last = bench.sent()[-1]
    begun = time.monotonic()
    row = bench.judge("controller killed", at, problems=problems)
    row.allowed_ms = _open_loop_ms(bench)
    row.first_braking_ms = (last.end_ns - bench.clock_ns() + time.monotonic_ns() - at) * 1e-6
    row.notes["first_braking_ms"] = "end of the last trajectory"
    off = float(np.abs(bench.heard.motion[-1][1] - last.q[-1]).max())
    if off > 0.02:
        row.problems.append(f"the arm rests {off:.3f} rad from the end of the last trajectory")
    try:
        _, result = bench.client.result(handle, 4.0)
        row.named = f"policy result {RunError(result.error_code).name}"
        row.notes["policy_noticed_s"] = round(time.monotonic() - begun, 2)
        if result.error_code != RunError.CONTROLLER_UNAVAILABLE:
            row.problems.append(f"run_task ended with {RunError(result.error_code).name}: {result.message}")
    except GraphError:
        row.problems.append("the policy did not notice within 4 s that the controller was gone")
        handle.cancel_goal_async()
    if not bench.graph.wait_restarted("controller", pid):
        row.problems.append("the controller was not started again")
    bench.heard.states.clear()
    bench.wait_state(ControllerState.IDLE, 15.0)
    return row


def policy_of_another_card(bench: FaultBench) -> Row:
    """The policy node was started with another card than the controller: its chunks are refused, and it says so."""
    instruction = bench.client.reset("pick", 3007)
    bench.begin()
    at = time.monotonic_ns()
    result = bench.client.run_task(instruction, 8.0)
    problems = [] if result.error_code == RunError.CHUNKS_REFUSED else [f"run_task: {result.error_code} {result.message}"]
    row = bench.judge("wrong card: policy node", at, verdict=Verdict.CARD_MISMATCH, problems=problems)
    row.named += ", result CHUNKS_REFUSED"
    if bench.sent():
        row.problems.append("the arm was moved")
    return row
