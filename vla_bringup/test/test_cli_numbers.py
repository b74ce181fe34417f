"""Numbers that a verb cannot work with, and every other mistake in its words, are told in one line, before anything starts."""

import argparse

import pytest

from vla_bringup import cli
from vla_contract.plugins import VERBS, load, registered


@pytest.mark.parametrize(("words", "expected"), [
    (["demos", "--jobs", "0"], "--jobs is 0, allowed is 1 or more"),
    (["demos", "--episodes", "-3"], "--episodes is -3, allowed is 1 or more"),
    (["demos", "--episodes", "0"], "--episodes is 0, allowed is 1 or more"),
    (["demos", "--seed", "-1"], "--seed is -1, allowed is 0 or more"),
    (["demos", "--disturbance", "nan"], "--disturbance is nan, allowed is 0 or more"),
    (["demos", "--expert-share", "1.5"], "--expert-share is 1.5, allowed is 0 to 1"),
    (["bench", "--trials", "0"], "--trials is 0, allowed is 1 or more"),
])  # fmt: skip
def test_a_number_that_is_not_allowed(words, expected, tmp_path, capsys):
    out = tmp_path / "out"
    assert cli.main([*words, "--out", str(out)]) == cli.USER_ERROR
    assert capsys.readouterr().err == f"vla {words[0]}: error: {expected}; see vla {words[0]} --help\n" and not out.exists()


@pytest.mark.parametrize(("words", "expected"), [
    (["record", "--min-free", "-5"], "--min-free is -5, allowed is 0 or more"),
    (["record", "--jpeg-quality", "0"], "--jpeg-quality is 0, allowed is 1 to 100"),
    (["record", "--duration", "nan"], "--duration is nan, allowed is 0 or more [s]"),
    (["up", "sim", "--patience", "inf"], "--patience is inf, allowed is 0 or more [s]"),
    (["evidence", "bag", "--time-limit", "0"], "--time-limit is 0, allowed is above 0 [s]"),
    (["ledger", "bag", "--replan-steps", "0"], "--replan-steps is 0, allowed is 1 or more"),
    (["replay", "bag", "--threads", "0"], "--threads is 0, allowed is 1 or more"),
    (["replay", "bag", "--rate", "nan"], "--rate is nan, allowed is 0.01 to 100"),
    (["fuzz", "--processes", "0"], "--processes is 0, allowed is 1 or more"),
    (["hostile", "--jobs", "-1"], "--jobs is -1, allowed is 1 or more"),
    (["demo", "--trials", "0"], "--trials is 0, allowed is 1 or more"),
    (["reset", "pick", "--seed", "18446744073709551616"], "--seed is 18446744073709551616, allowed is 0 to 18446744073709551615"),
    (["run", "pick", "--time-limit", "-1"], "--time-limit is -1, allowed is 0 to 86400 [s]"),
    (["train", "--minutes", "nan"], "--minutes is nan, allowed is above 0 [min]"),
    (["train", "--batch", "0"], "--batch is 0, allowed is 1 or more"),
    (["train", "--learning-rate", "-1"], "--learning-rate is -1, allowed is above 0"),
    (["train", "--shift", "-2"], "--shift is -2, allowed is 0 to 111"),
    (["train", "--threads", "0"], "--processes/--threads is 0, allowed is 1 or more"),
    (["report", "run", "--max-frames", "many"], "--max-frames is 'many', no whole number; allowed is 0 or more"),
])  # fmt: skip
def test_a_number_is_judged_with_the_words_of_the_call(words, expected, capsys):
    assert cli.main(words) == cli.USER_ERROR
    assert capsys.readouterr().err == f"vla {words[0]}: error: {expected}; see vla {words[0]} --help\n"


@pytest.mark.parametrize(("words", "told"), [
    (["record", "--imags", "jpeg"], "vla record: error: unrecognized arguments: --imags jpeg; see vla record --help\n"),
    (["stop", "a\nb\x1b[31m"], "vla stop: error: unrecognized arguments: a\\nb\\x1b[31m; see vla stop --help\n"),
    (["report"], "vla report: error: the following arguments are required: DIR; see vla report --help\n"),
    (["card", "check"], "vla card: error: the following arguments are required: file; see vla card check --help\n"),
])  # fmt: skip
def test_a_mistake_in_the_words_is_one_line(words, told, capsys):
    assert cli.main(words) == cli.USER_ERROR
    assert capsys.readouterr() == ("", told)


@pytest.mark.parametrize("verb", sorted(registered(VERBS)))
def test_every_verb_tells_an_unknown_option_in_one_line(verb, capsys):
    assert cli.main([verb, "--no-such-option"]) == cli.USER_ERROR
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.count("\n") == 1 and shown.err.startswith(f"vla {verb}: error: "), shown
    assert "; see vla " in shown.err and shown.err.endswith(" --help\n")


JUDGED_WHERE_THEY_ARE_USED = {
    "eval": {"--seed", "--noise", "--latency", "--time-limit"},
    "card check": {"--seconds"},
}
"""By tests of their own: what is allowed depends on other options or on the card."""


def _bare_numbers(parser: argparse.ArgumentParser) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                found |= _bare_numbers(inner)
        elif action.type in (int, float):
            found.setdefault(parser.prog.removeprefix("vla "), set()).add(action.option_strings[0])
    return found


def test_every_number_of_a_verb_has_bounds():
    found: dict[str, set[str]] = {}
    for verb in registered(VERBS):
        found |= _bare_numbers(cli.parser_of(verb, load(VERBS, verb)))
    assert found == JUDGED_WHERE_THEY_ARE_USED
