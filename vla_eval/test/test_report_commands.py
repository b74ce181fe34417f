"""The commands of the packets ask for what the files were made with."""

import argparse
import hashlib
import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import report_samples as samples
from eval_paths import CARD
from ledger_samples import write_bag as write_chunks
from preflight_samples import CHECKPOINT, SIDE, card_with_small_pictures, made_up

from vla_bringup import cli_card
from vla_bringup.cli import main
from vla_contract.card import load_card
from vla_eval import cli_eval, cli_evidence, cli_ledger, cli_replay
from vla_eval.evidence.rows import write_rows
from vla_eval.preflight.source import Source
from vla_eval.preflight.write_bag import write_bag
from vla_eval.replay.faults import parse_faults
from vla_eval.replay.gate import parse_gates
from vla_eval.report.commands import (
    eval_commands,
    ledger_commands,
    preflight_commands,
    replay_commands,
    rows_commands,
)
from vla_eval.report.folder import read_folder
from vla_eval.report.report import make_report
from vla_eval.trials.suite import suite


@pytest.fixture
def folder(tmp_path) -> Path:
    """A run folder with a bag of its own, which no command is to read."""
    (tmp_path / "run" / "bag").mkdir(parents=True)
    (tmp_path / "run" / "bag" / "bag_0.mcap").write_text("another bag")
    return tmp_path / "run"


def parsed(module, command: str, skip: int = 2) -> argparse.Namespace:
    """Of a command, by the verb's own parser. skip: `vla` and the verb."""
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    return parser.parse_args(shlex.split(command)[skip:])


def keep(folder: Path, name: str, content: dict) -> None:
    (folder / name).write_text(json.dumps(content))


def runs_again(folder: Path, name: str, commands) -> str:
    """The one command, which makes the file again, to the letter."""
    before = (folder / name).read_text()
    (command,) = commands(read_folder(folder))
    (folder / name).unlink()
    assert main(shlex.split(command)[1:]) in (0, cli_card.FOUND_ERRORS)
    assert (folder / name).read_text() == before
    return command


def test_a_ledger_is_made_again_with_its_card_and_steps(folder, card, tmp_path):
    bag = write_chunks(tmp_path / "my run.mcap", card, 4)
    given = ["--card", "panda_tabletop", "--namespace", "cell", "--replan-steps", "6"]
    assert main(["ledger", str(bag), *given, "--json", str(folder / "ledger.json")]) == 0
    command = runs_again(folder, "ledger.json", ledger_commands)
    assert shlex.split(command) == ["vla", "ledger", str(bag), *given, "--json", str(folder / "ledger.json")]


def test_a_live_ledger_stays_live_where_there_is_a_bag(folder):
    asked = {"bag": None, "live": True, "once": True, "card": "cell.yaml", "namespace": "left", "replan_steps": 8}
    keep(folder, "ledger.json", {"source": "live", "asked": asked})
    (command,) = ledger_commands(read_folder(folder))
    args = parsed(cli_ledger, command)
    assert (args.bag, args.live, args.once, args.card, args.namespace, args.replan_steps) == tuple(asked.values())


@pytest.mark.parametrize(
    "words",
    [
        ["--bag", "BAG", "--checkpoint", str(CHECKPOINT), "--reference", "BAG", "--namespace", "left", "--seconds", "1.5"],
        ["--bag", "BAG", "--seconds", "inf"],
        ["--checkpoint", str(CHECKPOINT)],
    ],
)
def test_a_preflight_is_made_again_with_its_sources(folder, tmp_path, words):
    card = card_with_small_pictures(SIDE)
    keep(tmp_path, "small.yaml", card.to_dict())
    write_bag(tmp_path / "good bag", card, made_up(card), namespace="left")
    words = [str(tmp_path / "good bag") if word == "BAG" else word for word in words]
    made = ["card", "check", str(tmp_path / "small.yaml"), *words, "--json", str(folder / "preflight.json")]
    assert main(made) in (0, cli_card.FOUND_ERRORS)
    assert shlex.split(runs_again(folder, "preflight.json", preflight_commands)) == ["vla", *made]


def test_a_preflight_of_the_graph_stays_one_where_there_is_a_bag(folder):
    source = Source(graph=True, checkpoint=Path("c.safetensors"), namespace="left", seconds=12.25)
    keep(folder, "preflight.json", {"asked": source.asked("panda_tabletop")})
    (command,) = preflight_commands(read_folder(folder))
    args = parsed(cli_card, command)
    assert args.action == "check" and args.file == "panda_tabletop" and args.graph and args.bag is None
    assert (args.checkpoint, args.reference, args.namespace, args.seconds) == ("c.safetensors", None, "left", 12.25)


def test_a_replay_is_asked_for_with_faults_gates_seed_and_threads(folder, card, tmp_path):
    bag = tmp_path / "elsewhere" / "bag"
    bag.mkdir(parents=True)
    asked = ["latency=200ms", "drop=0.1", "skew=front:-50ms"]
    gates = {"jump": 0.0123456789, "violations": 0.0}
    content = samples.replay(card) | {"bag": str(bag), "faults": {"done": {"dropped": 3}}, "faults_asked": asked, "gates": gates}
    content |= {"seed": 7, "threads": 3, "model": "/robots/my arm.urdf", "namespace": "left", "instruction": "lift 'it'"}
    keep(folder, "replay.json", content)
    (command,) = replay_commands(read_folder(folder))
    args = parsed(cli_replay, command)
    assert parse_faults(args.fault, card) == parse_faults(asked, card) and parse_gates(args.gate) == gates
    assert (args.bag, args.card, args.out) == (bag, "panda_tabletop", folder)  # the bag that was replayed, not the folder's own
    assert (args.checkpoint, args.against) == ("native_flow.safetensors", "native_mlp.safetensors")
    assert (args.seed, args.threads, args.model) == (7, 3, Path("/robots/my arm.urdf"))
    assert (args.namespace, args.instruction) == ("left", "lift 'it'")
    assert not args.no_policy and not args.no_controller and not args.graph


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"instruction": None}, {"instruction": None}),
        ({"policies": {}, "model": "left out"}, {"no_policy": True, "no_controller": True, "checkpoint": None, "model": None}),
        ({"policies": {"other": {"checkpoint": "b.safetensors"}}}, {"checkpoint": None, "against": "b.safetensors"}),
        ({"model": "/robot_description of the bag", "card_hash": "f00d"}, {"model": None, "card": None, "gate": []}),
    ],
)
def test_a_replay_leaves_out_what_was_left_out(folder, card, changes, told):
    keep(folder, "replay.json", samples.replay(card) | changes)
    (command,) = replay_commands(read_folder(folder))
    args = parsed(cli_replay, command)
    assert {name: getattr(args, name) for name in told} == told


@pytest.mark.parametrize(("told", "own"), [("/gone/run/bag", True), ("/gone/run_7.mcap", False), ("bag", True)])
def test_a_bag_that_moved_with_its_folder_is_found_there_and_no_other_is_taken_for_it(folder, card, told, own):
    keep(folder, "replay.json", samples.replay(card) | {"bag": told})
    keep(folder, "ledger.json", samples.ledger(card) | {"asked": {"bag": told}})
    keep(folder, "preflight.json", {"asked": {"card": "panda_tabletop", "bag": told}})
    run = read_folder(folder)
    expected = folder / "bag" if own else Path(told)
    for module, commands in ((cli_replay, replay_commands), (cli_ledger, ledger_commands), (cli_card, preflight_commands)):
        (command,) = commands(run)
        assert parsed(module, command).bag == expected


def test_a_file_that_does_not_say_how_it_was_made_gets_no_command(folder, card):
    for name, content in (("ledger", samples.ledger(card)), ("preflight", samples.preflight(card))):
        keep(folder, f"{name}.json", {key: value for key, value in content.items() if key != "asked"})
    content = samples.replay(card) | {"faults": {"done": {"dropped": 3}}}
    keep(folder, "replay.json", {key: value for key, value in content.items() if key != "faults_asked"})
    run = read_folder(folder)
    assert ledger_commands(run) == preflight_commands(run) == replay_commands(run) == []
    keep(folder, "replay.json", {})
    assert replay_commands(read_folder(folder)) == []


def test_rows_come_from_the_bag_of_the_folder(folder, card):
    write_rows(folder / "episodes.jsonl", samples.episodes(card, 3))
    (command,), said = rows_commands(read_folder(folder))
    assert not said
    args = parsed(cli_evidence, command)
    assert (args.bag, args.out) == (folder / "bag", folder)


# `vla eval`


TRIALS = ["--checkpoint", "expert", "--trials", "2", "--seed", "50003", "--time-limit", "1.0", "--noise", "0.00123456789",
          "--replan-steps", "3", "--perturb", "push=0.03", "--latency", "0.0512345678", "--jobs", "1"]  # fmt: skip


@pytest.fixture(scope="module")
def slower(tmp_path_factory) -> Path:
    """The shipped card, edited: its name, and another tool_speed."""
    path = tmp_path_factory.mktemp("cards") / "my cell.yaml"
    text = CARD.read_text()
    assert text.count("tool_speed: 0.7") == 1
    path.write_text(text.replace("tool_speed: 0.7", "tool_speed: 0.05"))
    return path


def trials_of(folder: Path, *words: str) -> list[dict]:
    assert main(["eval", *words, *TRIALS, "--out", str(folder)]) == 0
    return json.loads((folder / "eval.json").read_text())["rows"]


def ran(command: str, into: Path) -> list[dict]:
    """Rows of a printed command that is run as it stands but for a file that keeps them, from another working folder."""
    assert main([*shlex.split(command)[1:], "--json", str(into), "--jobs", "1"]) == 0
    return json.loads(into.read_text())["rows"]


def with_card(folder: Path, **changes) -> None:
    content = json.loads((folder / "eval.json").read_text())
    request = {name: value for name, value in content["request"].items() if name != "card"}
    keep(folder, "eval.json", {**content, "request": {**request, **changes}})


def test_the_trials_of_a_packet_are_run_again_and_give_its_rows(tmp_path, monkeypatch, capsys, slower):
    rows, theirs = trials_of(tmp_path / "run"), trials_of(tmp_path / "slower", "--card", str(slower))
    assert len(rows) == 2 and rows != theirs, "the two cards are told apart by their rows"
    monkeypatch.chdir(tmp_path / "run")
    (command,), said = eval_commands(read_folder(tmp_path / "run"))
    assert "--card panda_tabletop --checkpoint expert" in command and "--out" not in command and not said
    capsys.readouterr()
    assert ran(command, tmp_path / "again.json") == rows
    assert "were there already" not in capsys.readouterr().out
    with_card(tmp_path / "slower", card=str(slower))
    (command,), said = eval_commands(read_folder(tmp_path / "slower"))
    assert load_card(slower).card_hash in said[0] and str(slower) in said[0]
    assert ran(command, tmp_path / "slower.json") == theirs
    assert "--card &#39;" in make_report(tmp_path / "slower")


def test_a_card_that_is_not_the_trials_own_is_never_named(tmp_path, slower):
    hash_of = load_card(slower).card_hash
    request = {"card_hash": hash_of, "checkpoint_hash": "expert", "tasks": ["pick"], "seeds": [[1, 2]]}
    keep(tmp_path, "eval.json", {"rows": [], "checkpoint": "expert", "request": request})
    write_rows(tmp_path / "episodes.jsonl", [replace(r, card_hash=hash_of) for r in samples.episodes(load_card(CARD), 2)])

    def told() -> tuple[str, str]:
        (command,), (said,) = eval_commands(read_folder(tmp_path))
        return parsed(cli_eval, command).card, said

    assert told() == ("CARD", f"CARD stands for the card of hash {hash_of}")
    assert f"CARD stands for the card of hash {hash_of}." in make_report(tmp_path)
    with_card(tmp_path, card="panda_tabletop")  # the shipped one, as it was then
    assert told() == ("CARD", f"CARD stands for the card of hash {hash_of}; panda_tabletop is another one now")
    with_card(tmp_path, card=str(slower))
    assert told() == (str(slower), f"{slower} is the card of hash {hash_of}")
    with_card(tmp_path, card="/gone/cell.yaml")
    assert told() == ("/gone/cell.yaml", f"/gone/cell.yaml is not there now; it was the card of hash {hash_of}")
    (tmp_path / "broken.yaml").write_text("arms: [")
    with_card(tmp_path, card=str(tmp_path / "broken.yaml"))
    assert told()[0] == str(tmp_path / "broken.yaml")


def test_a_checkpoint_is_held_to_its_hash(tmp_path, card):
    file = tmp_path / "mine.safetensors"
    file.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    request = {"card_hash": card.card_hash, "checkpoint_hash": digest, "tasks": ["pick"], "seeds": [[1, 2], [5, 5]]}
    content = {"rows": [], "checkpoint": str(file), "request": request, "comparison": {}, "against": {"checkpoint": "expert"}}
    keep(tmp_path, "eval.json", content)
    commands, said = eval_commands(read_folder(tmp_path))
    told = [parsed(cli_eval, command) for command in commands]
    assert [(a.checkpoint, a.against) for a in told] == [(str(file), "expert")] * 2
    assert [(a.seed, a.trials) for a in told] == [(1, 2), (5, 1)]
    assert said == [f"{file} is the checkpoint of hash {digest}"]
    file.write_bytes(b"others")
    (command, _), said = eval_commands(read_folder(tmp_path))
    assert parsed(cli_eval, command).checkpoint == "CHECKPOINT" and said[0].endswith(f"{digest}; {file} is another one now")


def test_trials_of_another_suite_are_said_to_be(tmp_path, card):
    request = {"card_hash": card.card_hash, "checkpoint_hash": "expert", "tasks": ["pick"], "seeds": [[1, 2]]}
    mixed = {"suites": {"0.0.1+abc": 3, suite(): 1}}
    for name, counts, words in (
        ("0.0.1+abc", {}, ["the trials were run with suite 0.0.1+abc; "]),
        ("0.0.1+abc", mixed, [f"the trials were run with suite 0.0.1+abc, {suite()}; "]),
        (suite(), {"suites": {suite(): 4}}, []),
        ("", {}, []),
    ):
        keep(tmp_path, "eval.json", {"rows": [], "checkpoint": "expert", "request": {**request, "suite": name}, **counts})
        said = eval_commands(read_folder(tmp_path))[1]
        assert len(said) == len(words) and all(line.startswith(word) for line, word in zip(said, words))
