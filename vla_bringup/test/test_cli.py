"""The `vla` command: a mistake of the user is one line and exit code 2, never a traceback."""

import argparse
import sys
import types
from importlib.metadata import EntryPoint

import pytest

from vla_bringup import cli
from vla_contract.plugins import VERBS, registered
from vla_replay.verbs import card as cli_card


@pytest.mark.parametrize(("words", "expected"), [
    (["frob"], "no verb 'frob'; there are: agree, behaviour, bench, card,"),
    (["up", "nothing"], "no launch 'nothing': give a file, or one of: "),
    (["up", "sim", "task:=pick", "task:=stack"], "launch argument 'task' is given twice, as 'pick' and as 'stack'; give it once"),
    (["up", "sim", "sed:=1"], "unknown launch argument 'sed'; allowed are: card, checkpoint"),
    (["up", "sim", "seed=1"], "argument 'seed=1' is not of the form name:=value"),
    (["up", "sim", "card:=nothing"], "no card 'nothing': give a file, or one of: fr3, panda_tabletop,"),
    (["up", "sim", "task:=nothing", "policy:=false"], "no task 'nothing' in card 'panda_tabletop'; it has: pick,"),
    (["up", "sim", "namespace:=my-robot"], "namespace 'my-robot': invalid namespace: namespace must not contain characters"),
    (["up", "sim", "strategy:=nothing"], "strategy is 'nothing', allowed are: 'receding_horizon', 'temporal_ensemble',"),
    (["up", "sim", "strategy:=committed_prefix"], "strategy:=committed_prefix needs committed_steps:=1 or more"),
    (["up", "sim", "committed_steps:=few"], "argument committed_steps is 'few', no whole number; allowed is 0 to 99"),
    (["up", "real", "card:=ur5e", "policy:=false", "rule:=nothing"], "rule is 'nothing', allowed are: '', 'legacy', 'splice'"),
    (["up", "sim", "checkpoint:=/no/such.safetensors"], "checkpoint file /no/such.safetensors does not exist"),
    (["run", " "], "instruction is empty; say what to do, in words; see vla run --help"),
    (["run", "pick " * 300], "instruction has 1500 characters, allowed are up to 1000"),
    (["replay", "x.mcap", "--instruction", ""], "--instruction is empty; say what to do, in words; see vla replay --help"),
    (["replay", "x.mcap", "--graph", "--run", "--instruction", "..."], "--instruction is empty; say what to do, in words"),
    (["replay", "x.mcap", "--instruction", "x" * 1001], "--instruction has 1001 characters, allowed are up to 1000"),
    (["train", "--data", "/no/demos", "--steps", "1", "--out", "x.safetensors"], "/no/demos/dataset.json: no such file"),
    (["card", "check", "/no/card.yaml"], "card file /no/card.yaml does not exist"),
    (["card", "check", "panda_tabletop", "--seconds", "3"], "--seconds needs --graph or --bag"),
])
def test_mistakes_of_the_user(words, expected, capsys):
    assert cli.main(words) == 2
    shown = capsys.readouterr().err
    assert expected in shown and "Traceback" not in shown


def test_card_check_names_the_field_of_a_bad_card(tmp_path, capsys):
    (tmp_path / "bad.yaml").write_text("name: bad\nwheels: 4\n")
    assert cli.main(["card", "check", str(tmp_path / "bad.yaml")]) == 2
    assert "wheels" in capsys.readouterr().err


def test_a_bad_card_is_told_before_anything_starts(tmp_path, capfd):
    (tmp_path / "bad.yaml").write_text("name: bad\n")
    assert cli.main(["up", "sim", f"card:={tmp_path}/bad.yaml", "policy:=false"]) == 2
    shown = capfd.readouterr()
    assert "arms: missing" in shown.err and "started" not in shown.out


def test_card_check_prints_both_hashes(capsys):
    assert cli.main(["card", "check", "panda_tabletop"]) == 0
    shown = capsys.readouterr().out
    assert "policy_hash" in shown and "card_hash" in shown and "EE_DELTA" in shown


def test_show_args(capsys):
    assert cli.main(["up", "sim", "--show-args"]) == 0
    assert "Interface card of the cell" in capsys.readouterr().out


@pytest.fixture
def verb(monkeypatch):
    """A verb `probe` whose run is set by the test."""
    module = types.ModuleType("vla_probe_verb")
    module.add_arguments = lambda parser: parser.add_argument("--card")
    monkeypatch.setitem(sys.modules, "vla_probe_verb", module)
    module.HELP = "a probe"
    monkeypatch.setitem(registered(VERBS), "probe", EntryPoint("probe", "vla_probe_verb", VERBS))
    return module


def test_a_verb_gets_the_path_of_a_card_given_by_name_and_its_code_is_returned(verb):
    seen: list[argparse.Namespace] = []
    verb.run = lambda args: seen.append(args) or 5
    assert cli.main(["probe", "--card", "panda_tabletop"]) == 5
    assert seen[0].card.name == "panda_tabletop.yaml" and seen[0].card.exists()


def test_faults_of_ours_keep_their_traceback_and_ctrl_c_is_130(verb, capsys):
    def fail(_args):
        raise ValueError("a bug")

    def interrupt(_args):
        raise KeyboardInterrupt

    verb.run = fail
    with pytest.raises(ValueError, match="a bug"):
        cli.main(["probe"])
    verb.run = interrupt
    assert cli.main(["probe"]) == 130


def test_errors_of_the_suite_are_told_in_one_line(verb, capsys):
    def fail(_args):
        raise cli_card.CardCommandError("no such thing; allowed are: this, that")

    verb.run = fail
    assert cli.main(["probe"]) == 2
    assert capsys.readouterr().err == "vla probe: error: no such thing; allowed are: this, that\n"
