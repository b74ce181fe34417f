"""Every `vla ...` line of all pages goes through the real parsers: no page names a command that is refused."""

import argparse
import re
import shlex
from pathlib import Path

import pytest

from vla_bringup import cli
from vla_contract.plugins import VERBS, load, registered
from vla_contract.shipped import find_launch_file, model_of_card, share
from vla_graph.launch import LaunchPlan, plan_launch
from vla_graph.launch.node_command import node_of
from vla_graph.verbs import up as cli_up

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("vla_*/**/README.md"))]
ROBOTS = ("fr3", "panda_tabletop", "ur5e", "wx250s")
# What stands for something of the reader's own, and something of ours that is like it. Numbers where an option takes one.
PLACEHOLDERS = {"FILE": "file", "DIR": "folder", "BAG": "bag", "CARD": "panda_tabletop", "TASK": "pick", "NAME": "regression",
                "KEY=VALUE": "hidden=64", "N": "7", "S": "7", "C": "panda_tabletop", "B": "bag", "NS": "left"}  # fmt: skip


def lines_of(page: Path) -> list[tuple[int, str]]:
    """Commands that stand in a block, each with its line; those that go on in the next line in one piece."""
    found: list[tuple[int, str]] = []
    fenced = False
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if line.startswith("```"):
            fenced = not fenced
        elif (fenced or line.startswith("    ")) and re.match(r"vla [a-z]", line.strip()):
            found.append((number, line.strip()))
    return found


def inline_of(page: Path) -> list[tuple[int, str]]:
    """Commands between backticks, outside of blocks; in a `$(vla ...)` both."""
    blocks = re.sub(r"^```.*?^```", lambda m: "\n" * m[0].count("\n"), page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [(blocks[: m.start()].count("\n") + 1, m[1]) for m in re.finditer(r"`(vla [^`]+)`", blocks)]


def words_of(text: str) -> list[str]:
    """The words of a command: without comments, what may be left out, and remarks behind more than two blanks."""
    text = re.sub(r'"\$\(vla [^)]*\)"', "words", re.sub(r"\s+#.*|\s+&$", "", text))
    if not re.search(r"\s{3,}(--|[a-z_]+:=)", text):
        text = re.sub(r"\s{3,}\S.*", "", text)
    text = re.sub(r"\s{6,}then.*", "", text)
    return [PLACEHOLDERS.get(word, word) for word in shlex.split(re.sub(r"[\[\]]", "", text).replace("\n", " "))]


def parser(verb: str) -> argparse.ArgumentParser:
    return cli.parser_of(verb, load(VERBS, verb))


def stand_ins(words: list[str], folder: Path) -> list[str]:
    """Launch arguments with files that exist in the place of the reader's; `...` stands for those of an arm."""
    shown = []
    for word in words:
        name, separator, value = word.partition(":=")
        if word == "...":
            shown += ["card:=ur5e", *(["policy:=false"] if not any(w.startswith("checkpoint:=") for w in words) else [])]
            continue
        suffix = Path(value).suffix
        if separator and (suffix in (".yaml", ".urdf", ".safetensors") or value in ("FILE", "...")):
            path = folder / (Path(value).name if suffix else f"{name}.safetensors")
            source = {".yaml": "cards/ur5e.yaml", ".urdf": "robots/ur5e.urdf"}.get(path.suffix)
            path.write_text((share("vla_bringup") / source).read_text() if source else "")
            value = str(path)
        if name == "record_to":
            value = str(folder / "bag")  # the one of the page may be there: somebody has followed it
        shown.append(f"{name}{separator}{value}")
    return shown


def check_up(words: list[str], folder: Path) -> LaunchPlan | None:
    """As `vla up` does, short of starting anything."""
    args = parser("up").parse_args(stand_ins(words, folder))
    path = find_launch_file(args.launch_file)
    if args.show_args:
        return None
    given = cli_up.values_of(args.assignments, path)
    plan = plan_launch(path, given)
    cli_up.check_inputs(plan.variables, given)
    cli_up.check_nodes(plan)
    assert plan.processes
    return plan


def cases(find) -> list:
    return [pytest.param(text, id=f"{page.relative_to(ROOT)}:{number}") for page in PAGES for number, text in find(page)]


@pytest.mark.parametrize("text", cases(lines_of))
def test_commands_in_blocks_are_taken(text, tmp_path, capsys):
    _, verb, *words = words_of(text)
    assert verb in registered(VERBS), text
    if verb == "up":
        check_up(words, tmp_path)
        return
    try:
        parser(verb).parse_args([word for word in words if word != "..."])
    except SystemExit as ended:  # of --help
        assert ended.code == 0


@pytest.mark.parametrize("text", cases(inline_of))
def test_verbs_and_options_between_backticks_exist(text, tmp_path, capsys):
    """Many name a verb or an option alone; a whole `vla up` is checked as in a block."""
    _, verb, *words = words_of(text)
    for name in verb.split("|"):
        assert name in registered(VERBS) or name == "VERB", text
    if verb == "up" and words and not text.endswith("..."):
        check_up(words, tmp_path)
        return
    known = known_options(parser(verb)) if verb in registered(VERBS) else set()
    for word in words:
        if word.startswith("--"):
            assert word.partition("=")[0] in known | {"--help"}, text


def known_options(options: argparse.ArgumentParser) -> set[str]:
    found: set[str] = set()
    for action in options._actions:
        found |= set(action.option_strings)
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                found |= known_options(below)
    return found


def test_the_pages_have_commands():
    assert len(cases(lines_of)) > 30 and len(cases(inline_of)) > 30


def test_what_is_to_be_stopped_on_the_way_home_does_not_begin_there(tmp_path):
    (line,) = (text for _, text in lines_of(ROOT / "docs" / "how-to" / "bring_up.md") if "mock:=true" in text)
    plan = check_up(words_of(line)[2:], tmp_path)
    (mock,) = (parameters for _, name, parameters in (node_of(p.command) for p in plan.processes) if name == "mock")
    assert mock["away"] >= 0.5, "else `vla home` has ended before anybody can type `vla stop`"


@pytest.mark.parametrize("robot", ROBOTS)
def test_the_mock_of_a_shipped_card_needs_no_more_than_the_card(robot, tmp_path):
    check_up(["real", f"card:={robot}", "policy:=false", "mock:=true"], tmp_path)
    card = share("vla_bringup") / "cards" / f"{robot}.yaml"
    assert model_of_card(card).name == f"{robot}.urdf" and model_of_card(card.resolve()) is not None
    own = tmp_path / card.name
    own.write_text(card.read_text())
    assert model_of_card(own) is None, "a copy may be another arm's"
