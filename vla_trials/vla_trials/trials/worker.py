"""The trials of one process: cell, policy and what is measured beside success."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from vla_contract.card import load_card
from vla_contract.chunk import ActionChunk
from vla_contract.observation import VLAObservation
from vla_evidence.provenance.checkpoint import EXPERT
from vla_policy.policy import Ask, Decision
from vla_trials.lockstep import result as lockstep
from vla_trials.lockstep.expert_policy import ExpertPolicy
from vla_trials.lockstep.latency import LatencyModel
from vla_trials.lockstep.runner import LockstepRunner
from vla_trials.lockstep.simulated_cell import SimulatedCell
from vla_trials.trials.accuracy import ActionAccuracy
from vla_trials.trials.circumstances import Circumstances
from vla_trials.trials.frames import DecisionFrames
from vla_trials.trials.inferences import InferenceLog
from vla_trials.trials.labelling import Labeller
from vla_trials.trials.perturbations import Perturbations
from vla_trials.trials.request import EvalRequest
from vla_trials.trials.result import Finished, TrialResult
from vla_trials.trials.splits import SPLITS

START_NS = 1_000_000_000
"""Virtual time at the start of each trial, so that nothing in it tells what ran before it [ns]."""
THREADS = 1
"""Of linear algebra in a process. Sums of floats depend on it, so that it is the same on every engine."""
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LP_NUM_THREADS")


class Evaluator:
    """Runs the trials of one process."""

    def __init__(self, request: EvalRequest) -> None:
        self._request = request
        cell = SimulatedCell(load_card(request.card_path), rule=request.rule, setup=request.setup, strategy=request.strategy)
        if request.checkpoint == EXPERT:
            self._policy = ExpertPolicy(cell.world, cell.model, lambda: self._runner.controller)
        else:
            self._policy = cell.load_policy(request.checkpoint)
        policy = Noisy(self._policy, request.noise) if request.noise else self._policy
        self._noisy = policy if request.noise else None
        self._inferences = InferenceLog(cell.card)
        split = SPLITS.get(request.split)
        new_words = split is not None and split.new_words
        extra = request.perturbations.latency / 1e3
        latency = request.latency
        if extra:
            latency = LatencyModel(latency.floor_s + extra, latency.median_s, latency.spread)

        def runner(perturbations: Perturbations) -> LockstepRunner:
            changed = perturbations.text or new_words or request.perturbations.text
            return LockstepRunner(
                cell.card,
                cell.world,
                cell.new_controller,
                policy,
                latency=latency,
                replan_steps=request.replan_steps,
                committed_steps=request.committed_steps,
                circumstances=Circumstances(cell.world, perturbations, new_words=new_words) if changed else None,
            )

        self._cell = cell
        self._perturbed = self._runner = runner(request.perturbations)
        self._perturbed.on_latency = self._inferences.add_latency
        self._nominal = runner(replace(request.perturbations, viewpoint=0.0)) if request.perturbations.viewpoint else None

    def trial(self, seed: int, task: str | None = None) -> Finished:
        """One trial, of the request's first task by default."""
        start = time.perf_counter()
        task = task or self._request.tasks[0]
        accuracy = ActionAccuracy(self._cell, lambda: self._runner.controller)
        frames = DecisionFrames()
        self._inferences.begin()

        def see(observation: VLAObservation, chunk: ActionChunk) -> None:
            accuracy.see(observation, chunk.actions)
            frames.see(observation, chunk.actions)
            self._inferences.see(observation, chunk)

        self._runner.on_decision = see
        labeller = Labeller(
            self._runner,
            self._cell.world,
            self._request.perturbations.text,
            self._request.time_limit_s,
            also=self._inferences.add_reports,
        )
        result = self._run(self._perturbed, task, seed)
        label = labeller.figures(result.success, self._again(task, seed) if self._nominal else None)
        result = TrialResult.of(result, self._request, accuracy.figures(), label)
        bad_ns = result.first_bad_stamp_ns
        images = {} if result.success or bad_ns is None else frames.at(bad_ns)
        return Finished(result, time.perf_counter() - start, images, self._inferences.rows(result))

    def _run(self, runner: LockstepRunner, task: str, seed: int) -> lockstep.TrialResult:
        if self._noisy:
            self._noisy.seed(seed)
        self._cell.world.now_ns = START_NS
        self._runner = runner  # the expert asks it for the controller under way
        try:
            return runner.run(task, seed, time_limit_s=self._request.time_limit_s)
        finally:
            self._runner = self._perturbed

    def _again(self, task: str, seed: int) -> Callable[[], bool]:
        return lambda: self._run(self._nominal, task, seed).success


class Noisy:
    """A policy made worse by white noise on its translation steps, for agreement between setups.

    Args:
        sigma: Standard deviation on each axis of each step [m].
    """

    def __init__(self, policy, sigma: float) -> None:
        self._policy, self._sigma = policy, sigma
        self.seed(0)

    def seed(self, seed: int) -> None:
        """For the trial that follows."""
        self._rng = np.random.default_rng([seed, 4])

    def reset(self) -> None:
        self._policy.reset()

    def infer(self, observation: VLAObservation, ask: Ask) -> Decision:
        actions = np.array(self._policy.infer(observation, ask).actions)
        actions[:, :3] += self._rng.normal(0.0, self._sigma, (len(actions), 3))
        return Decision(actions)


def fix_threads(request: EvalRequest) -> None:
    """Call in a process before its first trial."""
    for name in THREAD_VARIABLES:
        os.environ[name] = str(THREADS)
    if request.checkpoint != EXPERT:
        import torch

        torch.set_num_threads(THREADS)


def end_with_parent() -> None:
    """End this process when the one that started it is gone, also when that one was killed."""
    import multiprocessing
    from multiprocessing.connection import wait

    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()
