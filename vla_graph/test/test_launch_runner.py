"""The runner as a process: exit codes, Ctrl-C, escalation, and that nothing is left behind."""

import signal
import subprocess
import sys
import time

import pytest
from launching import (
    DEAF,
    PARENT,
    POLITE,
    STUBBORN,
    alive,
    assert_gone,
    process_ids,
    python_process,
    read_until,
    start_runner,
    write_launch_file,
)

REQUIRED = 'on_exit="shutdown"'


def test_output_is_prefixed_and_all_ending_well_is_0(tmp_path):
    path = write_launch_file(tmp_path, python_process("one", "print(11)") + python_process("two", "print(22, end='')"))
    runner = start_runner(path)
    output, _ = runner.communicate(timeout=20)
    assert runner.returncode == 0
    assert "[one] 11\n" in output and "[two] 22\n" in output


@pytest.mark.parametrize(("code", "expected"), [("raise SystemExit(7)", 7), ("raise SystemExit(0)", 1),
                                                ("import os; os.kill(os.getpid(), 9)", 1)])
def test_a_required_process_that_ends_takes_the_others_with_it_and_is_named(tmp_path, code, expected):
    path = write_launch_file(tmp_path, python_process("stays", POLITE) + python_process("dies", code, REQUIRED))
    runner = start_runner(path)
    output, _ = runner.communicate(timeout=20)
    assert runner.returncode == expected
    assert "dies" in next(line for line in output.splitlines() if "required" in line)
    assert_gone(process_ids(output))


def test_the_end_of_a_process_that_is_not_required_lets_the_others_go_on(tmp_path):
    path = write_launch_file(tmp_path, python_process("stays", POLITE) + python_process("ends", "raise SystemExit(3)"))
    runner = start_runner(path)
    output = read_until(runner, "ends ended with code 3", "[stays] up")
    assert alive(process_ids(output)[0])
    runner.send_signal(signal.SIGINT)
    assert runner.wait(20) == 3


def test_ctrl_c_ends_everything_with_0_and_leaves_no_process(tmp_path):
    path = write_launch_file(tmp_path, python_process("polite", POLITE, REQUIRED) + python_process("parent", PARENT))
    runner = start_runner(path)
    output = read_until(runner, "[polite] up", "[parent] child")
    grandchild = int(output.partition("child ")[2].split()[0])
    assert alive(grandchild)
    runner.send_signal(signal.SIGINT)
    assert runner.wait(20) == 0
    assert_gone([*process_ids(output), grandchild])


@pytest.mark.parametrize(("seconds", "traceback"), [(0.0, False), (1.2, True)])
def test_ctrl_c_while_a_python_starts_leaves_no_traceback(tmp_path, seconds, traceback):
    """What is still importing has Python's own answer to SIGINT; later it is asked as a terminal would ask it."""
    path = write_launch_file(tmp_path, python_process("importing", "import time; print('up'); time.sleep(30)"))
    runner = start_runner(path)
    read_until(runner, "[importing] up")
    time.sleep(seconds)
    runner.send_signal(signal.SIGINT)
    rest, _ = runner.communicate(timeout=20)
    assert ("KeyboardInterrupt" in rest) is traceback


def test_a_process_deaf_to_ctrl_c_gets_sigterm_and_a_stubborn_one_sigkill(tmp_path):
    path = write_launch_file(tmp_path, python_process("deaf", DEAF) + python_process("stubborn", STUBBORN))
    runner = start_runner(path, "--patience", "0.5")
    output = read_until(runner, "[deaf] up", "[stubborn] up")
    time.sleep(1.1)  # no longer starting
    start = time.monotonic()
    runner.send_signal(signal.SIGINT)
    rest, _ = runner.communicate(timeout=20)
    assert 0.9 < time.monotonic() - start < 5.0
    assert "SIGTERM to deaf, stubborn" in rest and "deaf was ended by SIGTERM" in rest
    assert "SIGKILL to stubborn" in rest and "stubborn was ended by SIGKILL" in rest
    assert runner.returncode == 1
    assert_gone(process_ids(output))


def test_a_second_ctrl_c_does_not_wait(tmp_path):
    runner = start_runner(write_launch_file(tmp_path, python_process("stubborn", STUBBORN)), "--patience", "30")
    read_until(runner, "[stubborn] up")
    for text in ("ending everything", "SIGTERM to", "SIGKILL to"):
        runner.send_signal(signal.SIGINT)
        read_until(runner, text)
    assert runner.wait(10) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_requests_to_end_are_passed_on_too(tmp_path, number):
    runner = start_runner(write_launch_file(tmp_path, python_process("polite", POLITE)))
    output = read_until(runner, "[polite] up")
    runner.send_signal(number)
    assert runner.wait(20) == 0
    assert_gone(process_ids(output))


def test_a_killed_runner_leaves_no_process(tmp_path):
    body = python_process("stubborn", STUBBORN) + python_process("polite", POLITE)
    runner = start_runner(write_launch_file(tmp_path, body))
    output = read_until(runner, "[stubborn] up", "[polite] up")
    runner.kill()
    runner.wait()
    assert_gone(process_ids(output))


def test_a_graph_ends_with_the_process_that_started_it_even_where_that_is_killed(tmp_path):
    path, log = write_launch_file(tmp_path, python_process("polite", POLITE)), tmp_path / "graph.log"
    code = (
        "import sys, time; from pathlib import Path; from vla_graph.process import GraphProcess; "
        "GraphProcess({}, Path(sys.argv[2]), 7, launch_file=sys.argv[1]); print('up', flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen([sys.executable, "-c", code, str(path), str(log)], stdout=subprocess.PIPE, text=True)
    try:
        assert starter.stdout.readline() == "up\n"
        deadline = time.monotonic() + 30.0
        while "[polite] up" not in log.read_text():
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
    finally:
        starter.kill()
        starter.communicate()
    assert_gone(process_ids(log.read_text()))
    assert "SIGINT: ending everything" in log.read_text()


def test_nobody_reading_the_output_any_more_ends_everything(tmp_path):
    endless = "import itertools, time; [(print(1), time.sleep(0.02)) for _ in itertools.count()]"
    runner = start_runner(write_launch_file(tmp_path, python_process("talks", endless)))
    output = read_until(runner, "[talks] 1")
    runner.stdout.close()
    assert runner.wait(20) == 1
    assert_gone(process_ids(output))


def test_a_respawned_process_starts_again_until_ctrl_c(tmp_path):
    path = write_launch_file(tmp_path, python_process("again", "print(5)", 'respawn="true" respawn_delay="0.1"'))
    runner = start_runner(path)
    output = read_until(runner, "starting it again")
    output += read_until(runner, "starting it again")
    assert len(process_ids(output)) == 2
    runner.send_signal(signal.SIGINT)
    assert runner.wait(20) == 0


def test_a_program_that_does_not_exist_ends_everything_and_is_named(tmp_path):
    body = python_process("polite", POLITE) + '<executable name="ghost" cmd="/no/such/program"/>'
    runner = start_runner(write_launch_file(tmp_path, body))
    output, _ = runner.communicate(timeout=20)
    assert runner.returncode == 1
    assert "ghost cannot be started: /no/such/program: No such file or directory" in output
    assert_gone(process_ids(output))
