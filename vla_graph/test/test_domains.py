"""Graphs of one computer that are started at the same time do not meet."""

import os
import subprocess
import sys

import pytest

from vla_bringup import cli
from vla_graph.domains import free_domain
from vla_graph.errors import GraphError

ASK = "import sys; from vla_graph.domains import free_domain; print(free_domain(), flush=True); sys.stdin.read()"
RANGE = "90-93"


@pytest.fixture
def asking():
    """Starts processes that are given a domain and have no node in it yet; ends them."""
    started = []

    def ask() -> int:
        environment = {**os.environ, "VLA_DOMAINS": RANGE}
        process = subprocess.Popen(
            [sys.executable, "-c", ASK], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return int(process.stdout.readline())

    ask.started = started
    yield ask
    for process in started:
        process.communicate("")


def test_no_two_processes_are_given_the_same(asking, monkeypatch):
    given = {asking() for _ in range(4)}
    assert given == {90, 91, 92, 93}
    monkeypatch.setenv("VLA_DOMAINS", RANGE)
    with pytest.raises(GraphError, match="every ROS domain from 90 to 93 is in use"):
        free_domain()
    first = asking.started[0]
    first.communicate("")
    assert free_domain() in given, "that of a process that has ended"


def test_one_process_is_given_others_each_time_and_comes_back_to_those_whose_graphs_have_ended(monkeypatch):
    monkeypatch.setenv("VLA_DOMAINS", "60-89")
    given = [free_domain() for _ in range(40)]
    assert all(len(set(given[k:k + 8])) == 8 for k in range(32)) and set(given) <= set(range(60, 90))


@pytest.mark.parametrize("text", ["", "5", "9-3", "1-102", "a-b"])
def test_a_range_that_is_none_is_told(monkeypatch, text):
    monkeypatch.setenv("VLA_DOMAINS", text)
    with pytest.raises(GraphError, match="VLA_DOMAINS is .*, allowed is a range within 0-101"):
        free_domain()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["demo"], "VLA_DOMAINS is '5', allowed is a range within 0-101, as 20-39"),
        (["bench", "--only", "policy", "graph"], "VLA_DOMAINS is '5', allowed is a range within 0-101, as 20-39"),
        (["demo", "--task", "dance"], "no task 'dance' in card 'panda_tabletop'; it has: pick"),
    ],
)
def test_what_a_graph_cannot_be_started_with_is_told_before_anything_is(words, told, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("VLA_DOMAINS", "5")
    assert cli.main([*words, "--out", str(tmp_path / "out")]) == 2
    shown = capfd.readouterr()
    assert shown.out == "" and told in shown.err and shown.err.count("\n") == 1
    assert not (tmp_path / "out").exists()
