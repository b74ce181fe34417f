"""Clean runs and their samples, made once for a test session."""

from __future__ import annotations

from eval_paths import CARD

from vla_contract.card import load_card, parse_card
from vla_eval.cell import Cell
from vla_eval.preflight.faults import Fault, plant
from vla_eval.preflight.known import Known, known_of_checkpoint, read_metadata
from vla_eval.preflight.preflight import Preflight, preflight
from vla_eval.preflight.sampler import Sampler
from vla_eval.preflight.simulated import Recording, events, record

CHECKPOINT = CARD.parents[2] / "vla_policy_node" / "checkpoints" / "panda_tabletop.safetensors"
SECONDS = {"pick": 3.2}  # with the grasp, and so with commands to the gripper
SHORT = 2.4
REFERENCE_SEEDS = (900, 901, 902, 903)
CLEAN_SEEDS = tuple(range(10))
TASKS = ("pick", "place_in_bowl", "cup_on_coaster", "stack")


def card_with_small_pictures(side):
    """The shipped card with square pictures of so many pixels a side."""
    content = load_card(CARD).to_dict()
    for camera in content["cameras"]:
        camera["width"] = camera["height"] = side
    return parse_card(content)


def sample_of(card, stream, source="a run"):
    sampler = Sampler(card, source)
    for event in stream:
        sampler.add(event)
    return sampler.finish()


class Runs:
    """Trials of the expert: ten to check, the beginnings of four more as the reference of pictures."""

    def __init__(self) -> None:
        self.card = load_card(CARD)
        self.metadata = read_metadata(CHECKPOINT)
        cell = Cell(self.card)
        tasks = [TASKS[seed % len(TASKS)] for seed in CLEAN_SEEDS]
        self.clean = [record(cell, task, seed, SECONDS.get(task, SHORT)) for task, seed in zip(tasks, CLEAN_SEEDS)]
        references = [record(cell, TASKS[seed % len(TASKS)], seed, 0.3) for seed in REFERENCE_SEEDS]
        cell.world.close()
        self.pictures = sample_of(self.card, (e for r in references for e in events(r))).cameras

    def known(self, metadata: dict[str, str] | None = None) -> Known:
        known = known_of_checkpoint(self.metadata if metadata is None else metadata, "checkpoint", self.card)
        known.pictures = {name: camera.thumbnails for name, camera in self.pictures.items()}
        known.reference = "the reference"
        return known

    def check(self, recording: Recording, *, alter=lambda stream: stream, metadata=None, card=None) -> Preflight:
        card = card or self.card
        return preflight(card, sample_of(card, alter(events(recording))), self.known(metadata))

    def check_with(self, fault: Fault, recording: Recording) -> Preflight:
        return self.check(
            recording, alter=lambda stream: plant(fault, self.card, stream), metadata=fault.alter_metadata(self.metadata)
        )


