"""`vla run`, `stop`, `resume`, `home` and `reset` against a running graph, and where nobody is there."""

import signal
import subprocess
import sys
import time

import pytest
from launching import read_until, start_runner

from vla_contract.shipped import find_launch_file
from vla_graph.domains import free_domain

VLA = [sys.executable, "-m", "vla_bringup.cli"]
NAMESPACE = ["--namespace", "cell"]
READY_S = 60.0


@pytest.fixture(scope="module")
def domain():
    """Of its own, so that graphs on the same computer do not meet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", str(free_domain()))
        yield


@pytest.fixture(scope="module")
def graph(domain, tmp_path_factory):
    """The simulated cell with controller and policy, in a namespace."""
    runner = start_runner(find_launch_file("sim"), "namespace:=cell", "log_level:=warn")
    try:
        read_until(runner, "policy started", timeout=READY_S)
        yield runner
        runner.send_signal(signal.SIGINT)
        rest, _ = runner.communicate(timeout=30)
        assert runner.returncode == 0 and "Traceback" not in rest, rest
    finally:
        runner.kill()


def vla(*words: str, timeout: float = 60.0) -> subprocess.CompletedProcess:
    return subprocess.run([*VLA, *words], capture_output=True, text=True, timeout=timeout)


def start_run(*words: str) -> subprocess.Popen:
    return subprocess.Popen([*VLA, "run", *words, *NAMESPACE], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def answered(*words: str) -> str:
    ended = vla(*words, *NAMESPACE)
    assert ended.returncode == 0 and ended.stdout.count("\n") == 1, (words, ended.stdout, ended.stderr)
    return ended.stdout


def test_nobody_there_is_told_within_seconds(domain):
    started = time.monotonic()
    ended = vla("stop", "--namespace", "nobody")
    assert time.monotonic() - started < 10.0
    assert ended.returncode == 2 and ended.stderr.count("\n") == 1
    assert "vla stop: error: no service /nobody/vla/stop after 4 s: is the controller running" in ended.stderr
    assert "at its very first start it compiles kernels for a minute or two" in ended.stderr
    assert "There is no namespace /nobody in the graph; it has none" in ended.stderr
    ended = vla("run", "pick up the red block", "--namespace", "nobody")
    assert ended.returncode == 2 and "no action /nobody/vla/run_task after 5 s: is the policy running" in ended.stderr
    ended = vla("reset", "pick", "--namespace", "no-body")
    assert ended.returncode == 2 and "--namespace 'no-body': invalid namespace" in ended.stderr


def test_a_task_is_laid_out_and_run_to_success(graph):
    # The policy may still be starting: `vla run` waits for one that says so.
    instruction = answered("reset", "pick", "--seed", "50001").strip()
    assert "block" in instruction
    ended = vla("run", instruction, "--time-limit", "20", *NAMESPACE)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "RUNNING" in ended.stdout and "success, says SIM; the arm rests" in ended.stdout.splitlines()[-1]


def test_a_forgotten_namespace_is_told(graph):
    ended = vla("stop")
    assert ended.returncode == 2 and "There are robots in /cell" in ended.stderr and ended.stderr.count("\n") == 1


def test_ctrl_c_cancels_and_waits_for_the_brake(graph):
    # Another instruction than the scene's: nobody can say that it was done, so that it does not end by itself.
    running = start_run("pick up the red block", "--time-limit", "60")
    read_until(running, "RUNNING")
    busy = vla("run", "pick up the red block", *NAMESPACE)
    assert busy.returncode == 1 and "refused: " in busy.stdout
    running.send_signal(signal.SIGINT)
    rest, _ = running.communicate(timeout=30)
    assert running.returncode == 130 and "cancelling; the arm brakes" in rest, rest
    assert "cancelled; the arm rests, IDLE" in rest.splitlines()[-1]


def test_a_reader_that_has_gone_cancels_the_run(graph):
    running = start_run("pick up the red block", "--time-limit", "60")
    read_until(running, "RUNNING")
    running.stdout.close()
    running.send_signal(signal.SIGTERM)  # the next word has no reader
    assert running.wait(timeout=30) == 128 + signal.SIGPIPE
    ended = vla("run", "pick up the red block", "--time-limit", "0.5", *NAMESPACE)
    assert "refused" not in ended.stdout and "RUNNING" in ended.stdout, "the cell is free again"


def test_stop_latches_resume_releases_and_home_goes(graph):
    running = start_run("pick up the red block", "--time-limit", "60")
    read_until(running, "RUNNING")
    assert answered("stop").startswith("stop: ")
    rest, _ = running.communicate(timeout=30)
    assert running.returncode == 1 and "aborted, CONTROLLER_STOPPED" in rest and "the arm rests, STOPPED" in rest
    refused = vla("home", *NAMESPACE)
    assert refused.returncode == 1 and refused.stdout.startswith("home: refused: ")
    assert answered("resume").startswith("resume: ")
    assert answered("home").startswith("home: ")


def test_a_task_that_there_is_not_is_refused_with_those_there_are(graph):
    ended = vla("reset", "juggle", *NAMESPACE)
    assert ended.returncode == 1 and ended.stderr.startswith("vla reset: refused: ") and "pick" in ended.stderr
    assert ended.stdout == ""
