"""Hostile run folders, against `vla report`, `vla label`, `vla agree` and the verbs that write into them."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from vla_bench.hostile.case import KINDS, TEXTS, Case, hole, noise
from vla_bench.hostile.messages import RUN
from vla_evidence.rows.row_files import write_rows
from vla_evidence.rows.rows import EpisodeRow, InferenceRow

Build = Callable[[Path], None]
DEEP = "[" * 100_000 + "]" * 100_000
WIDE = '{"a":' * 5_000 + "1" + "}" * 5_000


def episode(number: int = 1, **changes: object) -> EpisodeRow:
    """A failure with a first bad action."""
    row = EpisodeRow(
        run_id=RUN if number == 1 else f"{number:032x}",
        episode=number,
        task="pick",
        seed=50_000 + number,
        instruction="pick up the red block",
        policy="native",
        outcome="FAILURE",
        outcome_source="SIM",
        label="MISSED_GRASP",
        first_bad_sequence=0,
        first_bad_stamp_ns=1_700_000_000_200_000_000,
        start_ns=1_700_000_000_000_000_000,
        end_ns=1_700_000_004_000_000_000,
        steps_executed=10,
        steps_clamped=2,
        clamped_share=0.2,
        checkpoint_hash="ab" * 32,
    )
    return replace(row, **changes)


def inference(**changes: object) -> InferenceRow:
    """The first bad action."""
    clamp = {"step": 2, "limit": "velocity panda_joint4", "amount": 0.5}
    row = InferenceRow(
        run_id=RUN,
        episode=1,
        sequence=0,
        stamp_ns=1_700_000_000_100_000_000,
        verdict="ACCEPTED",
        steps_executed=4,
        steps_clamped=1,
        clamps=(clamp,),
        bad=True,
        label="MISSED_GRASP",
        message="beyond",
    )
    return replace(row, **changes)


def good(at: Path, rows: list[EpisodeRow] | None = None, inferences: list[InferenceRow] | None = None) -> Path:
    """A run folder in which nothing is wrong."""
    run = at / "run"
    run.mkdir()
    write_rows(run / "episodes.jsonl", rows or [episode(), episode(2, outcome="SUCCESS", label="")])
    write_rows(run / "inferences.jsonl", inferences or [inference()])
    return run


def evaluation(**changes: object) -> dict:
    """Content of eval.json: three trials of the expert."""
    return {**json.loads(_evaluation()), **changes}


@cache
def _evaluation() -> str:
    from vla_contract.shipped import find_card
    from vla_trials.trials.request import EvalRequest
    from vla_trials.trials.result import TrialResult
    from vla_trials.trials.scores import summarise

    request = EvalRequest(str(find_card("panda_tabletop")), "expert", ("pick",), (50_000, 50_001, 50_002))
    results = [
        TrialResult(
            task="pick",
            seed=seed,
            instruction="pick up the red block",
            success=seed % 2 == 0,
            seconds=4.0,
            virtual_seconds=5.0,
            first_touched="",
            target="red block",
            chunks=12,
            steps_executed=50,
            steps_clamped=0,
        )
        for seed in request.seeds
    ]
    figures = summarise(request, results, busy=20.0, wall=10.0, jobs=2)
    more = {"engine": "process", "resumed": 0, "request": request.identity(), "suites": {}, "without_inferences": None}
    return json.dumps({**figures, **more})


def png(width: int, height: int, *, data: bytes | None = None, extra: bytes = b"") -> bytes:
    """A PNG that says that it has this size, grey, with these compressed rows."""

    def part(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = part(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    rows = zlib.compress(bytes((width + 1) * height)) if data is None else data
    return b"\x89PNG\r\n\x1a\n" + head + extra + part(b"IDAT", rows) + part(b"IEND", b"")


def _rows() -> dict[str, Build]:
    def line(name: str, text: str | bytes) -> Build:
        def build(at: Path) -> None:
            run = good(at)
            (run / name).write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))

        return build

    def field(**changes: object) -> Build:
        row = json.dumps({**episode().as_row(), **changes})
        return line("episodes.jsonl", row + "\n")

    def of_inference(**changes: object) -> Build:
        return line("inferences.jsonl", json.dumps({**inference().as_row(), **changes}) + "\n")

    def instead(name: str, make: Build) -> Build:
        def build(at: Path) -> None:
            run = good(at)
            (run / name).unlink(missing_ok=True)
            make(run / name)

        return build

    names = ("episodes.jsonl", "inferences.jsonl", "labels.jsonl", "eval.json", "ledger.json")
    made = {
        f"{names[k % len(names)]} is {what}": instead(names[k % len(names)], make)
        for k, (what, make) in enumerate(KINDS.items())
    }
    made |= {
        f"labels.jsonl is {what}": instead("labels.jsonl", KINDS[what])
        for what in ("a named pipe", "a device without end")
    }
    made |= {
        "a row nested without end": line("episodes.jsonl", DEEP + "\n"),
        "a row of mappings without end": line("inferences.jsonl", WIDE + "\n"),
        "a line of forty megabytes": line("episodes.jsonl", b'{"run_id": "' + b"a" * (40 << 20) + b'"}\n'),
        "a number of 4000 digits": line(
            "episodes.jsonl", json.dumps(episode().as_row()).replace('"episode": 1', '"episode": ' + "9" * 4_000) + "\n"
        ),
        "a date of the year 10^20": field(first_bad_stamp_ns=10**30),
        "a date at the end of what a number holds": field(first_bad_stamp_ns=2**63 - 1, start_ns=0, end_ns=2**63 - 1),
        "a date before all": field(start_ns=-(2**63), end_ns=-(2**63)),
        "a number without end": line(
            "episodes.jsonl", json.dumps(episode().as_row()).replace('"seconds": 0.0', '"seconds": 1e999') + "\n"
        ),
        "clamps of words": of_inference(clamps=[{"step": "x", "limit": ["a"], "amount": "far"}]),
        "clamps of nothing": of_inference(clamps=[{}, {"amount": None}]),
        "clamps that are no mappings": of_inference(clamps=[1, "x", None]),
        "no UTF-8": line("episodes.jsonl", b'{"run_id": "\xff\xfe"}\n'),
        "a mark of UTF-16": line("ledger.json", "{}".encode("utf-16")),
        "figures nested without end": line("ledger.json", DEEP),
        "figures of a hole": lambda at: hole(good(at) / "replay.json"),
    }
    for what, text in TEXTS.items():
        texts = dict.fromkeys(
            ("instruction", "task", "perturbation", "policy", "target", "first_touched", "checkpoint"), text
        )
        made[f"{what} for every text"] = field(**texts)
        made[f"{what} for the controller's words"] = of_inference(
            message=text, clamps=[{"step": 1, "limit": text, "amount": 1.0}]
        )
        note = {
            "run_id": RUN,
            "outcome": "FAILURE",
            "label": "",
            "note": text,
            "by": text,
            "stamp_ns": 1,
            "command": None,
        }
        made[f"{what} for the operator's words"] = line("labels.jsonl", json.dumps(note) + "\n")
    return made


def _figures() -> dict[str, Build]:
    def build(at: Path, content: dict) -> None:
        run = at / "run"
        run.mkdir()
        (run / "eval.json").write_text(json.dumps(content))

    made = {}
    for key, value in (
        ("rows", DEEP),
        ("policy", 10**40),
        ("request", None),
        ("rows", [None]),
        ("rows", [{}]),
        ("seconds", {}),
        ("per_task", []),
    ):
        made[f"eval.json: {key} is {str(value)[:12]}"] = lambda at, c={key: value}: build(at, evaluation(**c))
    for what in ("escapes", "a script", "directional marks"):
        texts = {"policy": TEXTS[what], "setup": TEXTS[what], "checkpoint": TEXTS[what]}
        made[f"eval.json: {what}"] = lambda at, texts=texts: build(at, evaluation(**texts))
    for what, path in (("a device", "/dev/zero"), ("a folder", "/"), ("a name with escapes", "\x1b[31mcard")):
        request = {**evaluation()["request"], "card": path, "checkpoint_hash": "00"}
        made[f"eval.json: {what} for the card"] = lambda at, c={"request": request, "checkpoint": path}: build(
            at, evaluation(**c)
        )
    return made


def _images() -> dict[str, Build]:
    def build(at: Path, data: bytes | Build) -> None:
        (good(at) / "frames").mkdir()
        path = at / "run" / "frames" / "episode_1_front.png"
        path.write_bytes(data) if isinstance(data, bytes) else data(path)

    text = struct.pack(">I", 0)
    bomb = b"x\0\0" + zlib.compress(bytes(200 << 20), 1)
    chunk = struct.pack(">I", len(bomb)) + b"zTXt" + bomb + struct.pack(">I", zlib.crc32(b"zTXt" + bomb))
    jpeg = b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 17, 8, 65500, 65500, 3) + bytes(9) + b"\xff\xd9"
    made: dict[str, bytes | Build] = {
        "an image of 60000 x 60000": png(60_000, 60_000, data=zlib.compress(bytes(1 << 16))),
        "an image of 2^31 columns": png(2**31 - 1, 1, data=text),
        "an image of no rows": png(10, 0, data=zlib.compress(b"")),
        "an image cut short": png(64, 64)[:60],
        "an image with a text of 200 MB": png(8, 8, extra=chunk),
        "a photograph of 65500 x 65500": jpeg,
        "a photograph of nothing": b"\xff\xd8\xff" + b"\xff" * 5000,
        "a drawing for an image": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
        "a film for an image": b"GIF89a" + noise(500),
        **{f"an image that is {what}": make for what, make in KINDS.items()},
    }
    return {what: lambda at, data=data: build(at, data) for what, data in made.items()}


def _tables() -> dict[str, Build]:
    def build(at: Path, write: Build) -> None:
        run = good(at)
        (run / "episodes.jsonl").unlink()
        write(run / "episodes.parquet")

    long = pa.array(["x" * (20 << 20)])
    many = pa.array([0] * 100_000, pa.int32())

    def billion(path: Path) -> None:
        rows = pa.table(
            {"episode": pa.DictionaryArray.from_arrays(pa.array([0] * 4_000_000, pa.int8()), pa.array([1], pa.int64()))}
        )
        with pq.ParquetWriter(path, rows.schema, compression="zstd") as writer:
            for _ in range(40):
                writer.write_table(rows)

    made: dict[str, Build] = {
        "a table of 160 million rows": billion,
        "a table of a long text in many rows": lambda path: pq.write_table(
            pa.table({"run_id": pa.DictionaryArray.from_arrays(many, long)}), path, compression="zstd"
        ),
        "a table of a long list": lambda path: pq.write_table(
            pa.table(
                {
                    "cameras": pa.ListArray.from_arrays(
                        pa.array([0, 100_000], pa.int32()), pa.DictionaryArray.from_arrays(many, long)
                    )
                }
            ),
            path,
            compression="zstd",
        ),
        "a table of nonsense": lambda path: path.write_bytes(b"PAR1" + noise(900) + b"PAR1"),
        "a table without rows": lambda path: pq.write_table(pa.table({"x": pa.array([], pa.int64())}), path),
    }
    return {what: lambda at, write=write: build(at, write) for what, write in made.items()}


_FEW = (
    "a row nested without end",
    "a line of forty megabytes",
    "a date of the year 10^20",
    "clamps of words",
    "an image of 60000 x 60000",
    "an image with a text of 200 MB",
    "a table of 160 million rows",
    "a table of a long text in many rows",
    "escapes for every text",
    "a script for the operator's words",
    "half of a pair for every text",
    "labels.jsonl is a named pipe",
)


def cases() -> Iterator[Case]:
    """All of them: most by the report; texts by `vla label --list`, too."""
    for made in (_rows(), _figures(), _images(), _tables()):
        for what, build in made.items():
            argv = ("label", "run", "--list") if "for every text" in what else ("report", "run")
            yield Case(f"run: {what} ({argv[0]})", argv, build, what in _FEW, codes=(0, 2))
            if argv[0] == "label":
                yield Case(
                    f"run: {what} (report)", ("report", "run"), build, what == "a script for every text", codes=(0, 2)
                )
