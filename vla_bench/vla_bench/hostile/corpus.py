"""The whole corpus, and the part of it that the tests run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from vla_bench.hostile.case import Case


def corpus() -> list[Case]:
    """All cases, of different names."""
    from vla_bench.hostile import bags, cards, checkpoints, demonstrations, run_writes, runs

    found = [case for part in (cards, bags, runs, run_writes, checkpoints, demonstrations) for case in part.cases()]
    twice = [name for name, count in Counter(case.name for case in found).items() if count > 1]
    if twice:
        raise ValueError(f"cases of the same name: {', '.join(twice)}")
    return found


def chosen(words: Sequence[str], *, representative: bool = False) -> list[Case]:
    """Cases whose names hold one of these words, or all; of them those for tests."""
    found = [case for case in corpus() if not words or any(word in case.name for word in words)]
    return [case for case in found if case.representative] if representative else found
