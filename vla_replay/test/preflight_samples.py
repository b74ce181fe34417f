"""Clean runs and their samples, made once for a test session."""

from __future__ import annotations

import numpy as np
from shipped_paths import CARD

from vla_bench.preflight.faults import Fault, plant
from vla_bench.preflight.simulated import Recording, events, record
from vla_contract.card import load_card, parse_card
from vla_replay.preflight.events import CommandEvent, Event, HashEvent, ImageEvent, JointEvent
from vla_replay.preflight.known import Known, known_of_checkpoint, read_images, read_metadata
from vla_replay.preflight.preflight import Preflight, preflight
from vla_replay.preflight.sampler import Sampler
from vla_replay.preflight.topics import CHUNK, CHUNK_TOPIC, IMAGE, INFO, INFO_TOPIC, JOINTS, TRAJECTORY
from vla_trials.lockstep.simulated_cell import SimulatedCell

CHECKPOINT = CARD.parents[2] / "vla_policy" / "checkpoints" / "panda_tabletop.safetensors"
SECONDS = {"pick": 3.2}  # with the grasp, and so with commands to the gripper
SHORT = 2.4
CLEAN_SEEDS = tuple(range(10))
MS = 1_000_000
START = 5_000_000_000
SIDE = 64
"""Of the images of ``made_up`` [px]."""
TASKS = ("pick", "place_in_bowl", "cup_on_coaster", "stack")


def card_with_small_images(side):
    """The shipped card with square images of so many pixels a side."""
    content = load_card(CARD).to_dict()
    for camera in content["cameras"]:
        camera["width"] = camera["height"] = side
    return parse_card(content)


def sample_of(card, stream, source="a run"):
    sampler = Sampler(card, source)
    for event in stream:
        sampler.add(event)
    return sampler.finish()


def made_up(card, seconds=2.0, cameras=("front", "wrist")):
    """A run in which joint 1 swings and follows its command."""
    rng = np.random.default_rng(0)
    names = (*card.arms[0].joints, card.arms[0].gripper.joint)

    def pose(at):
        q = np.array([*card.arms[0].home, 0.04])
        q[0] += 0.3 * np.sin(at / 1e9)
        return q

    made: list[Event] = [HashEvent(INFO_TOPIC, INFO, START, START, {"card_hash": card.card_hash})]
    for k in range(int(seconds * 100)):
        at = START + k * 10 * MS
        made.append(JointEvent(card.state.topic, JOINTS, at + MS, at, names, {"position": pose(at)}))
    for k in range(int(seconds * 10)):
        at = START + k * 100 * MS
        made.append(HashEvent(CHUNK_TOPIC, CHUNK, at + 60 * MS, at, {"card_hash": card.card_hash}, 16))
        times = at + np.arange(1, 9) * 20 * MS
        positions = np.stack([pose(time)[:7] for time in times])
        topic = card.arms[0].trajectory_topic
        made.append(CommandEvent(topic, TRAJECTORY, at, at, tuple(card.arms[0].joints), times, positions))
    for k in range(int(seconds * 30)):
        for name in cameras:
            pixels = rng.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
            at = START + k * 1_000 * MS // 30
            made.append(ImageEvent(card.camera(name).topic, IMAGE, at + 5 * MS, at, "rgb8", SIDE, SIDE, pixels))
    return sorted(made, key=lambda event: event.receive_ns)


class Runs:
    """Ten trials of the expert to check, against the statistics and images of the shipped checkpoint."""

    def __init__(self) -> None:
        self.card = load_card(CARD)
        self.metadata = read_metadata(CHECKPOINT)
        cell = SimulatedCell(self.card)
        tasks = [TASKS[seed % len(TASKS)] for seed in CLEAN_SEEDS]
        self.clean = [record(cell, task, seed, SECONDS.get(task, SHORT)) for task, seed in zip(tasks, CLEAN_SEEDS)]
        cell.world.close()

    def known(self, metadata: dict[str, str] | None = None) -> Known:
        known = known_of_checkpoint(self.metadata if metadata is None else metadata, "checkpoint", self.card)
        known.images, known.reference = read_images(CHECKPOINT), "the training"
        return known

    def check(self, recording: Recording, *, alter=lambda stream: stream, metadata=None, card=None) -> Preflight:
        card = card or self.card
        return preflight(card, sample_of(card, alter(events(recording))), self.known(metadata))

    def check_with(self, fault: Fault, recording: Recording) -> Preflight:
        return self.check(
            recording, alter=lambda stream: plant(fault, self.card, stream), metadata=fault.alter_metadata(self.metadata)
        )


