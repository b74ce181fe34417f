"""Where trials run: processes of this machine, or a Ray cluster. The same trials give the same results on each."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from vla_trials.trials.errors import TrialsError
from vla_trials.trials.request import EvalRequest
from vla_trials.trials.result import Finished
from vla_trials.trials.worker import THREAD_VARIABLES, THREADS, Evaluator, end_with_parent, fix_threads

Fewer = Callable[[int], None]
"""Told how many processes there are, where they are fewer than were asked for."""
PLACED_S = 300.0
"""A cluster that has started no process after this time has no place for one [s]."""
_held: _Held | None = None


class _Held:
    """The evaluator of a process, or why there is none: raised where somebody waits for it, not where a process starts."""

    def __init__(self, request: EvalRequest) -> None:
        self._evaluator, self._error = None, None
        try:
            self._evaluator = Evaluator(request)
        except Exception as error:
            self._error = error

    def get(self) -> Evaluator:
        if self._error is not None:
            raise self._error
        return self._evaluator


def _start(request: EvalRequest) -> None:
    global _held
    end_with_parent()
    fix_threads(request)
    _held = _Held(request)


def _trial(task: str, seed: int) -> Finished:
    return _held.get().trial(seed, task)


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


def run_processes(
    request: EvalRequest, trials: Sequence[tuple[str, int]], jobs: int, fewer: Fewer = lambda _: None
) -> Iterator[Finished]:
    """Trials in the order in which they finish, over processes of this machine.

    Raises:
        TrialsError: A process ended in the middle of a trial.
        What a process raised while it opened the policy or ran a trial.
    """
    context = multiprocessing.get_context("spawn")
    with (
        _thread_environment(),
        ProcessPoolExecutor(jobs, mp_context=context, initializer=_start, initargs=(request,)) as pool,
    ):
        futures = {pool.submit(_trial, task, seed) for task, seed in trials}
        try:
            for future in as_completed(futures):
                futures.discard(future)  # it holds images and rows, and there may be thousands
                yield future.result()
        except BrokenProcessPool as error:
            raise TrialsError(f"a process of the trials ended unexpectedly: {error}") from None
        finally:
            for future in futures:
                future.cancel()


def run_ray(
    request: EvalRequest, trials: Sequence[tuple[str, int]], jobs: int, fewer: Fewer = lambda _: None
) -> Iterator[Finished]:
    """The same over actors of Ray: of the cluster that RAY_ADDRESS names, else of one on this machine.

    On a cluster, card and checkpoint must lie under the same paths on each node. There are no more actors than free CPUs.

    Raises:
        TrialsError: Ray is not installed, cannot be reached, has no free CPU, or an actor ended in the middle of a trial.
        What an actor raised while it opened the policy or ran a trial.
    """
    try:
        import ray
        from ray.exceptions import RayActorError, RayTaskError
    except ImportError:
        raise TrialsError("engine 'ray': Ray is not installed; `pip install ray`, or take --engine process") from None
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with (
        _thread_environment(),
        tempfile.TemporaryDirectory(prefix="vla", dir="/tmp", ignore_cleanup_errors=True) as short,
    ):
        try:
            shared = bool(os.environ.get("RAY_ADDRESS"))
            if shared:
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
            hint = "; does it run, and does it ask for a token (then set RAY_AUTH_MODE=token)?" if shared else ""
            raise TrialsError(f"engine 'ray': {error}{hint}") from None
        try:
            count = min(jobs, len(trials))
            if shared:
                free = int(ray.available_resources().get("CPU", 0))
                if free < 1:
                    raise TrialsError(
                        "engine 'ray': no CPU of the cluster is free, and each process needs one; "
                        "wait for one, or take --engine process"
                    )
                if free < count:
                    fewer(free)
                    count = free
            actor = ray.remote(num_cpus=1, max_restarts=0)(_Actor)
            actors = [actor.remote(request) for _ in range(count)]
            waiting, left = list(trials)[::-1], len(trials)
            # An actor has a trial only once it runs: one that finds no place keeps none from being finished.
            running = {one.ready.remote(): one for one in actors}
            timeout = PLACED_S
            while left:
                done, _ = ray.wait(list(running), num_returns=1, timeout=timeout)
                if not done:
                    raise TrialsError(f"engine 'ray': the cluster started no process in {PLACED_S:g} s")
                one, timeout = running.pop(done[0]), None
                finished = ray.get(done[0])
                if waiting:
                    running[one.trial.remote(*waiting.pop())] = one
                if finished is not None:
                    left -= 1
                    yield finished
        except RayTaskError as error:
            raise error.cause from error
        except RayActorError as error:
            raise TrialsError(f"engine 'ray': a process of the trials ended unexpectedly: {error}") from None
        finally:
            ray.shutdown()


class _Actor:
    """One process of Ray's."""

    def __init__(self, request: EvalRequest) -> None:
        fix_threads(request)
        self._held = _Held(request)

    def ready(self) -> None:
        """Returns once it has a place and is set up."""
        self._held.get()

    def trial(self, task: str, seed: int) -> Finished:
        return self._held.get().trial(seed, task)


ENGINES: dict[str, Callable[[EvalRequest, Sequence[tuple[str, int]], int, Fewer], Iterator[Finished]]] = {
    "process": run_processes,
    "ray": run_ray,
}
