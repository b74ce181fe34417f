"""Hostile bags, against `vla evidence`, `vla ledger`, `vla replay` and `vla card check --bag`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vla_bench.hostile.bag_contents import contents, notes
from vla_bench.hostile.bag_folders import folders, tables
from vla_bench.hostile.bag_records import packed, records, types
from vla_bench.hostile.case import KINDS, Build, Case
from vla_bench.hostile.runs import good

_VERBS = (
    ("evidence", "{bag}", "--out", "out"),
    ("ledger", "{bag}", "--json", "ledger.json"),
    ("replay", "{bag}", "--no-policy", "--no-controller", "--json", "replay.json"),
    ("card", "check", "panda_tabletop", "--bag", "{bag}"),
)
_FEW = (
    "a zstd chunk that says that it is small",
    "an lz4 chunk of two gigabytes",
    "nine chunks that overlap",
    "a metadata record of a terabyte",
    "a type that is a module of the folder",
    "a list of two thousand million points",
    "a robot that is an entity bomb",
    "metadata.yaml is a named pipe",
    "metadata.yaml: aliases of aliases",
    "metadata.yaml: a date that is none",
    "a file that unpacks to two gigabytes",
    "a message that unpacks to two gigabytes",
    "a view without end",
    "a column of a gigabyte",
    "escapes as the card's name",
    "an image of another type",
    "times at both ends of what a number holds",
    "a device for the checkpoint",
)


def cases() -> Iterator[Case]:
    """Each bag meets one of the verbs in turn, those of the few two of them, those of hostile messages all; and the report."""
    number, spoiled = 0, contents()
    groups = (
        (packed(), "bag.mcap"),
        (records(), "bag.mcap"),
        (types(), "bag.mcap"),
        (spoiled, "bag"),
        (notes(), "bag"),
        (folders(), "bag"),
        (tables(), "bag.db3"),
    )
    for made, bag in groups:
        of_messages = made is spoiled
        for what, build in made.items():
            few = what in _FEW
            for more in range(len(_VERBS) if of_messages else 2 if few else 1):
                verb = [part.format(bag=bag) for part in _VERBS[(number + more) % len(_VERBS)]]
                yield Case(f"bag: {what} ({verb[0]})", verb, build, few and (of_messages or not more), codes=(0, 1, 2))
            number += 1
            if bag == "bag":
                yield Case(f"bag: {what} (report)", ("report", "run"), _in_run(build), of_messages and few, codes=(0, 2))
    for what, make in KINDS.items():
        yield Case(
            f"bag: the file is {what}",
            ("ledger", "bag.mcap"),
            lambda at, make=make: make(at / "bag.mcap"),
            what == "a named pipe",
        )
    yield Case("bag: none at all", ("evidence", "nowhere"), lambda at: None)


def _in_run(build: Build) -> Build:
    """The bag in a run folder, whose only episode failed in it."""

    def made(at: Path) -> None:
        build(good(at))

    return made
