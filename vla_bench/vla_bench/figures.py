"""The figures of docs/figures.md, written from what was measured: never by hand. The five of the README: `headline.py`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

BEGIN, END = "<!-- figures:begin -->", "<!-- figures:end -->"
KEPT = Path("docs/figures")
"""Folder, below that of the README, in which `vla bench` keeps what takes hours."""
TASK_WORDS = {
    "pick": "pick up the named block",
    "place_in_bowl": "put the named block in the bowl",
    "cup_on_coaster": "put the cup on the coaster",
    "stack": "stack one named block on another",
}
PACKED = "jpeg, quality 90"
"""Of the ways to keep images, the one that the page shows, with noise as real cameras have it."""

PARTS = {
    "policy": "policy", "sim": "sim", "graph": "graph",
    "fuzz": "fuzz", "fuzz_long": "fuzz --long", "self_collision": "self_collision", "cost": "cost", "seam": "seam",
    "clean_changed_share": "clean", "faults": "faults", "stop_ms": "faults",
    "ledger_share": "ledger", "chunks": "ledger", "identity_ns": "ledger", "kills": "kills", "lost": "kills",
    "packing": "packing",
    "preflight": "preflight", "replay": "replay", "eval": "trials",
}  # fmt: skip
"""Which part of `vla bench` measures what stands under a key of its results."""


class FiguresError(ValueError):
    """A measurement is missing, or the text has no place for it. The message says which, and the command that makes it."""


class Figures(dict):
    """An object of a file of results. A key that it lacks is a FiguresError with file, key and the command that measures it.

    Args:
        path: The file.
        command: Tells which command measures what stands under these keys.
        keys: Those down to here.
    """

    def __init__(self, values: dict, path: Path, command: Callable[[tuple[str, ...]], str], keys: tuple[str, ...] = ()) -> None:
        super().__init__(values)
        self._path, self._command, self._keys = path, command, keys

    def __missing__(self, key: str) -> object:
        raise self._error(f"no {'.'.join((*self._keys, key))}", key)

    def part(self, key: str) -> Figures:
        """The object under a key."""
        if not isinstance(self[key], dict):
            raise self._error(f"{'.'.join((*self._keys, key))} is no object of figures", key)
        return Figures(self[key], self._path, self._command, (*self._keys, key))

    def _error(self, words: str, key: str) -> FiguresError:
        return FiguresError(f"{self._path}: {words}; `{self._command((*self._keys, key))}` measures it")


def read(path: Path, command: str, of_key: Callable[[tuple[str, ...]], str] | None = None) -> Figures:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FiguresError(f"{path} is missing; `{command}` writes it") from None
    except ValueError as error:
        raise FiguresError(f"{path}: not JSON ({error}); move it away, and `{command}` writes it anew") from None
    if not isinstance(content, dict):
        raise FiguresError(f"{path}: no object of figures; move it away, and `{command}` writes it anew")
    return Figures(content, path, of_key or (lambda _: command))


def _bench_command(keys: tuple[str, ...]) -> str:
    part = next((PARTS[key] for key in keys if key in PARTS), "")
    return f"vla bench --only {part}" if part else "vla bench"


def section(out: Path, kept: Path | None = None) -> str:
    """Markdown of the figures section from the results in `out`.

    Args:
        out: Folder of results.
        kept: Folder in which `vla bench --only fuzz --long`, which takes hours, keeps its figures; None: they are left out
            where `out` has none.

    Raises:
        FiguresError: A result is missing, damaged or of another form.
    """
    return checked(lambda: _section(out, kept), out)


def checked(make: Callable[[], str], out: Path) -> str:
    """What `make` returns; a figure of another kind than it expects is a FiguresError."""
    try:
        return make()
    except (TypeError, ValueError, AttributeError) as error:
        if isinstance(error, FiguresError):
            raise
        raise FiguresError(f"{out}: a figure is of another kind than expected ({error}); measure it anew") from None


def read_bench(out: Path) -> Figures:
    """What `vla bench` wrote. Raises FiguresError."""
    return read(out / "bench/results.json", "make bench", _bench_command)


def read_trials(out: Path, task: str) -> Figures:
    """What `make evaluate` wrote of a task. Raises FiguresError."""
    return read(out / f"eval/{task}.json", f"vla eval --task {task} --json {out}/eval/{task}.json")


def measured_on(machine: Figures) -> str:
    """The machine, in a sentence."""
    where = f"{machine['cores']} cores of {machine['processor']}, {machine['memory_gib']} GiB, no GPU"
    return f"Measured on {where}, Python {machine['python']}."


def _section(out: Path, kept: Path | None) -> str:
    bench = read_bench(out)
    demo = read(out / "demo/summary.json", "make demo")
    machine, results = bench.part("machine"), bench.part("results")
    graph, policy, sim = results.part("graph"), results.part("policy"), results.part("sim")
    lines = [
        measured_on(machine),
        "",
        "| task, in lockstep, seeds never trained on | success | 95 % interval | steps clamped |",
        "|---|---|---|---|",
    ]
    for task, words in TASK_WORDS.items():
        figures = read_trials(out, task)
        low, high = figures["interval"]
        lines.append(
            f"| {words} | {figures['successes']} of {figures['trials']} | {low:.0%} to {high:.0%} | "
            f"{figures['clamped_share']:.1%} |"
        )
    pick = read_trials(out, "pick")
    lines += [
        "",
        f"Through the graph as processes: {demo['successes']} of {demo['trials']} picks in {demo['seconds']:.0f} s. "
        f"Lockstep runs at {pick['realtime_factor']:.1f} times real time with both cameras drawn at 224x224 "
        f"({pick['processes']} processes).",
        "",
        "| latency | median | 99th percentile |",
        "|---|---|---|",
    ]
    for words, figures in (
        ("camera stamp to chunk", graph.part("camera_to_chunk")),
        ("camera stamp to trajectory, less the model", graph.part("overhead")),
        ("chunk to trajectory, in the controller", graph.part("chunk_to_trajectory")),
        ("policy alone: two cameras at 224x224 to 16 steps", policy.part("infer")),
    ):
        lines.append(f"| {words} | {figures['p50_ms']:.1f} ms | {figures['p99_ms']:.1f} ms |")
    lines += [
        "",
        f"The model is {graph.part('camera_to_chunk')['model_share']:.0%} of the time from camera to chunk. The simulator makes "
        f"{sim['steps_per_s']:.0f} steps of 2 ms and {sim['frames_per_s']:.0f} images a second.",
    ]
    if "idle" in results:
        shares = results.part("idle").part("shares")
        words = ", ".join(f"{shares[rate]:.0%} at {int(rate)} Hz" for rate in sorted(map(str, shares), key=int))
        lines += ["", f"Beside an arm that stands the controller takes of a core, by the rate of its states: {words}."]
    if "controller" in results:
        lines += ["", *_controller(results.part("controller"), kept)]
    evidence = _evidence(results)
    if evidence:
        lines += ["", *evidence]
    return "\n".join(lines)


def long_fuzz(results: Figures, kept: Path | None) -> tuple[str, Figures] | None:
    """The long fuzz and how to call it: what is kept, with its date, or what was just measured; None: never."""
    path = None if kept is None else kept / "fuzz_long.json"
    if path is not None and path.exists():
        content = read(path, "vla bench --only fuzz --long")
        return f"long fuzz of {content['date']}", content.part("figures")
    return ("long fuzz", results.part("fuzz_long")) if "fuzz_long" in results else None


def _controller(results: Figures, kept: Path | None) -> list[str]:
    """What was measured of the three promises; parts that were not measured are left out."""
    rows: list[tuple[str, str]] = []
    fuzzes = [long_fuzz(results, kept), ("fuzz", results.part("fuzz")) if "fuzz" in results else None]
    for words, f in filter(None, fuzzes):
        rows.append((
            f"{words}: {f['chunks']:,} random chunks with faults, {f['acceptable_share']:.0%} of them acceptable",
            f"{f['violations']} violations, {f['exceptions']} exceptions, {f['unreported']} unreported",
        ))  # fmt: skip
    if "self_collision" in results:
        f = results.part("self_collision")
        rows.append((
            f"contacts of an arm with itself, in {f['postures']:,} random postures of each shipped arm, by MuJoCo and coal",
            f"{f['missed']} missed, {f['false']} refused that are clear",
        ))  # fmt: skip
    if "cost" in results:
        f = results.part("cost")
        rows.append(("planning 16 steps, everything on, median / 99 %", f"{f['h16_p50_ms']:.1f} / {f['h16_p99_ms']:.1f} ms"))
        rows.append(("planning 50 steps", f"{f['h50_p50_ms']:.1f} / {f['h50_p99_ms']:.1f} ms"))
    if "seam" in results:
        f = results.part("seam")
        rows.append((
            f"largest step over {f['changes']} chunk changes, delay 0 to 300 ms",
            f"{f['position_rad']:.0e} rad, {f['velocity_rad_s']:.0e} rad/s",
        ))  # fmt: skip
        # The kinder baseline first: the other leaps to points only just ahead, which is easily beaten.
        if "jerk_ratio_to_kind_baseline" in f:
            words = "RMS jerk, of that of cubics replaced on arrival, without points due within 50 ms"
            rows.append((words, f"{f['jerk_ratio_to_kind_baseline']:.3f}"))
        words = "RMS jerk, of that of cubics replaced on arrival, with every point not yet due"
        rows.append((words, f"{f['jerk_ratio_to_baseline']:.3f}"))
        off = f"{f['tool_error_mm_p95']:.1f} mm, {f['tool_rotation_deg_p95']:.1f} deg, {f['tool_lag_ms_p95']:.0f} ms"
        rows.append(("executed tool off the request, 95 %", off))
    if "clean_changed_share" in results:
        rows.append(("steps of clean demonstrations that were changed", f"{results['clean_changed_share']:.1%}"))
    if "faults" in results:
        f = results.part("faults")
        rows.append(("faults through the running graph", f"{f['total'] - f['failed']} of {f['total']} at rest, state named"))
    if "stop_ms" in results:
        rows.append(("`vla/stop` to the first braking setpoint, 95 %", f"{results['stop_ms']:.0f} ms"))
    table = [f"| {words} | {figure} |" for words, figure in rows]
    more = "More in [strategies side by side](figures/strategies.md) and [what a chunk costs](figures/planning_cost.md)."
    return ["| the controller | |", "|---|---|", *table, "", more]


def _evidence(results: Figures) -> list[str]:
    """What was measured of recording, checking and replaying; parts that were not measured are left out."""
    rows: list[tuple[str, str]] = []
    evidence = results.part("evidence") if "evidence" in results else {}
    if "ledger_share" in evidence:
        rows.append((
            f"chunks of a recorded run that the ledger accounts for, of {evidence['chunks']}",
            f"{evidence['ledger_share']:.1%}, parts and whole differ by {evidence['identity_ns']} ns",
        ))  # fmt: skip
    if "kills" in evidence:
        lost = f"{evidence['lost']} unreadable, without metadata, lost, counted twice or left running"
        rows.append((f"`kill -9` of recorder and `vla eval`, {evidence['kills']} times", lost))
    if "preflight" in results:
        f = results.part("preflight")
        alarms = f"{f['false_alarms']} false alarms on {f['clean_runs']} clean runs"
        rows.append(("planted faults that `vla card check --bag` names", f"{f['caught']} of {f['planted']}, {alarms}"))
    if "replay" in results:
        f = results.part("replay")
        fast = f"{f['realtime_factor']:.1f} times real time, memory grows by {f['rss_growth_mb']:.0f} MB in the second half"
        rows.append((f"replay of {f['seconds']:.0f} s, two cameras, policy and controllers", fast))
    if "packing" in evidence:
        f = evidence.part("packing").part("noisy").part(PACKED)
        off = f"a replay's steps off by at most {f['position_mm'][1]:.2f} mm and {f['rotation_mrad'][1]:.2f} mrad"
        rows.append((f"images of a bag as {PACKED}", f"{f['smaller']:.0f} times smaller, {off}"))
    if "eval" in results:
        f = results.part("eval")
        same = "the same rows" if f["identical"] else "**different rows**"
        fast = f"{f['trials_per_hour']:.0f} an hour, {f['process_speedup']:.2f} times one process"
        words = f"{f['trials']} trials in lockstep on {f['jobs']} processes"
        rows.append((words, f"{fast}; {same} from 1, {f['jobs']} and Ray"))
    return ["| the evidence | |", "|---|---|", *(f"| {words} | {figure} |" for words, figure in rows)] if rows else []


def write_between_marks(page: Path, text: str) -> None:
    """Replace what stands between the two marks of a Markdown file. Raises FiguresError where it lacks them."""
    old = page.read_text()
    if END not in old.partition(BEGIN)[2]:
        raise FiguresError(f"{page}: the marks {BEGIN} and {END} are needed, in this order")
    head, rest = old.split(BEGIN, 1)
    page.write_text(f"{head}{BEGIN}\n{text}\n{END}{rest.split(END, 1)[1]}")
