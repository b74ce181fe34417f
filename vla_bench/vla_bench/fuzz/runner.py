"""Many episodes over several processes, kept one by one so that a long run can be taken up again."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from vla_bench.fuzz.episode import CHUNKS, run_episode
from vla_bench.fuzz.link import SWITCHED
from vla_bench.fuzz.postures import POSTURES, run_posture_episode
from vla_bench.fuzz.result import Result
from vla_bench.fuzz.slip import slip
from vla_bench.fuzz.spoken import run_spoken_episode, speaks
from vla_bench.fuzz.violation import Found

TEST_CHUNKS = 2_000
BENCH_CHUNKS = 20_000
LONG_CHUNKS = 1_000_000
_VIOLATIONS_KEPT = 20  # of an episode, the worst of each kind first
_EPISODES_OF_A_SEED = 10_000_000  # seeds of episodes are counted from the run's seed times this


_ENDPOINT_EVERY = 25  # episodes that also go through the full endpoint
_SAME = 1e-9  # [rad] endpoint and sampler under the legacy rule


def through_endpoint(result: Result) -> dict[str, float]:
    """Adds to the findings where endpoint and sampler differ under the legacy rule; returns by how much they do."""
    differs = {"position_rad": 0.0, "velocity_rad_s": 0.0}
    for arm, executed, deliveries in zip(result.cell.card.arms, result.executed, result.deliveries):
        if any(part.trouble in SWITCHED for part in executed.parts):
            continue  # nobody told the endpoint
        for key, amount in slip(executed, deliveries, result.aheads, arm.joints).items():
            differs[key] = max(differs[key], amount)
    if result.cell.rule == "legacy" and not differs["position_rad"] <= _SAME:
        result.found.append(Found("sampler_differs", differs["position_rad"], 0, -1, "from the endpoint"))
    return differs


def row_of(result: Result) -> dict:
    """What is kept of an episode, as JSON takes it."""
    worst: dict[str, list] = {}
    for found in sorted(result.found, key=lambda f: -abs(f.amount)):
        worst.setdefault(found.kind, []).append(found)
    kept = [found for rank in range(_VIOLATIONS_KEPT) for kind in worst.values() for found in kind[rank : rank + 1]]
    cell = result.cell
    return {
        "seed": result.seed,
        "chunks": result.chunks,
        "accepted": result.accepted,
        "unreported": result.unreported,
        "violations": len(result.found),
        "kinds": dict(Counter(found.kind for found in result.found)),
        "found": [
            {"kind": f.kind, "amount": f.amount, "time_s": f.time_ns * 1e-9, "chunk": f.chunk, "detail": f.detail}
            for f in kept[:_VIOLATIONS_KEPT]
        ],
        "exceptions": result.exception_count,
        "tracebacks": result.exceptions,
        "verdicts": dict(result.verdicts),
        "space": cell.card.action.space,
        "rule": cell.rule,
        "strategy": result.strategy,
        "robot": cell.robot.name,
        "jitter": bool(cell.jitter_ns),
        "peaks": {kind: float(share) for kind, share in result.peaks.items()},
        "samples": result.samples,
        "anchors": result.anchors,
        "speaks": result.speaks,
        "link_troubles": result.link_troubles,
        "excused": result.excused,
        "overtaken": sum(executed.overtaken for executed in result.executed),
        "seconds": result.seconds,
        "planning_seconds": result.planning_seconds,
    }


def episode_seeds(seed: int, chunks: int, *, postures: bool = False) -> range:
    """Seeds of the episodes that make up a run of at least this many chunks."""
    count, first = -(-chunks // CHUNKS), seed * _EPISODES_OF_A_SEED + (POSTURES if postures else 0)
    return range(first, first + count)


def episode_of(seed: int) -> Result:
    """The episode of a seed, of whichever kind."""
    if seed >= POSTURES:
        return run_posture_episode(seed)
    return run_spoken_episode(seed) if speaks(seed) else run_episode(seed)


def measure(
    chunks: int, processes: int = 2, seed: int = 0, out: Path | None = None, progress: bool = True, *, postures: bool = False
) -> dict:
    """Runs episodes until at least this many chunks went through them, and adds them up.

    out: folder of ``fuzz_episodes.jsonl``, to which each episode's row is written as soon as it is done; rows of the same
    seed that are there already are not run again. postures: episodes whose joint states come in parts, and stamped wrong.
    Returns the figures of ``summary``.
    """
    seeds = episode_seeds(seed, chunks, postures=postures)
    path = None if out is None else Path(out) / "fuzz_episodes.jsonl"
    rows = _rows_of(path, seeds)
    begun = time.perf_counter()
    left = [s for s in seeds if s not in rows]
    with _Progress(len(seeds), len(rows), progress) as bar:
        for row in _run(left, processes):
            rows[row["seed"]] = row
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
            bar.advance(row)
    return {**summary([rows[s] for s in seeds]), "wall_seconds": round(time.perf_counter() - begun, 1)}


def summary(rows: list[dict]) -> dict:
    """Figures of a run from its episodes' rows.

    violations, exceptions and unreported are counts; acceptable_share is that of the chunks which were planned. failures
    names episodes to look at, each with its worst finding. peaks: the largest share of each limit that was ever used, and
    for collisions the least distance [m], negated. spoken: by whether trajectory controllers say where they are; link_troubles,
    excused: see ``Link`` and ``Leaps``. overtaken and endpoint: see ``slip``; not counted as violations.
    """
    total = sum(row["chunks"] for row in rows)
    seconds = sum(row["seconds"] for row in rows)
    peaks: dict[str, float] = {}
    for row in rows:
        for kind, share in row["peaks"].items():
            peaks[kind] = max(peaks.get(kind, -1e9), share)
    return {
        "chunks": total,
        "acceptable_share": sum(row["accepted"] for row in rows) / max(1, total),
        "violations": sum(row["violations"] for row in rows),
        "exceptions": sum(row["exceptions"] for row in rows),
        "unreported": sum(row["unreported"] for row in rows),
        "overtaken": sum(row["overtaken"] for row in rows),
        "episodes": len(rows),
        "samples": sum(row["samples"] for row in rows),
        "violations_by_kind": _added(rows, "kinds"),
        "verdicts": _added(rows, "verdicts"),
        "rules": _by(rows, "rule"),
        "spaces": _by(rows, "space"),
        "strategies": _by(rows, "strategy"),
        "spoken": _by([{**row, "spoken": "spoken" if row.get("speaks") else "mute"} for row in rows], "spoken"),
        "link_troubles": _added(rows, "link_troubles"),
        "excused": _added(rows, "excused"),
        "robots": _by(rows, "robot"),
        "peaks": {kind: round(share, 6) for kind, share in sorted(peaks.items())},
        "endpoint": _endpoint(rows),
        "seconds": round(seconds, 1),
        "planning_seconds": round(sum(row["planning_seconds"] for row in rows), 1),
        "chunks_per_s": round(total / max(seconds, 1e-9), 1),
        "failures": _failures(rows),
    }


def _added(rows: list[dict], key: str) -> dict[str, int]:
    counts: Counter = Counter()
    for row in rows:
        counts.update(row.get(key, {}))
    return dict(counts.most_common())


def _by(rows: list[dict], key: str) -> dict[str, dict]:
    table: dict[str, dict] = {}
    for row in rows:
        entry = table.setdefault(
            row[key], {"chunks": 0, "accepted": 0, "violations": 0, "exceptions": 0, "unreported": 0}
        )
        for name in entry:
            entry[name] += row[name]
    return dict(sorted(table.items()))


def _endpoint(rows: list[dict]) -> dict[str, dict]:
    """Largest distance of the full endpoint from the sampler, by rule; where messages were overtaken, apart."""
    table: dict[str, dict] = {}
    for row in rows:
        if row.get("endpoint") is None:
            continue
        name = f"{row['rule']}, messages overtaken" if row["overtaken"] else row["rule"]
        entry = table.setdefault(name, {"episodes": 0, "position_rad": 0.0, "velocity_rad_s": 0.0})
        entry["episodes"] += 1
        for key in ("position_rad", "velocity_rad_s"):
            entry[key] = max(entry[key], row["endpoint"][key])
    return dict(sorted(table.items()))


def _failures(rows: list[dict], most: int = 50) -> list[dict]:
    bad = [row for row in rows if row["violations"] or row["exceptions"] or row["unreported"]]
    return [
        {"seed": row["seed"], "kinds": row["kinds"], "worst": row["found"][:3], "tracebacks": row["tracebacks"][:1]}
        for row in bad[:most]
    ]


def _rows_of(path: Path | None, seeds: range) -> dict[int, dict]:
    """Rows of an earlier run; a line that was cut off is passed over."""
    rows: dict[int, dict] = {}
    if path is None or not path.exists():
        return rows
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        if row.get("seed") in seeds:
            rows[row["seed"]] = row
    return rows


def _work(seed: int) -> dict:
    gc.collect()
    gc.disable()  # an episode makes millions of objects and few cycles
    try:
        result = episode_of(seed)
    finally:
        gc.enable()
    differs = through_endpoint(result) if seed % _ENDPOINT_EVERY == 0 else None
    return {**row_of(result), "endpoint": differs}


def _run(seeds: list[int], processes: int) -> Iterator[dict]:
    if processes <= 1 or len(seeds) <= 1:
        yield from map(_work, seeds)
        return
    threads = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"  # read by the processes' own thread pools
    try:
        # Not forked: threads of PyTorch or a renderer in this process would leave their locks held for ever.
        with multiprocessing.get_context("spawn").Pool(processes, maxtasksperchild=200) as pool:
            yield from pool.imap_unordered(_work, seeds)
    finally:
        if threads is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = threads


class _Progress:
    """A bar with what was found so far."""

    def __init__(self, episodes: int, done: int, shown: bool) -> None:
        from tqdm import tqdm

        self._bar = tqdm(total=episodes, initial=done, unit="episode", disable=not shown)
        self._bad = 0

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_) -> None:
        self._bar.close()

    def advance(self, row: dict) -> None:
        self._bad += row["violations"] + row["exceptions"] + row["unreported"]
        self._bar.update()
        self._bar.set_postfix(found=self._bad)
