"""Figures of the whole suite: the live graph, the policy alone, the simulator alone, the lockstep driver."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from rich.console import Console

from vla_contract.card import load_card
from vla_contract.chunk import ActionChunk
from vla_contract.report import ChunkReport, Phase, Verdict
from vla_eval.cell import Cell
from vla_eval.evaluation import EvalRequest, Evaluator


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Median and 99th percentile [ms]."""
    if not seconds:
        return {"p50_ms": float("nan"), "p99_ms": float("nan"), "count": 0}
    p50, p99 = np.percentile(seconds, [50, 99]) * 1e3
    return {"p50_ms": round(float(p50), 2), "p99_ms": round(float(p99), 2), "count": len(seconds)}


def graph_figures(chunks: list[tuple[int, ActionChunk]], reports: list[tuple[int, ChunkReport]]) -> dict:
    """Latencies of the live graph from chunks and reports, each with its arrival on the steady clock [ns].

    Camera stamps are ROS time; a chunk carries the start of inference on both clocks, which ties one to the other.
    """
    planned = {
        (r.run_id, r.sequence): r for _, r in reports if r.phase is Phase.SCHEDULED and r.verdict is Verdict.ACCEPTED
    }
    camera_to_chunk, overhead, planning, model = [], [], [], []
    for arrival, chunk in chunks:
        if chunk.horizon == 0:
            continue
        camera = chunk.inference_start_steady_ns - (chunk.inference_start_ns - chunk.stamp_ns)
        inference = chunk.inference_end_steady_ns - chunk.inference_start_steady_ns
        camera_to_chunk.append((arrival - camera) / 1e9)
        model.append(inference / 1e9)
        report = planned.get((chunk.run_id, chunk.sequence))
        if report is not None and report.published_steady_ns:
            overhead.append((report.published_steady_ns - camera - inference) / 1e9)
            planning.append((report.published_steady_ns - report.received_steady_ns) / 1e9)
    share = float(np.sum(model) / np.sum(camera_to_chunk)) if camera_to_chunk else float("nan")
    return {
        "camera_to_chunk": {**percentiles(camera_to_chunk), "model_share": round(share, 3)},
        "overhead": percentiles(overhead),
        "chunk_to_trajectory": percentiles(planning),
    }


def bench_graph(card_path: str, checkpoint: str, out: Path, trials: int) -> dict:
    """Trials through processes, paced and stamped by the wall."""
    from vla_eval.graph_process import GraphProcess, free_domain
    from vla_eval.graph_trials import run_trials

    card = load_card(card_path)
    arguments = {"card": card_path, "checkpoint": checkpoint, "task": "pick", "seed": 2000, "use_sim_time": "false"}
    with GraphProcess(arguments, out / "graph.log", free_domain()) as graph:
        rows, _, heard = run_trials(graph, card, "pick", range(2000, 2000 + trials), 12.0, Console(), film=False)
    figures = graph_figures(heard.chunks, heard.reports)
    figures["trials"] = {"count": len(rows), "successes": sum(row["success"] for row in rows)}
    return figures


def bench_policy(card_path: str, checkpoint: str, count: int = 200) -> dict:
    """One observation to one chunk of actions: preprocessing, language from the cache, model, un-normalisation."""
    cell = Cell(load_card(card_path))
    policy = cell.load_policy(checkpoint)
    observations = []
    evaluator = _observations(cell, observations)
    evaluator.run("pick", 3000)
    cell.world.close()
    policy.reset()
    for k in range(10):
        policy.infer(observations[k % len(observations)])
    times = []
    for k in range(count):
        observation = observations[k % len(observations)]
        start = time.perf_counter()
        policy.infer(observation)
        times.append(time.perf_counter() - start)
    return {"infer": percentiles(times)}


def _observations(cell: Cell, into: list):
    from vla_eval.expert_policy import ExpertPolicy
    from vla_eval.lockstep import LockstepRunner

    runner = LockstepRunner(
        cell.card, cell.world, cell.new_controller, ExpertPolicy(cell.world, cell.model, lambda: runner.controller)
    )
    runner.on_decision = lambda observation, _: into.append(observation)
    return runner


def bench_sim(card_path: str, seconds: float = 3.0) -> dict:
    """Physics steps of 2 ms with both controllers, and pictures at the card's sizes, a second each."""
    world = Cell(load_card(card_path)).world
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
