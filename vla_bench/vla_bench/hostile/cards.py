"""Hostile cards, against `vla card check`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import yaml

from vla_bench.hostile.case import KINDS, TEXTS, Case
from vla_contract.shipped import find_card


@cache
def good_text() -> str:
    """A card that is right."""
    return find_card("panda_tabletop").read_text(encoding="utf-8")


def good() -> dict:
    """The same, parsed, to be changed."""
    return yaml.safe_load(good_text())


def changed(**keys: object) -> str:
    """A card with other values: path of keys joined by "__"."""
    content = good()
    for path, value in keys.items():
        at: object = content
        *way, last = [int(key) if key.isdecimal() else key for key in path.split("__")]
        for key in way:
            at = at[key]
        at[last] = value
    return json.dumps(content)


def _aliases(levels: int, width: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    for level in range(1, levels):
        lines.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * width)}]")
    return "\n".join(lines)


def _merges(levels: int) -> str:
    lines = ["a0: &a0 {x: 1}"]
    for level in range(1, levels):
        lines.append(f"a{level}: &a{level} {{<<: [*a{level - 1}, *a{level - 1}], k{level}: 1}}")
    return "\n".join(lines)


BOMBS = {
    "aliases of aliases": _aliases(9, 9),
    "aliases of aliases, deeper": _aliases(24, 2),
    "merges of merges": _merges(24),
    "an alias that contains itself": "a: &a [*a]",
    "lists inside lists": "[" * 50_000,
    "closed lists inside lists": "[" * 3_000 + "]" * 3_000,
    "mappings inside mappings": "{a: " * 3_000 + "1" + "}" * 3_000,
    "dashes inside dashes": "- " * 5_000 + "x",
    "keys inside keys": "? " * 5_000 + "x",
    "a hundred thousand values": "a: [" + "1, " * 60_000 + "1]",
}
"""Small YAML that would be much, also for bags' metadata.yaml."""


def texts() -> dict[str, str]:
    """Cards of a text that is wrong, by what is wrong with it."""
    home = good()["arms"][0]["home"]
    many = {f"s{k}": [f"v{k}_{j}" for j in range(50)] for k in range(12)}
    wording = " ".join(f"{{s{k}}}" for k in range(12))
    return {
        **BOMBS,
        "an octal joint": good_text().replace("panda_joint1", "016"),
        "an octal number": changed(arms__0__home=home).replace(json.dumps(home[0]), "017", 1),
        "a number to the base of 60": changed(max_open_loop="@").replace('"@"', "1:30"),
        "a date that is none": changed(dataset__licence="@").replace('"@"', "2024-13-45"),
        "an object of Python": changed(name="@").replace('"@"', "!!python/object/apply:os.system ['touch pwned']"),
        "a truth that is none": changed(name="@").replace('"@"', "!!bool perhaps"),
        "bytes that are none": changed(name="@").replace('"@"', "!!binary 'ä'"),
        "a whole number of a megabyte": changed(action__horizon="@").replace('"@"', "0x" + "f" * 100_000),
        "a whole number of 5000 digits": changed(action__horizon="@").replace('"@"', "9" * 5_000),
        "a number beyond all": changed(max_open_loop="@").replace('"@"', "1.0e+99999"),
        "not a number": changed(max_open_loop="@").replace('"@"', ".nan"),
        "a key twice": good_text() + "\nname: again\n",
        "a list for a key": "? [a, b]\n: 1\n",
        "two documents": good_text() + "\n---\n" + good_text(),
        "lower above upper": changed(
            arms__0__limits__position_lower=[3.0] * 7, arms__0__limits__position_upper=[-3.0] * 7
        ),
        "five thousand joints": changed(arms__0__joints=[f"j{k}" for k in range(5_000)]),
        "five thousand columns": changed(action__names=[f"arm.c{k}" for k in range(5_000)]),
        "five thousand fields": changed(state__fields=[f"j{k}.position" for k in range(5_000)]),
        "sentences without end": changed(tasks__0__slots=many, tasks__0__wording=[wording]),
        "a sentence of a gigabyte": changed(tasks__0__slots={"x": ["a"]}, tasks__0__wording=["{x:>1000000000}"]),
        "a slot with an attribute": changed(tasks__0__slots={"x": ["a"]}, tasks__0__wording=["{x.__class__.__mro__}"]),
        "a slot with an index": changed(tasks__0__slots={"0": ["a"]}, tasks__0__wording=["{0}"]),
        "a slot left open": changed(tasks__0__wording=["{x"]),
        "a list": "[1, 2]",
        "a word": "card",
        "half a megabyte": good_text() + "#" * 600_000,
    }


BYTES = {
    "a byte-order mark of UTF-16": lambda: good_text().encode("utf-16"),
    "a byte-order mark of UTF-32": lambda: good_text().encode("utf-32"),
    "Latin letters": lambda: good_text().replace("description:", "description: ä #").encode("latin-1"),
}

_FEW = (
    "a named pipe",
    "a device without end",
    "aliases of aliases",
    "merges of merges",
    "lists inside lists",
    "an octal joint",
    "a date that is none",
    "sentences without end",
    "a byte-order mark of UTF-16",
    "escapes",
)


def cases() -> Iterator[Case]:
    """All of them."""
    argv = ("card", "check", "card.yaml")
    for what, make in KINDS.items():
        yield Case(f"card: {what}", argv, lambda at, make=make: make(at / "card.yaml"), what in _FEW)
    yield Case("card: /dev/zero itself", ("card", "check", "/dev/zero"), lambda at: None)
    for what, text in texts().items():
        codes = (0,) if what == "a date that is none" else (1, 2)  # text, like every date
        yield Case(f"card: {what}", argv, lambda at, text=text: _write(at, text), what in _FEW, codes)
    for what, data in BYTES.items():
        yield Case(f"card: {what}", argv, lambda at, data=data: (at / "card.yaml").write_bytes(data()), what in _FEW)
    mark = "\ufeff"
    yield Case("card: a byte-order mark of UTF-8", argv, lambda at: _write(at, mark + good_text()), codes=(0,))
    for what, text in TEXTS.items():
        for field in ("name", "description", "arms__0__name"):
            name = f"card: {what} as {field.rpartition('__')[2]}{' of an arm' if '__' in field else ''}"
            build = _with_text(field, text)
            yield Case(name, argv, build, what in _FEW and field == "name", codes=(0, 2))


def _with_text(field: str, text: str):
    return lambda at: _write(at, changed(**{field: text}))


def _write(at: Path, text: str) -> None:
    (at / "card.yaml").write_text(text, encoding="utf-8")
