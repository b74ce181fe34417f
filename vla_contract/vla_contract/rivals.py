"""Who else does what one node alone may do, told from who publishes where. No ROS here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

UNNAMED = "a node that gives no name"
"""Of a publisher whose node the graph does not show: plain DDS, or not known yet."""


class RivalError(RuntimeError):
    """A node does not start, because another one does already what one alone may do. The message names it and what to do."""


@dataclass(frozen=True)
class Claim:
    """What one node alone may do.

    topic: Whoever else publishes there is a rival; relative as in the card, or absolute. deed: what it does, in words, as they
    follow its name: "commands the arm".
    """

    topic: str
    deed: str


def others(publishers: Iterable[str], own_node: str, own: int) -> list[str]:
    """Names of the nodes that publish, one for each publisher, less those of this node. Sorted, each once.

    publishers: full name of the node behind each publisher. own: how many of them are this node's. One more of its own name is
    another node of the same name, and is told as such.
    """
    left = Counter(publishers)
    left[own_node] -= min(own, left[own_node])
    return sorted({f"another {name}" if name == own_node else name for name in left.elements()})


def in_words(claims: Iterable[Claim], found: Mapping[str, list[str]]) -> str:
    """Who does what beside this node, and where. found: the others on each claim's topic; "" where there are none."""
    deeds: dict[str, list[str]] = {}
    for claim in claims:
        for name in found.get(claim.topic, ()):
            deeds.setdefault(name, []).append(f"{claim.deed} ({claim.topic})")
    return "; ".join(f"{name} {' and '.join(done)}" for name, done in deeds.items())


def outsiders(controllers: Iterable[str], publishers: Iterable[str]) -> list[str]:
    """Of the nodes behind a topic's publishers, one name for each, those that are no controllers. Sorted, each once."""
    return sorted((Counter(publishers) - Counter(controllers)).keys())
