"""The five figures of the README: does it do its tasks, does the graph run, how fast, is it safe, does it stop."""

from __future__ import annotations

from pathlib import Path

from vla_bench.figures import (
    KEPT,
    TASK_WORDS,
    checked,
    long_fuzz,
    measured_on,
    read,
    read_bench,
    read_trials,
    section,
    write_between_marks,
)


def headline(out: Path, kept: Path | None = None) -> str:
    """Markdown of the five figures from the results in `out`; those of the controller that were not measured are left out.

    Args:
        out, kept: As for ``figures.section``.

    Raises:
        FiguresError: A result is missing, damaged or of another form.
    """
    return checked(lambda: _headline(out, kept), out)


def _headline(out: Path, kept: Path | None) -> str:
    bench = read_bench(out)
    results = bench.part("results")
    tasks = [read_trials(out, task) for task in TASK_WORDS]
    done, of = sum(f["successes"] for f in tasks), sum(f["trials"] for f in tasks)
    demo = read(out / "demo/summary.json", "make demo")
    chunk = results.part("graph").part("camera_to_chunk")
    rows = [
        (f"{len(tasks)} tasks in simulation, scenes never trained on", f"{done} of {of} trials succeed"),
        ("picks through the whole ROS 2 graph", f"{demo['successes']} of {demo['trials']}"),
        ("camera stamp to action chunk, median / 99 %", f"{chunk['p50_ms']:.0f} / {chunk['p99_ms']:.0f} ms"),
    ]
    controller = results.part("controller") if "controller" in results else None
    if controller is not None:
        fuzz = long_fuzz(controller, kept)
        if fuzz is not None:
            words, f = fuzz
            failures = f"{f['violations']} limits broken, {f['exceptions']} exceptions, {f['unreported']} unreported"
            rows.append((f"random chunks with faults ({words})", f"{f['chunks']:,}: {failures}"))
        if "stop_ms" in controller:
            rows.append(("`vla/stop` to the first braking setpoint, 95 %", f"{controller['stop_ms']:.0f} ms"))
    return "\n".join(["| | |", "|---|---|", *(f"| {words} | {figure} |" for words, figure in rows), "",
                      f"{measured_on(bench.part('machine'))} All of them: [docs/figures.md](docs/figures.md)."])  # fmt: skip


def write_figures(readme: Path, page: Path, out: Path) -> None:
    """Writes the five figures into the README, and all of them into the page. Nothing is written where one is missing.

    Raises:
        FiguresError: A file lacks the two marks, or what ``section`` raises.
    """
    kept = readme.parent / KEPT
    five, all_of_them = headline(out, kept), section(out, kept)
    write_between_marks(page, all_of_them)
    write_between_marks(readme, five)
