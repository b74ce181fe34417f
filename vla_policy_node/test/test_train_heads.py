"""A head that was registered trains through the command line, with its options; a mistake in either is one line."""

import subprocess
import sys
from pathlib import Path

import pytest
from policy_paths import CARD
from synthetic import write_dataset

from vla_policy_node.checkpoint import read_checkpoint
from vla_policy_node.model.heads import HeadError, build_head, parse_options

# A user's own head: one class, and the line that registers it. In a process of its own, as the trainer forks.
OWN_HEAD = '''
import sys
from torch import nn
from vla_policy_node import cli_train
from vla_policy_node.model import heads

class LinearHead(heads.ActionHead):
    def __init__(self, context_dim, horizon, action_dim, power: int = 1, note: str = "none"):
        super().__init__(context_dim, horizon, action_dim)
        self.power = power
        self.out = nn.Linear(context_dim, horizon * action_dim)
    def sample(self, context, generator=None):
        return self.out(context).unflatten(-1, (self.horizon, self.action_dim))
    def loss(self, context, actions, mask, generator=None):
        return self._mean((self.sample(context) - actions).abs() ** self.power, mask)

heads.HEADS["linear"] = LinearHead
sys.exit(cli_train.main())
'''


@pytest.fixture(scope="module")
def folder(card, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("demos")
    write_dataset(path, card, episodes=6, frames=4)
    return path


def train(program: list[str], folder: Path, tmp_path: Path, *words: str) -> subprocess.CompletedProcess:
    fixed = ["--card", str(CARD), "--data", str(folder), "--out", str(tmp_path / "x.safetensors"), "--work", str(tmp_path),
             "--steps", "2", "--batch", "4", "--processes", "1"]
    return subprocess.run([sys.executable, *program, *fixed, *words], capture_output=True, text=True, timeout=110)


def test_a_registered_head_trains_with_its_options(folder, tmp_path):
    ended = train(["-c", OWN_HEAD], folder, tmp_path, "--head", "linear", "--head-option", "power=2", "--head-option", "note=7")
    assert ended.returncode == 0, ended.stderr
    model = read_checkpoint(tmp_path / "x.safetensors").model
    assert model.head == "linear" and model.head_options == {"power": 2, "note": "7"}


@pytest.mark.parametrize(("words", "expected"), [
    (["--head", "diffusion"], "action head 'diffusion' is unknown, there are flow_matching, regression"),
    (["--head-option", "depth=3"], "action head 'regression' has no option 'depth'; it has, with defaults: hidden=384,"),
    (["--head-option", "hidden=-5"], "action head 'regression': "),
])  # fmt: skip
def test_the_command_tells_what_is_wrong_with_a_head_in_one_line(folder, tmp_path, words, expected):
    ended = train(["-m", "vla_policy_node.cli_train"], folder, tmp_path, *words)
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
    assert build_head("regression", 8, 4, 2, options).beta == 1.0
