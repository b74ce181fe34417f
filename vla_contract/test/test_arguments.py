"""Types of command-line arguments: bounds hold for what is no number, too."""

import argparse

import pytest

from vla_contract.arguments import ArgumentMistake, Parser, number, whole


@pytest.mark.parametrize(("kind", "text", "value"), [
    (whole(0), "0", 0), (whole(1, 100), "100", 100), (number(0), "1e3", 1000.0), (number(0, 1), "1", 1.0),
    (number(0, above=True), "1e-9", 1e-9), (whole(-3), "-3", -3),
])  # fmt: skip
def test_what_is_allowed(kind, text, value):
    assert kind(text) == value and type(kind(text)) is type(value)


@pytest.mark.parametrize(("kind", "text", "told"), [
    (whole(0), "-1", "is -1, allowed is 0 or more"),
    (whole(1, 100), "101", "is 101, allowed is 1 to 100"),
    (whole(1), "1.0", "is '1.0', no whole number; allowed is 1 or more"),
    (whole(1), "9" * 5000, "no whole number"),
    (number(0), "inf", "is inf, allowed is 0 or more"),
    (number(0), "nan", "is nan, allowed is 0 or more"),
    (number(0, above=True), "0", "is 0, allowed is above 0"),
    (number(0, 1, above=True), "0", "is 0, allowed is above 0, up to 1"),
    (number(0, 2.5, unit="s"), "x", r"is 'x', no number; allowed is 0 to 2.5 \[s\]"),
])  # fmt: skip
def test_what_is_not(kind, text, told):
    with pytest.raises(argparse.ArgumentTypeError, match=told):
        kind(text)


def test_a_mistake_is_one_line_whatever_was_written(capsys):
    parser = Parser(prog="vla verb")
    parser.add_argument("--many", type=whole(1))
    parser.add_argument("--kind", choices=("a", "b"))
    for words, told in (
        (["--many", "0"], "--many is 0, allowed is 1 or more; see vla verb --help"),
        (["--many"], "--many: expected one argument; see vla verb --help"),
        (["x\ny"], r"unrecognized arguments: x\\ny; see vla verb --help"),
        (["--kind", "c\n"], r"--kind: invalid choice: 'c\\n' .*; see vla verb --help"),
    ):
        with pytest.raises(ArgumentMistake, match=f"^{told}$"):
            parser.parse_args(words)
    assert capsys.readouterr() == ("", "")
