"""`vla eval` with policies of other packages: one line for what they do wrong, and a word on chunks that are refused."""

import os
import subprocess
import sys

import pytest
from shipped_paths import CARD


def evaluate(checkpoint, *words, path=None) -> subprocess.CompletedProcess:
    paths = [str(path) for path in (path, os.environ.get("PYTHONPATH")) if path]
    command = [sys.executable, "-m", "vla_bringup.cli", "eval", "--card", str(CARD), "--checkpoint", str(checkpoint),
               "--trials", "1", "--jobs", "1", "--time-limit", "2", *words]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=110)


def only_error(ended) -> str:
    """The last line, the only one beside the progress bar."""
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr and "Exception" not in ended.stderr, ended.stderr
    assert ended.stderr.count("vla eval: error: ") == 1, ended.stderr
    return ended.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("down", "policy 'trouble:down' cannot be opened: ConnectionRefusedError: [Errno 111] Connection refused"),
        ("lacking", "gave a Lacking, which has no reset"),
        ("failing", "policy 'trouble' failed in infer: RuntimeError: the server hung up"),
    ],
)
def test_what_a_policy_does_wrong_is_one_line(trouble, kind, words):
    assert words in only_error(evaluate(f"trouble:{kind}", path=trouble))


@pytest.fixture
def other_head(tiny_checkpoint, tmp_path):
    """A checkpoint whose head is registered by a package that is not here."""
    import json

    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    with safe_open(tiny_checkpoint, framework="pt") as file:
        metadata = dict(file.metadata())
    metadata["model"] = json.dumps({**json.loads(metadata["model"]), "head": "elsewhere"})
    save_file(load_file(tiny_checkpoint), tmp_path / "other.safetensors", metadata)
    return tmp_path / "other.safetensors"


@pytest.mark.parametrize("engine", ["process", "ray"])
def test_a_head_that_nothing_registers_here_is_one_line(other_head, engine):
    if engine == "ray":
        pytest.importorskip("ray")
    line = only_error(evaluate(other_head, "--engine", engine))
    assert "'elsewhere'" in line and "regression" in line and "ended unexpectedly" not in line


def test_chunks_that_are_refused_are_told_with_their_verdict(trouble):
    ended = evaluate("trouble:nan", path=trouble)
    assert ended.returncode == 0, ended.stderr
    (line,) = (line for line in ended.stdout.splitlines() if "of steps clamped" in line)
    assert line.startswith("  pick: 0/1") and " chunks refused: " in line and line.endswith(" NOT_FINITE")
