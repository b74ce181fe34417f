"""What the controllers of one robot say, where there may be more than one. No ROS here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vla_contract.status import ControllerState


@dataclass(frozen=True)
class Said:
    """Of one controller, from its newest status. node: full name."""

    node: str
    host: str
    process: int
    state: ControllerState
    message: str = ""

    def __str__(self) -> str:
        return f"{self.node} (process {self.process} on {self.host})" if self.process else self.node


def several(what: str, names: Sequence[str]) -> str:
    """That more than one answers, by name; empty where one does, or none. what: plural, "policies"."""
    return "" if len(names) < 2 else f"{len(names)} {what} answer here, and one may: {', '.join(names)}; end the others"


def name_all(publishers: Iterable[str], said: Iterable[Said]) -> list[str]:
    """A name for each controller that the graph shows; with its process where it has spoken. publishers: their nodes."""
    spoken = sorted(said, key=lambda one: (one.node, one.host, one.process))
    silent = Counter(publishers) - Counter(one.node for one in spoken)
    return [str(one) for one in spoken] + sorted(silent.elements())


def not_stopped(publishers: Iterable[str], said: Iterable[Said]) -> list[str]:
    """In words, the controllers of which it is not known that they have latched a stop."""
    spoken = list(said)
    silent = Counter(publishers) - Counter(one.node for one in spoken)
    moving = [one for one in spoken if one.state is not ControllerState.STOPPED]
    words = [f"{one} is {one.state.name}" + (f" ({one.message})" if one.message else "") for one in moving]
    return sorted(words) + [f"{name} says nothing" for name in sorted(silent.elements())]
