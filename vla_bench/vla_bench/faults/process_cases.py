"""Cameras, policy and processes: one function for each fault. They wait until what was killed is back."""

from __future__ import annotations

import time

import numpy as np

from vla_bench.faults.bench import FaultBench, Row
from vla_bench.faults.stop import STOP_MS
from vla_contract.report import Verdict
from vla_contract.status import ControllerState, PolicyState, RunError
from vla_graph.ros.client import GraphError

_AHEAD_NS = 700_000_000
"""What is left of the trajectory under way when a process is killed, at least."""


def run_until_moving(bench: FaultBench, seed: int):
    """A run of the policy, with the arm in motion and a trajectory under way; the handle of its goal."""
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
    handle = run_until_moving(bench, seed)
    at = bench.order(**order)
    _, result = bench.client.result(handle, 12.0)
    problems = [] if result.error_code == error else [f"run_task ended with {RunError(result.error_code).name}: {result.message}"]
    row = bench.judge(
        fault, at, policy=policy, verdict=Verdict.BRAKE, braking_ms=bench.braking_ms(at), allowed_ms=bench.open_loop_ms,
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
    """The first camera sends the same image with new stamps."""
    order = {"freeze": [bench.card.cameras[0].topic]}
    return _camera_fault(bench, "camera frozen: new stamps", order, PolicyState.FROZEN_INPUT, RunError.FROZEN_INPUT, 3003)


def stop_under_policy(bench: FaultBench) -> Row:
    """Stop is pressed while the policy carries out an instruction."""
    handle = run_until_moving(bench, 3004)
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
    run_until_moving(bench, 3005)
    bench.client.policy_status = None
    at = bench.graph.kill("policy")
    row = bench.judge("policy killed", at, state=ControllerState.BRAKING)
    row.first_braking_ms, row.allowed_ms = bench.last_step_ms(at), bench.open_loop_ms
    if row.first_braking_ms is None or row.first_braking_ms > row.allowed_ms:
        row.problems.append(f"the stop began after {row.first_braking_ms} ms")
    return row


def controller_killed(bench: FaultBench) -> Row:
    """SIGKILL to the controller during a run: the trajectory already sent ends at rest, and the policy notices."""
    handle = run_until_moving(bench, 3006)
    pid = bench.graph.pid("controller")
    at = bench.graph.kill("controller")
    problems = []
    last = bench.sent()[-1]
    begun = time.monotonic()
    row = bench.judge("controller killed", at, problems=problems)
    row.allowed_ms = bench.open_loop_ms
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
