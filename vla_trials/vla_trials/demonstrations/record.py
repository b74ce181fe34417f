"""Demonstrations: the expert's plan from every frame of disturbed trials, one file an episode."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from vla_contract.card import InterfaceCard, load_card
from vla_contract.chunk import ActionChunk
from vla_contract.demonstration import DatasetInfo, Demonstration
from vla_contract.observation import VLAObservation
from vla_policy.policy import Ask, Decision
from vla_trials.lockstep.expert_policy import Disturbance, ExpertPolicy
from vla_trials.lockstep.latency import LatencyModel
from vla_trials.lockstep.result import TrialResult
from vla_trials.lockstep.runner import LockstepRunner
from vla_trials.lockstep.simulated_cell import SimulatedCell, check_inputs
from vla_trials.lockstep.stitching import DEFAULT_STRATEGY, check_stitching

LINGER_S = 0.6
"""Time recorded after success, so that the policy learns to stay [s]."""
REPLAN_STEPS = 1
PNG_FAST = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]


@dataclass(frozen=True)
class DemosRequest:
    """What to record.

    Attributes:
        card_path: Interface card.
        task: Task name.
        seeds: Episodes, one a seed.
        out: Folder for the episodes.
        strength: Scale of the disturbances.
        checkpoint: With one, the policy drives and the expert only labels (each frame by what the expert would do there).
        expert_share: With a checkpoint, the share of decisions that the expert drives all the same.
        strategy, committed_steps: As of `EvalRequest`.
    """

    card_path: str
    task: str
    seeds: tuple[int, ...]
    out: Path
    strength: float = 1.0
    checkpoint: str | None = None
    expert_share: float = 0.0
    strategy: str = DEFAULT_STRATEGY
    committed_steps: int = 0


class Recorder:
    """Records the trials of one process."""

    def __init__(self, request: DemosRequest) -> None:
        self._request = request
        self._cell = SimulatedCell(load_card(request.card_path), strategy=request.strategy)
        self._expert = ExpertPolicy(
            self._cell.world, self._cell.model, lambda: self._runner.controller, self._disturbance
        )
        driver = self._expert
        if request.checkpoint is not None:
            driver = _Mixed(self._expert, self._cell.load_policy(request.checkpoint), request.expert_share)
        self._driver = driver
        self._runner = LockstepRunner(
            self._cell.card, self._cell.world, self._cell.new_controller, driver, latency=LatencyModel(),
            replan_steps=REPLAN_STEPS, committed_steps=request.committed_steps,
        )  # fmt: skip
        self._seed = 0

    def _disturbance(self) -> Disturbance:
        rng = np.random.default_rng([self._seed, 2])
        # A third of the episodes show the task without a disturbance.
        strength = 0.0 if rng.random() < 0.33 else self._request.strength
        return Disturbance(rng, self._cell.card.action.step_period, strength)

    def record(self, seed: int) -> tuple[Path, TrialResult]:
        """One episode, saved whether it succeeded or not; the trainer reads the successful ones by default."""
        self._seed = seed
        card = self._cell.card
        images: dict[str, list[bytes]] = {camera.name: [] for camera in card.cameras}
        state: list[np.ndarray] = []
        plans: list[np.ndarray] = []
        points: list[np.ndarray] = []

        def keep(observation: VLAObservation, _: ActionChunk) -> None:
            for name, frames in images.items():
                _, png = cv2.imencode(".png", observation.images[name][..., ::-1], PNG_FAST)
                frames.append(png.tobytes())
            state.append(observation.state)
            plans.append(self._expert.last_plan)
            points.append(self._cell.world.named_points())

        self._runner.on_decision = keep
        if isinstance(self._driver, _Mixed):
            self._driver.seed(seed)
        result = self._runner.run(self._request.task, seed, linger_s=LINGER_S)
        episode = Demonstration(
            images=images,
            state=np.array(state, dtype=np.float32),
            actions=np.array(plans, dtype=np.float32),
            mask=np.ones(len(state), dtype=bool),
            instruction=result.instruction,
            task=result.task,
            seed=seed,
            success=result.success,
            step_period_ns=card.step_period_ns,
            points=np.array(points, dtype=np.float32),
            meta={"seconds": result.seconds, "driver": "policy" if self._request.checkpoint else "expert"},
        )
        return episode.save(episode_path(self._request.out, seed)), result


class _Mixed:
    """The policy drives, the expert labels, and at times drives for a stretch."""

    def __init__(self, expert: ExpertPolicy, policy, expert_share: float) -> None:
        self._expert, self._policy, self._share = expert, policy, expert_share
        self.seed(0)

    def seed(self, seed: int) -> None:
        self._rng = np.random.default_rng([seed, 3])

    def reset(self) -> None:
        self._expert.reset()
        self._policy.reset()
        self._left, self._by_expert = 0, False

    def infer(self, observation: VLAObservation, ask: Ask) -> Decision:
        disturbed = self._expert.infer(observation, ask)
        if self._left == 0:
            self._left = int(self._rng.integers(5, 15))
            self._by_expert = bool(self._rng.random() < self._share)
        self._left -= 1
        return disturbed if self._by_expert else self._policy.infer(observation, ask)


def episode_path(folder: Path, seed: int) -> Path:
    """File of an episode."""
    return folder / f"episode_{seed:07d}.npz"


def dataset_info(card: InterfaceCard, command: str) -> DatasetInfo:
    """The description beside the episodes."""
    return DatasetInfo(
        card_name=card.name,
        policy_hash=card.policy_hash,
        state_names=tuple(card.state.fields),
        action_space=card.action.space,
        action_names=tuple(card.action.names),
        camera_names=tuple(c.name for c in card.cameras),
        horizon=card.action.horizon,
        step_period_ns=card.step_period_ns,
        command=command,
        licence=card.dataset.licence,
    )


_recorder: Recorder | None = None


def _start(request: DemosRequest) -> None:
    global _recorder
    cv2.setNumThreads(1)
    _recorder = Recorder(request)


def _record(seed: int) -> TrialResult:
    return _recorder.record(seed)[1]


def record_all(request: DemosRequest, *, jobs: int, command: str) -> dict:
    """Record what is missing, in parallel, with a progress bar. Returns counts of this call.

    Raises StitchingError where strategy or committed_steps do not fit the card, and what ``check_inputs`` raises.
    """
    card = check_inputs(request.card_path, request.checkpoint)
    check_stitching(card, request.strategy, request.committed_steps, REPLAN_STEPS)
    dataset_info(card, command).save(request.out)
    missing = [seed for seed in request.seeds if not episode_path(request.out, seed).exists()]
    results: list[TrialResult] = []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_start, initargs=(request,)) as pool:
        futures = [pool.submit(_record, seed) for seed in missing]
        with tqdm(total=len(missing), desc=f"{request.task}", unit="episode") as bar:
            for future in as_completed(futures):
                results.append(future.result())
                bar.set_postfix(success=f"{sum(r.success for r in results)}/{len(results)}", refresh=False)
                bar.update()
    return {
        "task": request.task,
        "recorded": len(results),
        "already_there": len(request.seeds) - len(missing),
        "successes": sum(r.success for r in results),
        "failed_seeds": sorted(r.seed for r in results if not r.success),
    }
