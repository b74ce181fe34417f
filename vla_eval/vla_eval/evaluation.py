"""Closed-loop trials in lockstep, over processes, with honest figures."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from tqdm import tqdm

from vla_contract.card import load_card
from vla_eval.cell import Cell, check_inputs
from vla_eval.expert_policy import ExpertPolicy
from vla_eval.latency import LatencyModel
from vla_eval.lockstep import LockstepRunner, TrialResult
from vla_eval.statistics import wilson_interval

EXPERT = "expert"
"""Stands for the scripted expert where a checkpoint is asked for."""


@dataclass(frozen=True)
class EvalRequest:
    """What to evaluate.

    Attributes:
        checkpoint: A checkpoint's path, or `EXPERT`.
        seeds: One trial a seed.
        rule: Replacement rule of the simulated joint trajectory controller; None for the card's.
    """

    card_path: str
    checkpoint: str
    task: str
    seeds: tuple[int, ...]
    replan_steps: int = 4
    latency: LatencyModel = LatencyModel()
    rule: str | None = None


class Evaluator:
    """Runs the trials of one process."""

    def __init__(self, request: EvalRequest) -> None:
        self._request = request
        cell = Cell(load_card(request.card_path), rule=request.rule)
        if request.checkpoint == EXPERT:
            policy = ExpertPolicy(cell.world, cell.model, lambda: self._runner.controller)
        else:
            policy = cell.load_policy(request.checkpoint)
        self._runner = LockstepRunner(
            cell.card,
            cell.world,
            cell.new_controller,
            policy,
            latency=request.latency,
            replan_steps=request.replan_steps,
        )

    def trial(self, seed: int) -> tuple[TrialResult, float]:
        """The result, and what the trial took on the wall [s]."""
        start = time.perf_counter()
        result = self._runner.run(self._request.task, seed)
        return result, time.perf_counter() - start


_evaluator: Evaluator | None = None


def _start(request: EvalRequest, threads: int) -> None:
    global _evaluator
    if request.checkpoint != EXPERT:
        import torch

        torch.set_num_threads(threads)
    _evaluator = Evaluator(request)


def _trial(seed: int) -> tuple[TrialResult, float]:
    return _evaluator.trial(seed)


def evaluate(request: EvalRequest, *, jobs: int, on_result: Callable[[TrialResult], None] | None = None) -> dict:
    """All trials, in parallel, with a progress bar. The same seeds give the same rows whatever `jobs` is.

    Returns:
        `trials`, `successes`, `rate`, `interval`, the share of steps that the controller clamped, timing, and a row a trial.
    """
    check_inputs(request.card_path, None if request.checkpoint == EXPERT else request.checkpoint)
    results: list[TrialResult] = []
    busy = 0.0
    context = multiprocessing.get_context("spawn")
    threads = max(1, (os.cpu_count() or 1) // jobs)
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_start, initargs=(request, threads)) as pool:
        start = time.perf_counter()
        futures = [pool.submit(_trial, seed) for seed in request.seeds]
        with tqdm(total=len(futures), desc=request.task, unit="trial") as bar:
            for future in as_completed(futures):
                result, seconds = future.result()
                results.append(result)
                busy += seconds
                bar.set_postfix(success=f"{sum(r.success for r in results)}/{len(results)}", refresh=False)
                bar.update()
                if on_result:
                    on_result(result)
        wall = time.perf_counter() - start
    results.sort(key=lambda r: r.seed)
    return summarise(request, results, busy=busy, wall=wall, jobs=jobs)


def summarise(request: EvalRequest, results: list[TrialResult], *, busy: float, wall: float, jobs: int) -> dict:
    """Figures over trials; `busy` is the time that processes spent in trials, `wall` from first to last [s]."""
    successes = sum(r.success for r in results)
    low, high = wilson_interval(successes, len(results))
    executed = sum(r.steps_executed for r in results)
    simulated = sum(r.virtual_seconds for r in results)
    refused: Counter[str] = Counter()
    for result in results:
        refused.update(result.refused)
    return {
        "task": request.task,
        "checkpoint": request.checkpoint,
        "first_seed": min(request.seeds),
        "trials": len(results),
        "successes": successes,
        "rate": successes / len(results),
        "interval": [round(low, 4), round(high, 4)],
        "clamped_share": round(sum(r.steps_clamped for r in results) / executed, 4) if executed else 0.0,
        "refused_chunks": dict(refused),
        "first_touched_is_target": sum(r.first_touched == r.target for r in results) / len(results),
        "realtime_factor_per_process": round(simulated / busy, 2) if busy else 0.0,
        "realtime_factor": round(simulated / wall, 2) if wall else 0.0,
        "processes": jobs,
        "wall_seconds": round(wall, 1),
        "rows": [r.as_row() for r in results],
    }
