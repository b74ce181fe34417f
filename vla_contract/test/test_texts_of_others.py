"""YAML and JSON that others wrote: counted before they are made, and numbers told that are not what they look like."""

import contextlib
import json

import pytest

from vla_contract.card import CardError, parse_card
from vla_contract.evidence import EvidenceError, read_rows
from vla_contract.files.json_text import JsonError, parse_json
from vla_contract.files.limits import MIB
from vla_contract.files.yaml_text import YamlError, check_yaml, parse_yaml
from vla_contract.shipped import find_card


def test_json_is_no_deeper_than_what_walks_through_it():
    assert parse_json("[" * 64 + "]" * 64) is not None
    for text in ("[" * 65 + "]" * 65, "[" * 100_000 + "]" * 100_000, '{"a":' * 70 + "1" + "}" * 70):
        with pytest.raises(JsonError, match="nested more than 64 deep"):
            parse_json(text)
    assert parse_json(json.dumps([[1]] * 1000)) == [[1]] * 1000
    for text in ("{", "9" * 5000, b"\xff"):
        with pytest.raises(JsonError, match="not JSON"):
            parse_json(text)


def test_yaml_is_counted_before_it_is_made():
    bomb = "a0: &a0 [x, x]\n" + "\n".join(f"a{k}: &a{k} [*a{k - 1}, *a{k - 1}]" for k in range(1, 40))
    merges = "a0: &a0 {x: 1}\n" + "\n".join(f"a{k}: &a{k} {{<<: [*a{k - 1}, *a{k - 1}]}}" for k in range(1, 40))
    for text, words in (
        (bomb, "line 1[67]: more than 200000 values, those of aliases counted"),
        (merges, "more than 200000 values"),
        ("a: &a [*a]", r"line 1: \*a contains itself"),
        ("- " * 40 + "x", "line 1: nested more than 32 deep"),
        ("[" * 90_000, "not YAML|nested"),
        ("a: 2024-13-45", "a value cannot be read .ValueError: month"),
        ("a: !!bool perhaps", "a value cannot be read"),
        ("a: !!python/object/apply:os.getcwd []", "not YAML"),
    ):
        with pytest.raises(YamlError, match=words):
            parse_yaml(text)
    check_yaml("base: &b {x: 1}\nmore: {<<: *b, y: [*b, *b]}")
    assert parse_yaml("a: &a 1\nb: [*a, *a]") == {"a": 1, "b": [1, 1]}


def card_with(old: str, new: str) -> str:
    text = find_card("panda_tabletop").read_text()
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("joints: [016]", "line 1: 016 is octal for YAML, 14; write 16 for the number, or '016' in quotes for text"),
        ("home: [-0_17]", "-0_17 is octal for YAML, -15; write 17"),
        ("max_open_loop: 1:30", "1:30 is a number to the base of 60 for YAML"),
        ("max_open_loop: 1:30.5", "1:30.5 is a number to the base of 60"),
        ("horizon: 0x" + "f" * 90_000, "line 1: a number of 90002 digits"),
    ],
)
def test_numbers_that_are_not_what_they_look_like_are_told(text, words):
    with pytest.raises(CardError) as caught:
        parse_card(text, "c.yaml")
    assert f"c.yaml: {'line 1: ' if 'line' not in words else ''}{words}" in str(caught.value)


def test_numbers_that_are_what_they_look_like_and_dates_are_read():
    card = parse_card(card_with("description:", "description: 2024-02-30 #"))
    assert card.description == "2024-02-30"
    assert parse_card(card_with("horizon: 16", "horizon: 0x10")).action.horizon == 16


@pytest.mark.parametrize(
    ("wording", "slots", "words"),
    [
        (["{x:>1000000000}"], {"x": ["a"]}, "holds more than a name"),
        (["{x.__class__}"], {"x": ["a"]}, "holds more than a name"),
        (["{x!r}"], {"x": ["a"]}, "holds more than a name"),
        (["{0}"], {"0": ["a"]}, "holds more than a name"),
        (["{}"], {"x": ["a"]}, "has no name"),
        (
            [" ".join(f"{{s{k}}}" for k in range(12))],
            {f"s{k}": [f"v{k}{j}" for j in range(9)] for k in range(12)},
            "makes more than 10000 sentences",
        ),
    ],
)
def test_wordings_stand_for_a_bounded_number_of_sentences(card, wording, slots, words):
    content = card.to_dict()
    content["tasks"][0] |= {"wording": wording, "slots": slots}
    with pytest.raises(CardError, match=words):
        parse_card(content, "c.yaml")


def test_a_card_has_a_bounded_number_of_parts(card):
    content = card.to_dict()
    content["action"]["names"] = [f"arm.c{k}" for k in range(2000)]
    with pytest.raises(CardError, match="2000 values given, at most 1024 needed"):
        parse_card(content)
    content = card.to_dict()
    content["state"]["fields"] = [f"nobody{k}.position" for k in range(500)]
    with pytest.raises(CardError) as caught:
        parse_card(content)
    assert len(caught.value.problems) == 100
    with pytest.raises(CardError, match="a card has at most"):
        parse_card("#" * 300_000)


def test_a_line_is_no_longer_than_any_row(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n{"b": "' + b"x" * (2 * MIB) + b'"}\n')
    with pytest.raises(EvidenceError, match="rows.jsonl: line 2: longer than 1 MiB"):
        list(read_rows(path))
    begin, end = b'{"b": "', b'"}\n'
    for length, allowed in ((MIB, True), (MIB + 1, False)):
        path.write_bytes(begin + b"x" * (length - len(begin + end)) + end)
        with contextlib.nullcontext() if allowed else pytest.raises(EvidenceError, match="line 1: longer than 1 MiB"):
            assert len(list(read_rows(path))) == 1
    path.write_text('{"a": ' + "[" * 70 + "]" * 70 + "}\n")
    with pytest.raises(EvidenceError, match="rows.jsonl: line 1: nested more than 64 deep"):
        list(read_rows(path))
