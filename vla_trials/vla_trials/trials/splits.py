"""Which scenes and sentences trials are on, by ranges of seeds that cannot overlap.

A seed draws the whole scene (`vla_sim.tasks`), so that two splits share a scene only where they share a seed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from vla_contract.card import InterfaceCard
from vla_sim.tasks import TASK_NAMES, TaskInstance
from vla_trials.trials.errors import TrialsError


@dataclass(frozen=True)
class Split:
    """A range of seeds, and whether the sentences are new too."""

    seeds: range
    help: str
    new_words: bool = False


SPLITS: dict[str, Split] = {
    "train": Split(range(0, 1_000), "seeds that demonstrations take (`vla demos` counts from 0)"),
    "held_out": Split(range(50_000, 100_000), "scenes that no demonstration shows, the card's sentences"),
    "held_out_words": Split(
        range(100_000, 150_000), "scenes that no demonstration shows, sentences that the card does not have", True
    ),
}
"""Their ranges are disjoint; a test says so."""

NEW_WORDS: dict[str, tuple[str, ...]] = {
    "pick": (
        "hold the {color} block up in the air",
        "fetch the {color} cube",
        "take hold of the {color} block and raise it",
        "i want the {color} block, pick it up",
    ),
    "place_in_bowl": (
        "the bowl should contain the {color} block",
        "carry the {color} cube over to the bowl and drop it",
        "let the {color} block fall into the bowl",
    ),
    "cup_on_coaster": (
        "stand the cup on top of the coaster",
        "the coaster is where the cup belongs",
        "bring the mug to the coaster and set it down",
    ),
    "stack": (
        "rest the {color} cube upon the {other} cube",
        "the {other} block should carry the {color} block",
        "pile the {color} block onto the {other} one",
    ),
}
"""Sentences for the tasks that no card of ours has."""


def split_of(seeds: Iterable[int]) -> str:
    """Name of the split that holds all of these seeds; empty where none does.

    Never one with new sentences: those are for who asks for that split.
    """
    seeds = list(seeds)
    for name, split in SPLITS.items():
        if not split.new_words and all(seed in split.seeds for seed in seeds):
            return name
    return ""


def seeds_of(split: str, first: int | None, count: int) -> tuple[int, ...]:
    """Seeds in a row from a split, from its start where no first one is given.

    Raises:
        TrialsError: An unknown split, or seeds that leave its range.
    """
    if split not in SPLITS:
        raise TrialsError(f"no split '{split}'; there are: {', '.join(SPLITS)}")
    allowed = SPLITS[split].seeds
    first = allowed.start if first is None else first
    if first not in allowed or first + count - 1 not in allowed:
        raise TrialsError(
            f"seeds {first} to {first + count - 1} are not all in split '{split}': "
            f"its seeds are {allowed.start} to {allowed.stop - 1}"
        )
    return tuple(range(first, first + count))


def check_new_words(card: InterfaceCard) -> None:
    """Raises TrialsError where the card has one of `NEW_WORDS`: it would not be new to a policy trained on the card."""
    for task in card.tasks:
        known = {" ".join(str(wording).lower().split()) for wording in task.wording}
        for sentence in NEW_WORDS.get(task.name, ()):
            if sentence in known:
                raise TrialsError(f"split 'held_out_words': card '{card.name}' has the sentence '{sentence}' itself")


def new_instruction(task: TaskInstance) -> str:
    """A sentence of `NEW_WORDS` for this trial, drawn from its task and seed."""
    rng = np.random.default_rng([TASK_NAMES.index(task.name), task.seed, 2000])
    sentences = NEW_WORDS[task.name]
    color = task.target.removesuffix("_block")
    other = (task.destination or "").removesuffix("_block")
    return sentences[int(rng.integers(len(sentences)))].format(color=color, other=other)
