"""What an instruction means: which task of the card, with which values, whatever its case and punctuation.

A sentence that the card has means what the card says. How near another one comes is for a sentence encoder to say, which is not
in this package: ``understand`` takes it as a function. What is named must be named alike, however near the rest comes: an
instruction of two blocks is no instruction of one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from vla_contract.card_content import CardContent
from vla_contract.card_sections import TaskCard
from vla_contract.instruction_words import (
    CHANGES,
    FUNCTION,
    forbidding_word,
    means_stop,
    normalised,
    stopping_word,
    strange_verb,
)

__all__ = ["InstructionError", "Meaning", "Words", "meanings", "means_stop", "normalised", "understand"]

NEAR = 0.75
"""Least cosine of two sentences that may mean the same. Measured on paraphrases of the shipped cards' sentences."""
LONGEST = 1_000
"""Characters of an instruction: it is in each status of a run, and in its rows."""


class Words(Enum):
    """Which instructions a robot takes."""

    ANY = "any"
    """All but those that mean stop or forbid: what the policy makes of them is its business."""
    NEAR = "near"
    """Those that mean a sentence of the card."""
    CARD = "card"
    """The card's sentences only."""


class InstructionError(ValueError):
    """An instruction that no run may begin on. The message says why, and what is allowed."""


@dataclass(frozen=True)
class Meaning:
    """A task of the card, with a value for each of its slots.

    sentence: the card's sentence that it was understood by. sure: 1 for the card's own words, else the cosine, 0 to 1.
    """

    task: str
    slots: tuple[tuple[str, str], ...]
    sentence: str
    sure: float = 1.0

    def is_same(self, other: Meaning | None) -> bool:
        """Both ask for the same thing, in whatever words."""
        return other is not None and (self.task, self.slots) == (other.task, other.slots)


Nearest = Callable[[str, Sequence[str]], tuple[int, float]]
"""(text, sentences) -> number of the nearest sentence, and its cosine with the text."""


def meanings(card: CardContent) -> dict[str, Meaning]:
    """Every sentence of the card, normalised, with what it means. The first task that has a sentence keeps it."""
    found: dict[str, Meaning] = {}
    for task in card.tasks:
        for sentence, slots in task.readings():
            found.setdefault(normalised(sentence), Meaning(task.name, slots, sentence))
    return found


def instruction_problem(text: str) -> str:
    """Why a text can be no instruction, whatever the card; empty where it can."""
    if not normalised(text):
        return "is empty; say what to do, in words"
    return f"has {len(text)} characters, allowed are up to {LONGEST}" if len(text) > LONGEST else ""


def understand(card: CardContent, text: str, words: Words = Words.ANY, nearest: Nearest | None = None) -> Meaning | None:
    """What the text means; None: nothing that the card knows, where ``words`` is ANY.

    nearest: says which sentence comes nearest; without it only the card's own sentences are understood.

    Raises InstructionError for a text that is empty or too long, one that means stop or forbids
    something and is no sentence of the card, and one that ``words`` does not allow.
    """
    if instruction_problem(text):
        raise InstructionError(f"instruction {instruction_problem(text)}")
    plain = normalised(text)
    known = meanings(card)
    if plain in known:
        return known[plain]
    _refuse_stops(card, text)
    listed = f"the card's sentences are like: {'; '.join(m.sentence for m in _examples(card, known))}"
    if words is Words.CARD or nearest is None:
        if words is Words.ANY:
            return None
        raise InstructionError(f"'{text.strip()}' is no sentence of card '{card.name}'; {listed}")
    sentences = list(known)
    index, cosine = nearest(plain, sentences)
    meaning = known[sentences[index]]
    named, wanted = _named(card, plain), _named(card, sentences[index])
    others = CHANGES | _words_of_others(known, meaning.task)
    other = sorted(set(plain.split()) & others - set(sentences[index].split()))
    other = other or [verb for verb in [strange_verb(text, _words_of(known, meaning.task))] if verb]
    problem = ""
    if named != wanted:
        own = _list(named) if named else "nothing that the card has"
        problem = f"it names {own}, the nearest sentence, '{meaning.sentence}', names {_list(wanted)}"
    elif other:
        problem = f"'{other[0]}' is not in what the nearest sentence, '{meaning.sentence}', asks for"
    elif cosine < NEAR:
        problem = f"the nearest sentence is '{meaning.sentence}', at {cosine:.2f} of 1, {NEAR:g} is needed"
    if problem:
        if words is Words.ANY:
            return None
        raise InstructionError(f"'{text.strip()}' means no task of card '{card.name}': {problem}; {listed}")
    return Meaning(meaning.task, meaning.slots, meaning.sentence, round(float(cosine), 3))


def _refuse_stops(card: CardContent, text: str) -> None:
    """Raises InstructionError for a text with words that mean to stop or forbid."""
    said = text.strip()
    if means_stop(text):
        raise InstructionError(f"'{said}' means to stop, and starts no run; `vla stop` brakes the arm and latches")
    names = [value for task in card.tasks for options in task.slots.values() for value in options]
    if word := stopping_word(text, names):
        raise InstructionError(
            f"'{said}' has '{word}' in it, which means to stop, and starts no run; `vla stop` brakes the arm and latches"
        )
    if word := forbidding_word(text, names):
        raise InstructionError(f"'{said}' says what not to do ('{word}'), and starts no run; say what to do")


def _named(card: CardContent, plain: str) -> tuple[str, ...]:
    """Values of slots that a text names, in its order, repeated ones too."""
    values = {normalised(value) for task in card.tasks for options in task.slots.values() for value in options}
    pattern = "|".join(re.escape(value) for value in sorted(values, key=len, reverse=True))
    return tuple(re.findall(rf"\b(?:{pattern})\b", plain)) if values else ()


def _words_of_others(known: dict[str, Meaning], task: str) -> set[str]:
    """Words of the card that no sentence of this task has: they name another task's things."""
    return {word for plain in known for word in plain.split()} - _words_of(known, task) - FUNCTION


def _words_of(known: dict[str, Meaning], task: str) -> set[str]:
    """Words of this task's sentences."""
    return {word for plain, meaning in known.items() if meaning.task == task for word in plain.split()}


def _examples(card: CardContent, known: dict[str, Meaning]) -> list[Meaning]:
    """One sentence of each task."""
    first: dict[str, Meaning] = {}
    for meaning in known.values():
        first.setdefault(meaning.task, meaning)
    return list(first.values())


def _list(values: Sequence[str]) -> str:
    return " and ".join(values) or "nothing"


def task_of(card: CardContent, meaning: Meaning | None) -> TaskCard | None:
    """The card's task that is meant."""
    return None if meaning is None else card.task(meaning.task)
