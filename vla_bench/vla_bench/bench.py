"""Figures of the whole suite: the live graph, the policy alone, the simulator alone, the lockstep driver."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from vla_contract.card import InterfaceCard, load_card
from vla_contract.chunk import ActionChunk
from vla_contract.report import ChunkReport
from vla_evidence.console import Console
from vla_evidence.ledger.builder import LedgerBuilder
from vla_evidence.ledger.row import CAMERA_TO_CONTROLLER
from vla_policy.policy import NOTHING_ASKED
from vla_trials.lockstep.simulated_cell import SimulatedCell
from vla_trials.trials.evaluate import EvalRequest, Evaluator


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Median and 99th percentile [ms]."""
    if not seconds:
        return {"p50_ms": float("nan"), "p99_ms": float("nan"), "count": 0}
    p50, p99 = np.percentile(seconds, [50, 99]) * 1e3
    return {"p50_ms": round(float(p50), 2), "p99_ms": round(float(p99), 2), "count": len(seconds)}


def graph_figures(
    card: InterfaceCard, chunks: list[tuple[int, ActionChunk]], reports: list[tuple[int, ChunkReport]]
) -> dict:
    """Latencies of the live graph, as the ledger has them, from chunks and reports with their arrival on the steady clock [ns].

    Returns:
        camera_to_chunk: From camera stamp to arrival at the controller, and the model's share of it. overhead: From camera stamp
        to trajectory, less inference. chunk_to_trajectory: From arrival at the controller to the trajectory.
    """
    builder = LedgerBuilder(card)
    for heard in sorted([*chunks, *reports], key=lambda item: item[0]):
        (builder.on_chunk if isinstance(heard[1], ActionChunk) else builder.on_report)(heard[1], heard[0])
    rows = [line.row for line in builder.ledger().lines() if line.row is not None]
    to_controller = [r for r in rows if CAMERA_TO_CONTROLLER in r.wholes and "inference" in r.parts]
    to_trajectory = [r for r in rows if "camera_to_trajectory" in r.wholes and "inference" in r.parts]
    camera_to_chunk = [r.wholes[CAMERA_TO_CONTROLLER] / 1e9 for r in to_controller]
    model = [r.parts["inference"] / 1e9 for r in to_controller]
    share = float(np.sum(model) / np.sum(camera_to_chunk)) if camera_to_chunk else float("nan")
    return {
        "camera_to_chunk": {**percentiles(camera_to_chunk), "model_share": round(share, 3)},
        "overhead": percentiles([(r.wholes["camera_to_trajectory"] - r.parts["inference"]) / 1e9 for r in to_trajectory]),
        "chunk_to_trajectory": percentiles([r.parts["planning"] / 1e9 for r in rows if "planning" in r.parts]),
    }


def bench_graph(card_path: str, checkpoint: str, out: Path, trials: int) -> dict:
    """Trials through processes, paced and stamped by the wall."""
    from vla_graph.domains import free_domain
    from vla_graph.process import GraphProcess
    from vla_trials.graph.trials import run_trials

    card = load_card(card_path)
    arguments = {"card": card_path, "checkpoint": checkpoint, "task": "pick", "seed": 2000, "use_sim_time": "false"}
    with GraphProcess(arguments, out / "graph.log", free_domain()) as graph:
        rows, _, heard = run_trials(graph, card, "pick", range(2000, 2000 + trials), 12.0, Console(), film=False)
    figures = graph_figures(card, heard.chunks, heard.reports)
    figures["trials"] = {"count": len(rows), "successes": sum(row["success"] for row in rows)}
    return figures


def bench_idle(card_path: str, seconds: float) -> dict:
    """What the controller takes of a core while the simulator's arm stands."""
    from vla_bench.controller.idle import measure

    return measure(Path(card_path), seconds)


def bench_policy(card_path: str, checkpoint: str, count: int = 200) -> dict:
    """One observation to one chunk of actions: preprocessing, language from the cache, model, un-normalisation."""
    cell = SimulatedCell(load_card(card_path))
    policy = cell.load_policy(checkpoint)
    observations = []
    evaluator = _observations(cell, observations)
    evaluator.run("pick", 3000)
    cell.world.close()
    policy.reset()
    for k in range(10):
        policy.infer(observations[k % len(observations)], NOTHING_ASKED)
    times = []
    for k in range(count):
        observation = observations[k % len(observations)]
        start = time.perf_counter()
        policy.infer(observation, NOTHING_ASKED)
        times.append(time.perf_counter() - start)
    return {"infer": percentiles(times)}


def _observations(cell: SimulatedCell, into: list):
    from vla_trials.lockstep.expert_policy import ExpertPolicy
    from vla_trials.lockstep.runner import LockstepRunner

    runner = LockstepRunner(
        cell.card, cell.world, cell.new_controller, ExpertPolicy(cell.world, cell.model, lambda: runner.controller)
    )
    runner.on_decision = lambda observation, _: into.append(observation)
    return runner


def bench_sim(card_path: str, seconds: float = 3.0) -> dict:
    """Physics steps of 2 ms with both controllers, and images at the card's sizes, a second each."""
    world = SimulatedCell(load_card(card_path)).world
    world.reset("pick", 3000)
    world.step(100)
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        world.step(50)
        steps += 50
    steps_per_s = steps / (time.perf_counter() - start)
    cameras = [camera.name for camera in world.card.cameras]
    for camera in cameras:
        world.render(camera)
    start, frames = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        for camera in cameras:
            world.render(camera)
        frames += len(cameras)
    frames_per_s = frames / (time.perf_counter() - start)
    world.close()
    return {"steps_per_s": round(steps_per_s, 1), "frames_per_s": round(frames_per_s, 1)}


def bench_lockstep(card_path: str, checkpoint: str, trials: int = 6) -> dict:
    """Virtual seconds for one second of the wall, one process, the policy deciding, both cameras rendered."""
    import torch

    torch.set_num_threads(2)
    evaluator = Evaluator(EvalRequest(card_path, checkpoint, "pick", tuple(range(2000, 2000 + trials))))
    evaluator.trial(1999)
    virtual = wall = 0.0
    for seed in range(2000, 2000 + trials):
        done = evaluator.trial(seed)
        virtual += done.result.virtual_seconds
        wall += done.seconds
    return {"realtime_factor": round(virtual / wall, 2)}
