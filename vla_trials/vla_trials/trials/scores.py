"""Figures over trials: success beside clamping, and grounding, action accuracy, latency and recovery apart from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from vla_evidence.statistics.intervals import wilson_interval
from vla_trials.trials.request import EvalRequest
from vla_trials.trials.result import TrialResult


def share(hits: int, of: int) -> dict:
    """Counts, rate and Wilson interval (95 %), ready for JSON; rate and interval are None over nothing."""
    if not of:
        return {"hits": 0, "of": 0, "rate": None, "interval": None}
    return {"hits": hits, "of": of, "rate": hits / of, "interval": [round(x, 4) for x in wilson_interval(hits, of)]}


def success_figures(outcomes: Iterable[bool | None]) -> dict:
    """Successes over trials whose outcome is known. UNKNOWN (None) is counted apart, and never scored."""
    outcomes = list(outcomes)
    known = [outcome for outcome in outcomes if outcome is not None]
    figures = share(sum(known), len(known))
    return {
        "trials": len(outcomes),
        "successes": figures["hits"],
        "rate": figures["rate"],
        "interval": figures["interval"],
        "unknown": len(outcomes) - len(known),
    }


def task_figures(results: Sequence[TrialResult]) -> dict:
    """All figures over these trials, ready for JSON."""
    known = [r for r in results if r.success is not None]
    executed = sum(r.steps_executed for r in known)
    refused: Counter[str] = Counter()
    for result in results:
        refused.update(result.refused)
    touched = [r for r in results if r.first_touched]
    pushed = [r for r in results if r.pushes and r.success is not None]
    return {
        **success_figures(r.success for r in results),
        "clamped_share": round(sum(r.steps_clamped for r in known) / executed, 4) if executed else 0.0,
        "refused_chunks": dict(refused),
        "first_touched_is_target": sum(r.first_touched == r.target for r in results) / len(results),
        "grounding": {
            **share(sum(r.first_touched == r.target for r in touched), len(touched)),
            "nothing_touched": len(results) - len(touched),
        },
        "action": {
            name: _mean(results, lambda r, name=name: getattr(r, name), 4)
            for name in ("action_error_mm", "action_error_deg", "gripper_agreement")
        },
        "latency": {
            "source": "injected",
            "p50_ms": _mean(results, lambda r: r.latency_p50_ms, 2),
            "p99_ms_worst_trial": max(
                (r.latency_p99_ms for r in results if r.latency_p99_ms is not None), default=None
            ),
        },
        "recovery": share(sum(bool(r.success) for r in pushed), len(pushed)),
        "moved": sum(r.moves > 0 for r in results),
        "labels": dict(Counter(r.label for r in results if r.label).most_common()),
        "blind_frames": sum(r.blind_frames for r in results),
    }


def _mean(results: Sequence[TrialResult], value: Callable[[TrialResult], float | None], digits: int) -> float | None:
    values = [x for x in map(value, results) if x is not None]
    return round(sum(values) / len(values), digits) if values else None


def summarise(request: EvalRequest, results: list[TrialResult], *, busy: float, wall: float, jobs: int) -> dict:
    """Figures over trials; `busy` is the time that processes spent in trials, `wall` from first to last [s].

    Returns:
        What was asked, the figures over all trials and under `tasks` for each task, timing, and a row a trial.
    """
    simulated = sum(r.virtual_seconds for r in results)
    return {
        "task": ", ".join(request.tasks),
        "checkpoint": request.checkpoint,
        "policy": request.policy_name,
        "first_seed": min(request.seeds),
        "split": request.split,
        "setup": request.setup,
        "perturbation": request.perturbations.text,
        "strategy": request.strategy,
        "committed_steps": request.committed_steps,
        **task_figures(results),
        "tasks": {task: task_figures([r for r in results if r.task == task]) for task in request.tasks},
        "realtime_factor_per_process": round(simulated / busy, 2) if busy else 0.0,
        "realtime_factor": round(simulated / wall, 2) if wall else 0.0,
        "processes": jobs,
        "wall_seconds": round(wall, 1),
        "rows": [r.as_row() for r in results],
    }
