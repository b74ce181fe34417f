"""The real graph, in processes: bring up, run instructions, end. Messages, reports, outcome and exit codes."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from graph_samples import wait_ready
from trajectory_msgs.msg import JointTrajectory

from vla_bench.bench import graph_figures
from vla_contract.instructions import meanings, normalised
from vla_contract.report import Phase, Verdict
from vla_contract.ros.convert import trajectory_from_msg
from vla_contract.ros.qos import RELIABLE
from vla_graph.domains import free_domain
from vla_graph.process import GraphProcess
from vla_graph.ros.client import GraphClient, GraphError
from vla_msgs.action import RunTask
from vla_msgs.msg import ControllerStatus, PolicyStatus

pytestmark = pytest.mark.timeout(240)
SEED = 1000


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    log = tmp_path_factory.mktemp("graph") / "graph.log"
    with GraphProcess({"task": "pick", "seed": SEED}, log, free_domain()) as process:
        yield process


@pytest.fixture(scope="module")
def client(graph):
    with GraphClient("graph_test") as client:
        wait_ready(graph, client)
        yield client


@pytest.fixture
def fresh(client):
    client.wait_ready(timeout=20.0)
    client.clear()
    return client


def test_the_policy_tells_its_contract(client, card):
    info = client.policy_info
    assert (info.card_hash, info.policy_hash) == (card.card_hash, card.policy_hash)
    assert list(info.action_names) == card.action.names and info.horizon == card.action.horizon
    assert client.controller_status.card_hash == card.card_hash


def test_an_instruction_is_carried_out_and_every_chunk_accounted_for(fresh, card):
    client = fresh
    trajectories = []
    topic = card.arms[0].trajectory_topic
    subscription = client.node.create_subscription(JointTrajectory, topic, trajectories.append, RELIABLE)
    instruction = client.reset("pick", SEED)
    result = client.run_task(instruction, 15.0)
    time.sleep(1.0)
    client.node.destroy_subscription(subscription)
    assert result.outcome == RunTask.Result.SUCCESS, result.message
    assert result.outcome_source == RunTask.Result.SIM and result.error_code == RunTask.Result.NONE
    assert client.task_state.succeeded_once and client.task_state.first_touched == client.task_state.target_object

    chunks = [chunk for _, chunk in client.heard.chunks]
    assert len({chunk.run_id for chunk in chunks}) == 1
    assert [chunk.sequence for chunk in chunks] == list(range(len(chunks)))
    assert chunks[-1].horizon == 0 and {chunk.horizon for chunk in chunks} == {0, card.action.horizon}
    plans = [chunk for chunk in chunks if chunk.horizon]
    if len(plans) < len(chunks) - 1:  # a busy machine: the input grew stale for a moment, and the policy must have said so
        assert max(client.heard.policy_states) >= PolicyStatus.STALE_INPUT
    for chunk in plans:
        assert chunk.image_stamps_ns[0] == chunk.stamp_ns < chunk.inference_start_ns < chunk.inference_end_ns
        assert np.isfinite(chunk.actions).all()

    reports = [report for _, report in client.heard.reports]
    closed = [r.sequence for r in reports if r.phase is Phase.CLOSED]
    assert sorted(closed) == [chunk.sequence for chunk in chunks], "each chunk closed exactly once"
    accepted = [r for r in reports if r.phase is Phase.SCHEDULED and r.verdict is Verdict.ACCEPTED]
    assert len(accepted) >= 0.8 * len(plans)
    for report in accepted:
        assert 0 < report.received_steady_ns <= report.published_steady_ns
    assert result.steps_executed > 10

    assert len(trajectories) >= len(accepted)
    for message in trajectories:
        trajectory = trajectory_from_msg(message)
        assert list(trajectory["joint_names"]) == card.arms[0].joints
        np.testing.assert_allclose(trajectory["velocities"][-1], 0.0, atol=1e-9, err_msg="ends at rest")
        lower, upper = card.arms[0].limits.position_lower, card.arms[0].limits.position_upper
        assert np.all(trajectory["positions"] >= lower) and np.all(trajectory["positions"] <= upper)

    figures = graph_figures(card, client.heard.chunks, client.heard.reports)
    assert 0 < figures["overhead"]["p50_ms"] < figures["camera_to_chunk"]["p50_ms"] < 1000


def test_nothing_moves_without_a_goal(fresh):
    fresh.reset("pick", SEED + 1)
    time.sleep(1.0)
    assert fresh.heard.chunks == [] and PolicyStatus.RUNNING not in fresh.heard.policy_states


def test_a_second_goal_is_refused_and_a_canceled_one_brakes(fresh):
    client = fresh
    instruction = client.reset("stack", 1)
    first = client.send(instruction, 20.0)
    assert first.accepted
    client.wait_until(lambda: len(client.heard.chunks) >= 2, "the first chunks")
    assert not client.send("pick up the red block", 5.0).accepted
    first.cancel_goal_async()
    _, result = client.result(first, 10.0)
    assert result.error_code == RunTask.Result.CANCELED and result.outcome != RunTask.Result.SUCCESS
    client.wait_until(lambda: client.heard.chunks[-1][1].horizon == 0, "the brake")
    client.wait_until(lambda: client.controller_status.state == ControllerStatus.IDLE, "rest", 3.0)


def test_a_time_limit_ends_a_run_without_an_error(fresh):
    result = fresh.run_task(fresh.reset("cup_on_coaster", 2), 1.0)
    assert result.timed_out and result.error_code == RunTask.Result.NONE
    assert result.outcome == RunTask.Result.FAILURE and result.outcome_source == RunTask.Result.SIM


def test_nobody_guesses_the_outcome_of_other_words(fresh):
    fresh.reset("pick", SEED + 2)
    result = fresh.run_task("wave to the audience", 0.8)
    assert result.timed_out and result.outcome == RunTask.Result.UNKNOWN
    assert result.outcome_source == RunTask.Result.NOBODY


def test_other_words_for_what_the_scene_asks_are_scored_and_a_stop_begins_nothing(fresh, card):
    client = fresh
    asked = meanings(card)[normalised(client.reset("pick", SEED))]
    other = next(m.sentence for m in meanings(card).values() if m.is_same(asked) and m.sentence != asked.sentence)
    result = client.run_task(other, 15.0)
    assert result.outcome_source == RunTask.Result.SIM and result.outcome != RunTask.Result.UNKNOWN, result.message
    for words in ("STOP", "stop it now!"):
        _, result = client.result(client.send(words, 5.0), 5.0)
        assert result.error_code == RunTask.Result.REJECTED and "means to stop" in result.message
        assert result.chunks_published == 0


def test_unknown_task_and_empty_instruction(fresh):
    with pytest.raises(GraphError, match="unknown task 'juggle', allowed are: pick"):
        fresh.reset("juggle", 0)
    _, result = fresh.result(fresh.send("   ", 5.0), 5.0)
    assert result.error_code == RunTask.Result.REJECTED and "instruction is empty" in result.message
    assert fresh.heard.chunks == []


def test_ctrl_c_ends_everything_with_code_0_and_leaves_no_process(graph, client):
    before = _children(graph)
    assert len(before) >= 3
    client.close()
    assert graph.stop() == 0, graph.tail(30)
    assert not [pid for pid in before if os.path.exists(f"/proc/{pid}")]
    assert "Traceback" not in graph.tail(200)


def _children(graph):
    pid = graph._process.pid
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"card": "/nowhere/card.yaml"}, "/nowhere/card.yaml"),
        ({"checkpoint": "/nowhere/model.safetensors"}, "/nowhere/model.safetensors"),
        ({"task": "juggle"}, "no task 'juggle'"),
    ],
)
def test_a_mistake_ends_the_launch_with_its_reason_and_no_traceback(tmp_path, arguments, words):
    graph = GraphProcess(arguments, tmp_path / "graph.log", free_domain())
    try:
        graph._process.wait(60)
    finally:
        graph.stop()
    assert graph.returncode != 0
    assert words in graph.tail(100) and "Traceback" not in graph.tail(100)


def test_a_killed_node_ends_the_launch_with_a_failure(tmp_path):
    graph = GraphProcess({"policy": "false"}, tmp_path / "graph.log", free_domain())
    try:
        deadline = time.monotonic() + 30
        while len(children := _children(graph)) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(2.0)
        os.kill(children[-1], signal.SIGKILL)
        graph._process.wait(30)
    finally:
        graph.stop()
    assert graph.returncode not in (0, None)
    assert not [pid for pid in children if os.path.exists(f"/proc/{pid}")]
