"""The README's figures, written from what was measured: never by hand."""

from __future__ import annotations

import json
from pathlib import Path

BEGIN, END = "<!-- figures:begin -->", "<!-- figures:end -->"
TASK_WORDS = {
    "pick": "pick up the named block",
    "place_in_bowl": "put the named block in the bowl",
    "cup_on_coaster": "put the cup on the coaster",
    "stack": "stack one named block on another",
}


class FiguresError(ValueError):
    """A measurement is missing, or the text has no place for it. The message says which, and the command that makes it."""


def _read(path: Path, command: str) -> dict:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise FiguresError(f"{path} is missing; `{command}` writes it") from None


def section(out: Path) -> str:
    """Markdown of the figures section from the results in `out`.

    Raises:
        FiguresError: A result is missing.
    """
    bench = _read(out / "bench/results.json", "make bench")
    demo = _read(out / "demo/summary.json", "make demo")
    machine, results = bench["machine"], bench["results"]
    graph = results["graph"]
    lines = [
        f"Measured on {machine['cores']} cores of {machine['processor']}, {machine['memory_gib']} GiB, no GPU, "
        f"Python {machine['python']}.",
        "",
        "| task, in lockstep, seeds never trained on | success | 95 % interval | steps clamped |",
        "|---|---|---|---|",
    ]
    for task, words in TASK_WORDS.items():
        figures = _read(out / f"eval/{task}.json", f"vla eval --task {task} --json {out}/eval/{task}.json")
        low, high = figures["interval"]
        lines.append(
            f"| {words} | {figures['successes']} of {figures['trials']} | {low:.0%} to {high:.0%} | "
            f"{figures['clamped_share']:.1%} |"
        )
    pick = _read(out / "eval/pick.json", "vla eval")
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
        ("camera stamp to chunk", graph["camera_to_chunk"]),
        ("camera stamp to trajectory, less the model", graph["overhead"]),
        ("chunk to trajectory, in the controller", graph["chunk_to_trajectory"]),
        ("policy alone: two cameras at 224x224 to 16 steps", results["policy"]["infer"]),
    ):
        lines.append(f"| {words} | {figures['p50_ms']:.1f} ms | {figures['p99_ms']:.1f} ms |")
    lines += [
        "",
        f"The model is {graph['camera_to_chunk']['model_share']:.0%} of the time from camera to chunk. The simulator makes "
        f"{results['sim']['steps_per_s']:.0f} steps of 2 ms and {results['sim']['frames_per_s']:.0f} pictures a second.",
    ]
    if "controller" in results:
        lines += ["", *_controller(results["controller"])]
    return "\n".join(lines)


def _controller(results: dict) -> list[str]:
    """What was measured of the three promises; parts that were not measured are left out."""
    rows: list[tuple[str, str]] = []
    for key, words in (("fuzz_long", "long fuzz"), ("fuzz", "fuzz")):
        if key in results:
            f = results[key]
            rows.append((
                f"{words}: {f['chunks']:,} random chunks with faults, {f['acceptable_share']:.0%} of them acceptable",
                f"{f['violations']} violations, {f['exceptions']} exceptions, {f['unreported']} unreported",
            ))  # fmt: skip
    if "cost" in results:
        f = results["cost"]
        rows.append(("planning 16 steps, everything on, median / 99 %", f"{f['h16_p50_ms']:.1f} / {f['h16_p99_ms']:.1f} ms"))
        rows.append(("planning 50 steps", f"{f['h50_p50_ms']:.1f} / {f['h50_p99_ms']:.1f} ms"))
    if "seam" in results:
        f = results["seam"]
        rows.append((
            f"largest step over {f['changes']} chunk changes, delay 0 to 300 ms",
            f"{f['position_rad']:.0e} rad, {f['velocity_rad_s']:.0e} rad/s",
        ))  # fmt: skip
        rows.append(("RMS jerk, of that of cubics replaced on arrival", f"{f['jerk_ratio_to_baseline']:.3f}"))
        off = f"{f['tool_error_mm_p95']:.1f} mm, {f['tool_rotation_deg_p95']:.1f} deg, {f['tool_lag_ms_p95']:.0f} ms"
        rows.append(("executed tool off the request, 95 %", off))
    if "clean_changed_share" in results:
        rows.append(("steps of clean demonstrations that were changed", f"{results['clean_changed_share']:.1%}"))
    if "faults" in results:
        f = results["faults"]
        rows.append(("faults through the running graph", f"{f['total'] - f['failed']} of {f['total']} at rest, state named"))
    if "stop_ms" in results:
        rows.append(("`vla/stop` to the first braking setpoint, 95 %", f"{results['stop_ms']:.0f} ms"))
    table = [f"| {words} | {figure} |" for words, figure in rows]
    return ["| the controller | |", "|---|---|", *table, "", "More in [docs/strategies.md](docs/strategies.md)."]


def write_section(readme: Path, out: Path) -> None:
    """Replace the figures section of a Markdown file.

    Raises:
        FiguresError: The file lacks the two marks, or a result is missing.
    """
    text = readme.read_text()
    if BEGIN not in text or END not in text:
        raise FiguresError(f"{readme}: the marks {BEGIN} and {END} are needed")
    head, rest = text.split(BEGIN, 1)
    tail = rest.split(END, 1)[1]
    readme.write_text(f"{head}{BEGIN}\n{section(out)}\n{END}{tail}")
