"""Where trials run: processes of this machine, or a Ray cluster. The same trials give the same results on each."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from vla_eval.trials.errors import TrialsError
from vla_eval.trials.request import EvalRequest
from vla_eval.trials.result import TrialResult
from vla_eval.trials.worker import THREAD_VARIABLES, THREADS, Evaluator, end_with_parent, fix_threads

Finished = tuple[TrialResult, float]
"""A result, and what it took on the wall [s]."""

_evaluator: Evaluator | None = None


def _start(request: EvalRequest) -> None:
    global _evaluator
    end_with_parent()
    fix_threads(request)
    _evaluator = Evaluator(request)


def _trial(task: str, seed: int) -> Finished:
    return _evaluator.trial(seed, task)


@contextmanager
def _thread_environment() -> Iterator[None]:
    """Processes started meanwhile see one thread from their first import on."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update({name: str(THREADS) for name in THREAD_VARIABLES})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def run_processes(request: EvalRequest, trials: Sequence[tuple[str, int]], jobs: int) -> Iterator[Finished]:
    """Trials in the order in which they finish, over processes of this machine.

    Raises:
        TrialsError: A process ended in the middle of a trial.
    """
    context = multiprocessing.get_context("spawn")
    with (
        _thread_environment(),
        ProcessPoolExecutor(jobs, mp_context=context, initializer=_start, initargs=(request,)) as pool,
    ):
        futures = [pool.submit(_trial, task, seed) for task, seed in trials]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise TrialsError(f"a process of the trials ended unexpectedly: {error}") from None
        finally:
            for future in futures:
                future.cancel()


def run_ray(request: EvalRequest, trials: Sequence[tuple[str, int]], jobs: int) -> Iterator[Finished]:
    """The same over actors of Ray: of the cluster that RAY_ADDRESS names, else of one on this machine.

    On a cluster, card and checkpoint must lie under the same paths on each node.

    Raises:
        TrialsError: Ray is not installed, cannot be reached, or an actor ended in the middle of a trial.
    """
    try:
        import ray
        from ray.exceptions import RayActorError
    except ImportError:
        raise TrialsError("engine 'ray': Ray is not installed; `pip install ray`, or take --engine process") from None
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with (
        _thread_environment(),
        tempfile.TemporaryDirectory(prefix="vla", dir="/tmp", ignore_cleanup_errors=True) as short,
    ):
        try:
            if os.environ.get("RAY_ADDRESS"):
                ray.init(address="auto", log_to_driver=False, logging_level="error")
            else:  # Ray's sockets lie in its folder, and their paths must be short
                ray.init(
                    num_cpus=jobs,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level="error",
                    _temp_dir=short,
                )
        except (ConnectionError, RuntimeError, OSError) as error:
            raise TrialsError(f"engine 'ray': {error}") from None
        try:
            actor = ray.remote(num_cpus=1, max_restarts=0)(_Actor)
            actors = [actor.remote(request) for _ in range(min(jobs, len(trials)))]
            waiting = list(trials)[::-1]
            running = {}
            for one in actors:
                running[one.trial.remote(*waiting.pop())] = one
            while running:
                done, _ = ray.wait(list(running), num_returns=1)
                one = running.pop(done[0])
                finished = ray.get(done[0])
                if waiting:
                    running[one.trial.remote(*waiting.pop())] = one
                yield finished
        except RayActorError as error:
            raise TrialsError(f"engine 'ray': a process of the trials ended unexpectedly: {error}") from None
        finally:
            ray.shutdown()


class _Actor:
    """One process of Ray's."""

    def __init__(self, request: EvalRequest) -> None:
        fix_threads(request)
        self._evaluator = Evaluator(request)

    def trial(self, task: str, seed: int) -> Finished:
        return self._evaluator.trial(seed, task)


ENGINES: dict[str, Callable[[EvalRequest, Sequence[tuple[str, int]], int], Iterator[Finished]]] = {
    "process": run_processes,
    "ray": run_ray,
}
