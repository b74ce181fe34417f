"""Others who do what one node alone may do: one function for each fault. They leave the graph as they found it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from trajectory_msgs.msg import JointTrajectory

from vla_bench.faults.bench import FaultBench, Row
from vla_bench.faults.process_cases import run_until_moving
from vla_contract.report import Verdict
from vla_contract.ros.qos import RELIABLE
from vla_contract.status import ControllerState, PolicyState, RunError
from vla_graph.ros.client import GraphError
from vla_msgs.msg import PolicyStatus

NOTICED_MS = 500.0
"""From another publisher's first sign to the first braking setpoint, at most: announced, looked for, braked [ms]."""
_STARTED_S = 100.0
_SECOND = {"controller": "vla_controller.ros.node", "simulator": "vla_sim.ros.node"}


@contextmanager
def _publisher(bench: FaultBench, kind: type, topic: str) -> Iterator[None]:
    """Another publisher on a topic, of a node that says nothing there."""
    node = bench.client.node
    publisher = node.create_publisher(kind, topic, RELIABLE)
    try:
        yield
    finally:
        node.destroy_publisher(publisher)


def second_commander(bench: FaultBench) -> Row:
    """Somebody else publishes on the arm's trajectory topic while chunks go on, and leaves again."""
    bench.begin()
    stream = bench.moving_stream()
    at = time.monotonic_ns()
    with _publisher(bench, JointTrajectory, bench.card.arms[0].trajectory_topic):
        bench.wait_state(ControllerState.CONTENDED)
        time.sleep(0.3)
        stream.stop()
        row = bench.judge(
            "second controller: on the arm's topic", at, state=ControllerState.CONTENDED, verdict=Verdict.CONTENDED,
            braking_ms=bench.braking_ms(at), allowed_ms=NOTICED_MS,
        )  # fmt: skip
        if not any("fault_matrix" in words for t, s, words in bench.heard.states if s is ControllerState.CONTENDED):
            row.problems.append("nobody said who it was")
    bench.wait_state(ControllerState.IDLE)
    again = bench.new_stream()
    again.start()
    try:
        bench.wait_moving()
    except GraphError:
        row.problems.append("the arm did not move again after the other one had gone")
    again.stop()
    return row


def second_nodes(bench: FaultBench) -> Row:
    """A second controller and a second simulator are started: both give up, and the first do not notice.

    The arm rests meanwhile: what their start takes of the processors is no part of this.
    """
    bench.begin()
    at, problems = time.monotonic_ns(), []
    with tempfile.TemporaryDirectory(prefix="vla_second_") as folder:
        card = Path(folder) / "card.yaml"
        card.write_text(yaml.safe_dump(bench.card.to_dict()))
        for what, module in _SECOND.items():
            command = [sys.executable, "-c", f"from {module} import main; main()", "--ros-args", "-p", f"card:={card}"]
            try:
                ended = subprocess.run(command, capture_output=True, text=True, timeout=_STARTED_S)
            except subprocess.TimeoutExpired:
                problems.append(f"the second {what} goes on")
                continue
            if ended.returncode != 1 or " already: end it first" not in ended.stderr:
                problems.append(f"the second {what} ended with {ended.returncode}: {ended.stderr[-300:]}")
    row = bench.judge("second controller and simulator: started", at, state=ControllerState.IDLE, problems=problems)
    if any(state is ControllerState.CONTENDED for t, state, _ in bench.heard.states if t >= at):
        row.problems.append("the first controller was disturbed: CONTENDED")
    row.named += ", the second ones end with code 1"
    return row


def second_policy(bench: FaultBench) -> Row:
    """Another policy appears in the namespace during a run, and leaves again."""
    handle = run_until_moving(bench, 3008)
    at = time.monotonic_ns()
    with _publisher(bench, PolicyStatus, "vla/policy_status"):
        _, result = bench.client.result(handle, 12.0)
        problems = [] if result.error_code == RunError.CONTENDED else [f"run_task: {result.error_code} {result.message}"]
        row = bench.judge(
            "second policy", at, policy=PolicyState.CONTENDED, verdict=Verdict.BRAKE, braking_ms=bench.braking_ms(at),
            allowed_ms=bench.open_loop_ms, problems=problems,
        )  # fmt: skip
    row.named += ", result CONTENDED"
    bench.wait(lambda: bench.client.policy_status.state == PolicyState.IDLE, "the policy to be ready again")
    return row
