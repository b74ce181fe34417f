"""Trials an hour, what a second process brings, and whether each engine gives the same results."""

from __future__ import annotations

from collections.abc import Callable

from vla_trials.trials.evaluate import evaluate
from vla_trials.trials.request import EvalRequest
from vla_trials.trials.splits import SPLITS


def speed_bench(
    card_path: str,
    checkpoint: str,
    trials: int = 200,
    jobs: int = 2,
    progress: Callable[[str], None] = lambda _: None,
) -> dict:
    """The same pick trials on one process, on `jobs`, and on Ray with `jobs`. The wall's time counts starting up.

    Returns:
        `trials_per_hour` and `process_speedup` of `jobs` processes, `identical` over all three, and what each took [s].
    """
    first = SPLITS["held_out"].seeds.start
    request = EvalRequest(card_path, checkpoint, "pick", tuple(range(first, first + trials)))
    rows, seconds, successes = {}, {}, 0
    for name, engine, count in (("one", "process", 1), ("processes", "process", jobs), ("ray", "ray", jobs)):
        figures = evaluate(request, jobs=count, engine=engine)
        rows[name], seconds[name], successes = figures["rows"], figures["wall_seconds"], figures["successes"]
        progress(f"{name}: {trials} trials in {seconds[name]:.0f} s")
    return {
        "trials": trials,
        "jobs": jobs,
        "successes": successes,
        "trials_per_hour": round(3600 * trials / seconds["processes"], 1),
        "process_speedup": round(seconds["one"] / seconds["processes"], 3),
        "identical": rows["one"] == rows["processes"] == rows["ray"],
        "seconds": seconds,
    }
