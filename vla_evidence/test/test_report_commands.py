"""The packets of the page name the command that the file keeps, and that command makes the same numbers again."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
import report_samples as samples
from evidence_samples import RUNS, START, BagDraft
from ledger_samples import write_bag as write_chunks
from preflight_samples import CHECKPOINT, SIDE, card_with_small_images, made_up
from report_pages import Page
from shipped_paths import CARD

from vla_bench.preflight.write_bag import write_bag
from vla_bringup.cli import main
from vla_contract.card import load_card
from vla_evidence.provenance.suite import suite
from vla_evidence.report.folder import read_folder
from vla_evidence.report.report import make_report
from vla_evidence.report.reproduce import Again, of_ledger, of_preflight, of_replay, of_rows, of_trials
from vla_evidence.rows.outcomes import read_outcomes
from vla_replay.verbs import card as cli_card


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A run folder with a bag of its own, which no command is to read. Commands are run from beside it."""
    (tmp_path / "run" / "bag").mkdir(parents=True)
    (tmp_path / "run" / "bag" / "bag_0.mcap").write_text("another bag")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "run"


def keep(folder: Path, name: str, content: dict) -> None:
    (folder / name).write_text(json.dumps(content))


def without_command(content: dict) -> dict:
    return {key: value for key, value in content.items() if key != "command"}


def runs_again(folder: Path, name: str, again: Again) -> str:
    """The one command, which makes the file again, to the letter."""
    before = (folder / name).read_text()
    (command,) = again.commands
    (folder / name).unlink()
    assert main(shlex.split(command)[1:]) in (0, cli_card.FOUND_ERRORS)
    assert (folder / name).read_text() == before
    return command


def test_a_ledger_is_made_again_with_its_card_and_steps(folder, card, tmp_path):
    write_chunks(tmp_path / "my run.mcap", card, 4)
    words = ["ledger", "my run.mcap", "--card", "panda_tabletop", "--namespace", "cell", "--replan-steps", "6"]
    words += ["--json", "run/ledger.json"]
    assert main(words) == 0
    again = of_ledger(read_folder(folder))
    assert again.said == (f"in the folder {tmp_path}",)
    assert shlex.split(runs_again(folder, "ledger.json", again)) == ["vla", *words]
    shutil.rmtree(folder / "bag")
    assert "vla ledger &#39;my run.mcap&#39; --card" in make_report(folder)


@pytest.mark.parametrize(
    "words",
    [
        ["--bag", "BAG", "--checkpoint", str(CHECKPOINT), "--reference", "BAG", "--namespace", "left", "--seconds", "1.5"],
        ["--bag", "BAG", "--seconds", "inf"],
        ["--checkpoint", str(CHECKPOINT)],
    ],
)
def test_a_preflight_is_made_again_with_its_sources(folder, tmp_path, words):
    card = card_with_small_images(SIDE)
    keep(tmp_path, "small.yaml", card.to_dict())
    write_bag(tmp_path / "good bag", card, made_up(card), namespace="left")
    words = [str(tmp_path / "good bag") if word == "BAG" else word for word in words]
    made = ["card", "check", str(tmp_path / "small.yaml"), *words, "--json", str(folder / "preflight.json")]
    assert main(made) in (0, cli_card.FOUND_ERRORS)
    assert shlex.split(runs_again(folder, "preflight.json", of_preflight(read_folder(folder)))) == ["vla", *made]


def test_rows_and_the_operators_word_keep_their_commands(card, tmp_path, monkeypatch):
    draft = BagDraft(card)
    draft.run(RUNS[0], "pick up the red block", START, 2.0)
    draft.write(tmp_path / "b.mcap")
    monkeypatch.chdir(tmp_path)
    words = ["evidence", "b.mcap", "--out", "run", "--time-limit", "6"]
    assert main(words) == 0
    run = tmp_path / "run"
    rows = (run / "episodes.jsonl").read_text()
    assert main(["label", "run", "1", "failure", "--label", "DROPPED", "--note", "it slid", "--by", "me"]) == 0
    (said,) = read_outcomes(run)
    assert said.command.argv[:5] == ("vla", "label", "run", "1", "failure") and said.command.folder == str(tmp_path)
    again = of_rows(read_folder(run))
    assert again.commands == (shlex.join(["vla", *words]),)
    (run / "episodes.jsonl").unlink()
    assert main(shlex.split(again.commands[0])[1:]) == 0 and (run / "episodes.jsonl").read_text() == rows
    assert main(["label", "run", "1", "success"]) == 0, "the label of before is still read"


@pytest.mark.parametrize(("name", "words"), [
    ("", "is empty"), ("  ", "is empty"), ("me\nFAILURE", "a name is one line"), ("a\tb", "a name is one line"),
])  # fmt: skip
def test_who_says_so_is_one_line_of_text(tmp_path, capsys, name, words):
    assert main(["label", str(tmp_path), "1", "success", "--by", name]) == 2
    assert words in capsys.readouterr().err


def test_links_in_the_place_of_rows_and_labels_are_told_as_that(card, tmp_path, capsys):
    draft = BagDraft(card)
    draft.run(RUNS[0], "pick up the red block", START, 2.0)
    draft.write(tmp_path / "b.mcap")
    run = tmp_path / "run"
    assert main(["evidence", str(tmp_path / "b.mcap"), "--out", str(run)]) == 0
    (tmp_path / "text").write_text("no row\n")
    (run / "labels.jsonl").symlink_to(tmp_path / "text")
    assert main(["label", str(run), "1", "success"]) == 2
    assert "labels.jsonl: a symbolic link; nothing is written through it" in capsys.readouterr().err
    (run / "labels.jsonl").unlink()
    (run / "episodes.jsonl").unlink()
    (run / "episodes.jsonl").symlink_to("/dev/zero")
    assert main(["label", str(run), "--list"]) == 2
    assert "episodes.jsonl: a device; a file is needed" in capsys.readouterr().err


def test_the_page_says_which_command_made_it(folder, card, capsys):
    keep(folder, "preflight.json", samples.preflight(card))
    shutil.rmtree(folder / "bag")
    words = ["report", "run", "--max-frames", "3"]
    assert main(words) == 0
    assert "This page byvla report run --max-frames 3" in Page((folder / "report.html").read_text()).text.replace("\n", "")
    assert "This page by" not in make_report(folder)


def test_a_file_that_keeps_no_command_says_so(folder, card):
    files = (("ledger", samples.ledger(card), of_ledger), ("preflight", samples.preflight(card), of_preflight),
             ("replay", samples.replay(card), of_replay), ("eval", samples.trials({1: True}), of_trials))  # fmt: skip
    for name, content, again in files:
        keep(folder, f"{name}.json", without_command(content))
        found = again(read_folder(folder))
        assert found.commands == () and found.said[0].startswith(f"{name}.json does not say which command made it")
        keep(folder, f"{name}.json", content)
        assert again(read_folder(folder)).commands == (content["command"]["text"],)
        keep(folder, f"{name}.json", {**content, "command": None})
        assert again(read_folder(folder)).commands == ()


@pytest.mark.parametrize(("named", "said"), [
    ("/gone/run/bag", "/gone/run/bag is not there now; {}/bag has its name"),
    ("/gone/run_7.mcap", "/gone/run_7.mcap is not there now"),
    ("run/bag", None),
])  # fmt: skip
def test_a_bag_that_is_gone_or_moved_with_its_folder_is_said_to_be(folder, card, tmp_path, named, said):
    made = {**samples.made_by("x"), "folder": str(tmp_path)}
    keep(folder, "replay.json", samples.replay(card) | {"bag": named, "command": made})
    keep(folder, "ledger.json", samples.ledger(card) | {"source": named, "command": made})
    run = read_folder(folder)
    for again in (of_replay(run), of_ledger(run)):
        assert again.said == (f"in the folder {tmp_path}", *([said.format(folder)] if said else []))


# `vla eval`


TRIALS = ["--checkpoint", "expert", "--trials", "2", "--seed", "50003", "--time-limit", "1.0", "--noise", "0.00123456789",
          "--replan-steps", "3", "--perturb", "push=0.03", "--latency", "0.0512345678", "--jobs", "1"]  # fmt: skip


def test_the_trials_of_a_packet_are_run_again_and_give_its_rows(tmp_path, monkeypatch, capsys):
    slower = tmp_path / "my cell.yaml"
    text = CARD.read_text()
    assert text.count("tool_speed: 0.7") == 1
    slower.write_text(text.replace("tool_speed: 0.7", "tool_speed: 0.05"))
    monkeypatch.chdir(tmp_path)
    rows = {}
    for name, card in (("run", []), ("slower", ["--card", "my cell.yaml"])):
        assert main(["eval", *card, *TRIALS, "--out", name]) == 0
        run = read_folder(tmp_path / name)
        rows[name] = json.loads((tmp_path / name / "eval.json").read_text())["rows"]
        again = of_trials(run)
        assert again.commands == (shlex.join(["vla", "eval", *card, *TRIALS, "--out", name]),)
        assert again.said == (
            f"in the folder {tmp_path}", "the folder of --out keeps its trials: with another one they are run again",
        )  # fmt: skip
        capsys.readouterr()
        elsewhere = [f"{word} again" if word == name else word for word in shlex.split(again.commands[0])]
        assert main(elsewhere[1:]) == 0 and "were there already" not in capsys.readouterr().out
        assert json.loads((tmp_path / f"{name} again" / "eval.json").read_text())["rows"] == rows[name]
    assert len(rows["run"]) == 2 and rows["run"] != rows["slower"], "the two cards are told apart by their rows"
    assert "--card &#39;my cell.yaml&#39;" in make_report(tmp_path / "slower")


def test_a_card_or_checkpoint_that_is_another_one_now_is_named(tmp_path, monkeypatch):
    card = tmp_path / "cell.yaml"
    card.write_text(CARD.read_text())
    content = samples.trials({1: True})
    wanted = load_card(CARD).card_hash
    request = {**content["request"], "card": str(card)}

    def said(**changes) -> list[str]:
        keep(tmp_path, "eval.json", {**content, "request": {**request, **changes}})
        return [line for line in of_trials(read_folder(tmp_path)).said if "in the folder" not in line]

    assert said() == []
    card.write_text(CARD.read_text().replace("tool_speed: 0.7", "tool_speed: 0.05"))
    assert said() == [f"{card} is another card now; it was that of hash {wanted}"]
    card.write_text("arms: [")
    assert said() == [f"{card} is not there now; it was the card of hash {wanted}"]
    assert said(card="panda_tabletop") == [] and said(card="") == [f"the card was that of hash {wanted}"]
    file = tmp_path / "mine.safetensors"
    file.write_bytes(b"others")
    content["checkpoint"] = str(file)
    digest = "ab" * 32
    words = f"{file} is another checkpoint now; it was that of hash {digest}"
    assert said(card="panda_tabletop", checkpoint_hash=digest) == [words]


def test_trials_of_another_suite_are_said_to_be(tmp_path):
    assert re.fullmatch(r"[0-9][^+]*\+[0-9a-f]{16}", suite())
    content = samples.trials({1: True})
    mixed = {"0.0.1+abc": 3, suite(): 1}
    for name, counts, words in (
        ("0.0.1+abc", {}, ["the trials were run with suite 0.0.1+abc; "]),
        ("0.0.1+abc", mixed, [f"the trials were run with suite 0.0.1+abc, {suite()}; "]),
        (suite(), {suite(): 4}, []),
    ):
        keep(tmp_path, "eval.json", {**content, "request": {**content["request"], "suite": name}, "suites": counts})
        said = [line for line in of_trials(read_folder(tmp_path)).said if "suite" in line]
        assert len(said) == len(words) and all(line.startswith(word) for line, word in zip(said, words))
