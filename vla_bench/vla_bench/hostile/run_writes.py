"""Links where a verb writes, and what `vla agree` and `vla eval` find in place of their own files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from vla_bench.hostile.case import KINDS, Build, Case, hole, victim, victim_folder
from vla_bench.hostile.mcap import folder as write_bag
from vla_bench.hostile.messages import good_run
from vla_bench.hostile.runs import DEEP, evaluation, good


def cases() -> Iterator[Case]:
    """All of them."""
    yield from writers()
    yield from _agreements()


def writers() -> Iterator[Case]:
    """Links where a verb writes: to a file of the user, or a folder of the user."""

    def link(at: Path, name: str, make: Build = victim, bag: bool = False) -> None:
        run = good(at)
        if bag:
            write_bag(at, list(good_run()))
        path = run / name
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        make(path)

    def case(
        name: str, argv: tuple[str, ...], file: str, few: bool = False, codes: tuple[int, ...] = (0, 2), **more
    ) -> Case:
        return Case(f"write: {name}", argv, lambda at: link(at, file, **more), few, codes)

    report, label = ("report", "run"), ("label", "run", "1", "success", "--note", "\x1b[31mx")
    yield case("report.html is a link", report, "report.html", True)
    yield case("the report's old draft is a link", report, ".report.html.new", True)
    yield case("report.html is a link to a folder", report, "report.html", make=victim_folder)
    yield case("report.html is a named pipe", report, "report.html", make=os.mkfifo)
    yield case("labels.jsonl is a link", label, "labels.jsonl", True)
    yield case("labels.jsonl is a hard link", label, "labels.jsonl", True, make=_hard_link)
    yield case("labels.jsonl is a named pipe", label, "labels.jsonl", True, make=os.mkfifo)
    yield case("labels.jsonl is a device", label, "labels.jsonl", make=lambda path: path.symlink_to("/dev/full"))
    for name in (
        "episodes.jsonl",
        ".episodes.jsonl.new",
        "episodes.parquet",
        ".episodes.parquet.new",
        "evidence.json",
        "inferences.jsonl",
    ):
        yield case(
            f"{name} is a link", ("evidence", "bag", "--out", "run"), name, name == ".episodes.jsonl.new", bag=True
        )
    yield case("ledger.json is a link", ("ledger", "bag", "--json", "run/ledger.json"), "ledger.json", True, bag=True)
    yield case("the chart is a link", ("ledger", "bag", "--chart", "run/chart.png"), "chart.png", bag=True)
    words = ("card", "check", "panda_tabletop", "--bag", "bag", "--json", "run/preflight.json")
    yield case("preflight.json is a link", words, "preflight.json", codes=(0, 1, 2), bag=True)
    yield case(
        "replay.json is a link",
        ("replay", "bag", "--no-policy", "--no-controller", "--out", "run"),
        "replay.json",
        codes=(0, 1, 2),
        bag=True,
    )
    trials = ("eval", "--checkpoint", "expert", "--trials", "1", "--jobs", "1", "--out", "run")
    yield case("trials.jsonl is a link", trials, "trials.jsonl", True, codes=(2,))
    yield case("trials.jsonl is a named pipe", trials, "trials.jsonl", codes=(2,), make=os.mkfifo)
    yield case("trials.jsonl is a hole", trials, "trials.jsonl", codes=(2,), make=hole)
    yield case(
        "trials.jsonl is nested without end",
        trials,
        "trials.jsonl",
        codes=(2,),
        make=lambda path: path.write_text(DEEP + "\n"),
    )
    yield case(
        "trials.jsonl is of lists", trials, "trials.jsonl", codes=(2,), make=lambda path: path.write_text("[]\n[]\n")
    )
    yield Case(
        "write: bag/ is a link to the root",
        ("report", "run"),
        lambda at: (good(at) / "bag").symlink_to("/"),
        True,
        codes=(0, 2),
    )
    yield Case("write: a bag with a hole", ("report", "run"), _hole_in_bag, codes=(0, 2))


def _hard_link(path: Path) -> None:
    victim(path)
    there = path.resolve()
    path.unlink()
    os.link(there, path)


def _hole_in_bag(at: Path) -> None:
    run = good(at)
    (run / "bag").mkdir()
    hole(run / "bag" / "x.mcap", head=b"\x89MCAP0\r\n")


def _agreements() -> Iterator[Case]:
    def two(at: Path, content: object) -> None:
        for name in "ab":
            (at / f"{name}.json").write_text(content if isinstance(content, str) else json.dumps(content))

    argv = ("agree", "a.json", "b.json")
    for what, content in {
        "nested without end": DEEP,
        "a list": [],
        "rows of nothing": {"rows": [{}]},
        "texts": evaluation(policy="\x1b[31mx", setup="\u202ex"),
        "seeds that are lists": evaluation(rows=[{"task": "pick", "seed": [1], "success": True}]),
        "successes that are words": evaluation(
            rows=[{"task": "pick", "seed": 1, "success": "yes"}, {"task": "pick", "seed": 2, "success": None}]
        ),
    }.items():
        yield Case(f"agree: {what}", argv, lambda at, content=content: two(at, content), what == "nested without end")
    for what, make in KINDS.items():
        yield Case(f"agree: {what}", argv, lambda at, make=make: make(at / "a.json"), codes=(2,))
