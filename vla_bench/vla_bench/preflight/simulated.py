"""Runs of the simulated cell as events, in memory: what a bag of the graph would hold, at a fraction of its cost."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.chunk import ActionChunk
from vla_contract.observation import VLAObservation
from vla_replay.preflight.events import CommandEvent, Event, HashEvent, ImageEvent, JointEvent
from vla_replay.preflight.topics import CHUNK, CHUNK_TOPIC, IMAGE, INFO, INFO_TOPIC, JOINTS, TRAJECTORY
from vla_trials.lockstep.expert_policy import ExpertPolicy
from vla_trials.lockstep.runner import LockstepRunner
from vla_trials.lockstep.simulated_cell import SimulatedCell

IMAGE_DELAY_NS, STATE_DELAY_NS = 9_000_000, 1_000_000
JITTER_NS = 1_500_000
"""Spread of the delay of images on their way [ns]."""
NOISY = 16
"""Side of the corner that differs from one image to the next [px]; it survives a JPEG."""


@dataclass
class Recording:
    """One trial of the expert. Images are those that it decided on; see ``events``."""

    card: InterfaceCard
    seed: int
    start_ns: int
    end_ns: int
    names: tuple[str, ...]
    states: list[tuple[int, np.ndarray, np.ndarray]] = field(default_factory=list)
    images: list[tuple[int, dict[str, np.ndarray]]] = field(default_factory=list)
    commands: list[CommandEvent] = field(default_factory=list)


def record(cell: SimulatedCell, task: str, seed: int, seconds: float) -> Recording:
    """The expert in lockstep for at most ``seconds`` of virtual time."""
    world = cell.world
    runner = LockstepRunner(
        cell.card, world, cell.new_controller, ExpertPolicy(cell.world, cell.model, lambda: runner.controller)
    )
    recording = Recording(cell.card, seed, world.now_ns, world.now_ns, world.joint_names)

    def tick(now: int) -> None:
        _, positions, velocities = world.joint_state()
        recording.states.append((now, positions, velocities))

    def decision(observation: VLAObservation, _: ActionChunk) -> None:
        recording.images.append((observation.stamp_ns, dict(observation.images)))

    def submit(trajectory, topic=None):
        start = trajectory.stamp_ns or world.now_ns
        recording.commands.append(
            CommandEvent(trajectory.topic, TRAJECTORY, world.now_ns, trajectory.stamp_ns, tuple(trajectory.joint_names),
                         start + trajectory.times_ns, np.array(trajectory.positions))
        )  # fmt: skip
        return type(world).submit(world, trajectory, topic)

    runner.on_tick, runner.on_decision = tick, decision
    world.submit = submit
    try:
        runner.run(task, seed, time_limit_s=seconds)
    finally:
        del world.submit
    recording.end_ns = world.now_ns
    return recording


def events(recording: Recording) -> Iterator[Event]:
    """All messages in the order of their arrival.

    Images come at the card's rate; between two that were rendered, the last one again with another corner: no two are equal.
    """
    card = recording.card
    streams = [_states(recording), iter(recording.commands), _hashes(recording)]
    streams += [_images(recording, camera.name) for camera in card.cameras]
    return heapq.merge(*streams, key=lambda event: event.receive_ns)


def _states(recording: Recording) -> Iterator[Event]:
    topic = recording.card.state.topic
    for now, positions, velocities in recording.states:
        values = {"position": positions, "velocity": velocities}
        yield JointEvent(topic, JOINTS, now + STATE_DELAY_NS, now, recording.names, values)


def _hashes(recording: Recording) -> Iterator[Event]:
    card = recording.card
    info = {"card_hash": card.card_hash, "policy_hash": card.policy_hash}
    yield HashEvent(INFO_TOPIC, INFO, recording.start_ns, recording.start_ns, info)
    for stamp, _ in recording.images:
        yield HashEvent(CHUNK_TOPIC, CHUNK, stamp + 60_000_000, stamp, {"card_hash": card.card_hash}, card.action.horizon)


def _images(recording: Recording, name: str) -> Iterator[Event]:
    camera = recording.card.camera(name)
    rng = np.random.default_rng([recording.seed, recording.card.camera_names.index(name)])
    shown = 0
    for frame in range(int((recording.end_ns - recording.start_ns) * camera.rate / 1e9)):
        stamp = recording.start_ns + int(frame * 1e9 / camera.rate)
        while shown + 1 < len(recording.images) and recording.images[shown + 1][0] <= stamp:
            shown += 1
        pixels = recording.images[shown][1][name].copy()
        pixels[:NOISY, :NOISY] ^= np.uint8(frame * 37 % 31 + 1)
        arrival = stamp + IMAGE_DELAY_NS + int(rng.uniform(0, JITTER_NS))
        yield ImageEvent(camera.topic, IMAGE, arrival, stamp, camera.encoding, camera.width, camera.height, pixels)
