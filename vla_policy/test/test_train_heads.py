"""A head that was registered trains through the command line, with its options; a mistake in either is one line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from shipped_paths import CARD
from synthetic import write_dataset

from vla_policy.checkpoint import read_checkpoint
from vla_policy.errors import HeadError
from vla_policy.native.heads.base import HeadSizes
from vla_policy.native.heads.registry import build_head, parse_options

OWN_HEAD = '''
from torch import nn
from vla_policy.native.heads.base import ActionHead

class LinearHead(ActionHead):
    def __init__(self, sizes, power: int = 1, note: str = "none"):
        super().__init__(sizes)
        self.power = power
        self.out = nn.Linear(sizes.flat, sizes.horizon * sizes.action_dim)
    def sample(self, memory, ask=None, generator=None):
        return self.out(memory.flat()).unflatten(-1, (self.sizes.horizon, self.sizes.action_dim))
    def loss(self, memory, batch):
        return self.mean((self.sample(memory) - batch.actions).abs() ** self.power, batch)
'''


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    """A lab's own package with a head, as pip would leave it: one class, and the line that registers it."""
    path = tmp_path_factory.mktemp("lab")
    (path / "my_head.py").write_text(OWN_HEAD)
    (path / "my_head-1.0.dist-info").mkdir()
    (path / "my_head-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: my-head\nVersion: 1.0\n")
    (path / "my_head-1.0.dist-info" / "entry_points.txt").write_text("[vla.heads]\nlinear = my_head:LinearHead\n")
    return path


@pytest.fixture(scope="module")
def folder(card, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("demos")
    write_dataset(path, card, episodes=6, frames=4)
    return path


def train(folder: Path, tmp_path: Path, *words: str, package: Path | None = None) -> subprocess.CompletedProcess:
    fixed = ["--card", str(CARD), "--data", str(folder), "--out", str(tmp_path / "x.safetensors"), "--work", str(tmp_path),
             "--steps", "2", "--batch", "4", "--processes", "1"]
    paths = [str(path) for path in (package, os.environ.get("PYTHONPATH")) if path]
    program = [sys.executable, "-m", "vla_policy.verbs.train"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run([*program, *fixed, *words], env=environment, capture_output=True, text=True, timeout=110)


def test_a_registered_head_trains_with_its_options(folder, tmp_path, package):
    options = ["--head-option", "power=2", "--head-option", "note=7"]
    ended = train(folder, tmp_path, "--head", "linear", *options, package=package)
    assert ended.returncode == 0, ended.stderr
    model = read_checkpoint(tmp_path / "x.safetensors").model
    assert model.head == "linear" and model.head_options == {"power": 2, "note": "7"}


@pytest.mark.parametrize(("words", "expected"), [
    (["--head", "diffusion"], "action head 'diffusion' is unknown, there are flow_matching, regression"),
    (["--head-option", "depth=3"], "action head 'regression' has no option 'depth'; it has, with defaults: hidden=384,"),
    (["--head-option", "hidden=-5"], "action head 'regression': "),
])  # fmt: skip
def test_the_command_tells_what_is_wrong_with_a_head_in_one_line(folder, tmp_path, words, expected):
    ended = train(folder, tmp_path, *words)
    assert ended.returncode == 2 and "Traceback" not in ended.stderr, ended.stderr
    assert ended.stderr.splitlines()[-1].startswith(f"vla train: {expected}")


@pytest.mark.parametrize(("word", "expected"), [
    ("hidden", "'hidden' is not of the form KEY=VALUE"),
    ("hidden=wide", "head option hidden is 'wide', which is no int; its default is 384"),
    ("hidden=true", "head option hidden is 'true', which is no int"),
    ("beta=x", "head option beta is 'x', which is no float; its default is 0.1"),
])  # fmt: skip
def test_an_option_of_another_form_is_named(word, expected):
    with pytest.raises(HeadError, match=expected):
        parse_options("regression", [word])


def test_options_get_the_kind_of_their_default():
    options = parse_options("regression", ["hidden=64", "beta=1"])
    assert options == {"hidden": 64, "beta": 1.0} and isinstance(options["beta"], float)
    assert build_head("regression", HeadSizes(1, 8, 4, 2), options).beta == 1.0
