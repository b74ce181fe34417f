"""Computers that are not ours: settings, terminals and words that are not what we write. One line, never a traceback."""

import os
import subprocess
import sys

import pytest

from vla_contract.ros.joining import domain_problem

VLA = [sys.executable, "-m", "vla_bringup.cli"]
NODES = ["vla_controller.ros.entry", "vla_policy_node.ros.entry", "vla_sim.ros.entry"]


def run(*words: str | bytes, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run([*VLA, *words], env={**os.environ, **environment}, capture_output=True, text=True, timeout=60)


def test_what_a_domain_may_be():
    for right in ("", "0", "101", "232"):
        assert domain_problem({"ROS_DOMAIN_ID": right}) == ""
    assert domain_problem({}) == ""
    for wrong in ("abc", "-1", "233", "1.5", " 7", "٣"):
        assert domain_problem({"ROS_DOMAIN_ID": wrong}) == (
            f"ROS_DOMAIN_ID is {wrong!r}, allowed are whole numbers from 0 to 232, or nothing"
        )


@pytest.mark.parametrize("words", [
    ["stop"], ["home"], ["resume"], ["reset", "pick"], ["run", "pick up the red block"], ["ledger", "--live", "--once"],
    ["up", "sim"], ["card", "check", "ur5e", "--graph"],
], ids=lambda words: words[0])  # fmt: skip
def test_verbs_name_a_domain_that_cannot_be(words):
    done = run(*words, ROS_DOMAIN_ID="abc")
    told = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("listening")]
    assert done.returncode == 2 and len(told) == 1, done.stderr
    assert "error: ROS_DOMAIN_ID is 'abc', allowed are whole numbers from 0 to 232" in told[0]


@pytest.mark.parametrize("module", NODES)
def test_nodes_name_a_domain_that_cannot_be(module):
    environment = {**os.environ, "ROS_DOMAIN_ID": "abc"}
    program = f"import sys; from {module} import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert "error: ROS_DOMAIN_ID is 'abc', allowed are" in done.stderr


@pytest.mark.parametrize("words", [
    ["run", b"pick up the \xff block"], ["label", ".", "1", "success", "--note", b"\xe9t\xe9"],
    ["replay", "x.mcap", "--instruction", b"\xff"],
], ids=lambda words: words[0])  # fmt: skip
def test_bytes_that_are_no_text_are_told(words):
    done = run(*words)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "which is no text in UTF-8" in done.stderr.splitlines()[-1]


def test_a_terminal_without_our_letters_gets_escapes(tmp_path):
    (tmp_path / "episodes.jsonl").touch()
    for words in (["label", str(tmp_path), "1", "success", "--by", "zoë"], ["card", "check", "panda_tabletop"], ["--help"]):
        plain, ascii_only = run(*words), run(*words, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
        assert ascii_only.returncode == plain.returncode and "Traceback" not in ascii_only.stderr, words
    done = run("card", "check", str(tmp_path / "kärtchen.yaml"), PYTHONIOENCODING="ascii")
    assert done.returncode == 2 and r"k\xe4rtchen.yaml does not exist" in done.stderr
