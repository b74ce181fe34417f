"""Trials through the running graph, with a table that grows as they finish."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial

import numpy as np
from rich.console import Console
from sensor_msgs.msg import JointState

from vla_contract.card import InterfaceCard
from vla_contract.card_state import JOINT_STATES, TYPES
from vla_contract.ros.qos import SENSOR
from vla_contract.ros.stamps import stamp_to_ns
from vla_graph.process import GraphProcess
from vla_graph.ros.client import GraphClient, GraphError, Heard
from vla_msgs.action import RunTask
from vla_trials.graph.film import FRAME_RATE, Take

EPILOGUE_S = 0.8
"""How long the film of a trial goes on after its end [s]."""


class _Camera:
    """Keeps states for the film at its frame rate."""

    def __init__(self, client: GraphClient, card: InterfaceCard) -> None:
        self._client = client
        self._last_ns = 0
        self.take: Take | None = None
        self._state, self._joints = card.state, {}
        for topic, kind in card.state.topics.items():
            if kind == TYPES[JOINT_STATES]:
                client.node.create_subscription(JointState, topic, partial(self._on_state, topic), SENSOR)

    def _on_state(self, topic: str, message: JointState) -> None:
        self._joints.update(zip(message.name, message.position, strict=True))
        if topic != self._state.topic:
            return
        now = stamp_to_ns(message.header.stamp)
        if self.take is None or self._client.task_state is None or now - self._last_ns < 1e9 / FRAME_RATE:
            return
        self._last_ns = now
        objects = {
            o.name: np.array(
                [
                    o.pose.position.x,
                    o.pose.position.y,
                    o.pose.position.z,
                    o.pose.orientation.x,
                    o.pose.orientation.y,
                    o.pose.orientation.z,
                    o.pose.orientation.w,
                ]
            )
            for o in self._client.task_state.objects
        }
        self.take.states.append((dict(self._joints), objects))


def run_trials(
    graph: GraphProcess,
    card: InterfaceCard,
    task: str,
    seeds: Iterable[int],
    limit_s: float,
    console: Console,
    *,
    film: bool = True,
) -> tuple[list[dict], list[Take], Heard]:
    """Reset and run each seed.

    Returns:
        A row for each trial, its take where `film` asks for them, and all that the graph said.

    Raises:
        GraphError: The graph ended, or a part of it did not answer.
    """
    rows, takes = [], []
    with GraphClient("vla_demo") as client:
        camera = _Camera(client, card)
        _wait_ready(graph, client)
        console.print(f"{'seed':>6}  {'instruction':<44} {'outcome':<9} {'seconds':>7}")
        for seed in seeds:
            graph.check_alive()
            instruction = client.reset(task, seed)
            take = Take(instruction)
            camera.take = take if film else None
            result = client.run_task(instruction, limit_s)
            if film:
                time.sleep(EPILOGUE_S)
            camera.take = None
            success = result.outcome == RunTask.Result.SUCCESS
            take.success = success
            seconds = stamp_to_ns(result.elapsed) / 1e9
            rows.append(
                {
                    "instruction": instruction,
                    "seed": seed,
                    "success": success,
                    "seconds": round(seconds, 2),
                    "chunks": result.chunks_published,
                    "steps_executed": result.steps_executed,
                    "steps_clamped": result.steps_clamped,
                    "message": result.message,
                }
            )
            takes.append(take)
            word = "[green]done[/green]    " if success else "[red]not done[/red]"
            console.print(
                f"{seed:>6}  {instruction:<44} {word:<9} {seconds:>7.1f}  {result.message if not success else ''}"
            )
        heard = client.clear()
    return rows, takes, heard


def _wait_ready(graph: GraphProcess, client: GraphClient, timeout: float = 90.0) -> None:
    waited = 0.0
    while True:
        graph.check_alive()
        try:
            client.wait_ready(timeout=1.0)
            return
        except GraphError:
            waited += 1.0
            if waited >= timeout:
                raise
