"""A preflight of what the user named: graph, bag, checkpoint, reference."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vla_contract.card import InterfaceCard
from vla_replay.preflight.finding import PreflightError
from vla_replay.preflight.known import Known, known_of_checkpoint, read_images, read_metadata
from vla_replay.preflight.preflight import Preflight, preflight
from vla_replay.preflight.sample import Sample

GRAPH_SECONDS, BAG_SECONDS = 5.0, 60.0
"""How long to listen, and how much of a bag to read, unless the user says [s]."""
LEAST_SECONDS = 1.0

Listen = Callable[[InterfaceCard, str, float], Sample]


@dataclass(frozen=True)
class Source:
    """What to compare the card with; each part may be absent.

    Attributes:
        bag: Path; graph: listen to the running one. Not both.
        checkpoint, reference: Paths.
        namespace: Of the robot; None: the bag's own, or none.
        seconds: To listen, or of the bag [s]; infinite: the whole bag.

    Raises:
        PreflightError: Parts that exclude or need each other, or a wrong number of seconds.
    """

    bag: Path | None = None
    graph: bool = False
    checkpoint: Path | None = None
    reference: Path | None = None
    namespace: str | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.graph and self.bag is not None:
            raise PreflightError("--graph and --bag: one of the two is allowed, each is a check of its own")
        if self.seconds is not None and not self.seconds >= LEAST_SECONDS:  # so that nan is refused, too
            raise PreflightError(f"--seconds {self.seconds:g}: allowed are {LEAST_SECONDS:g} and above")
        if self.graph and self.seconds == math.inf:
            raise PreflightError(f"--seconds inf with --graph would never end: allowed are {LEAST_SECONDS:g} and above")
        if not self.graph and self.bag is None:
            for option, value in (("reference", self.reference), ("namespace", self.namespace), ("seconds", self.seconds)):
                if value is not None:
                    raise PreflightError(f"--{option} needs --graph or --bag, whose messages it is about")

    @property
    def is_empty(self) -> bool:
        """Only the card itself is to be checked."""
        return not self.graph and self.bag is None and self.checkpoint is None


def examine(card: InterfaceCard, source: Source, listen: Listen) -> Preflight:
    """Runs the preflight.

    listen: Takes the messages of the running graph, where the source is one: card, namespace, how long [s].

    Raises:
        PreflightError, or the errors of bags and demonstrations, for what cannot be read.
    """
    known = Known()
    checkpoint = source.checkpoint or _recorded_checkpoint(card, source)
    if checkpoint is not None:
        known = known_of_checkpoint(read_metadata(checkpoint, card.policy_hash), f"checkpoint {checkpoint.name}", card)
        known.images, known.reference = read_images(checkpoint, card.policy_hash), "the training"
    if source.reference is not None:
        from vla_replay.preflight.reference import reference_images

        known.images = reference_images(source.reference, card, namespace=source.namespace)
        known.reference = source.reference.name
    return preflight(card, _sample(card, source, listen), known)


def _recorded_checkpoint(card: InterfaceCard, source: Source) -> Path | None:
    """The checkpoint that the bag was recorded with, where it is still there and was trained for this card."""
    if source.bag is None:
        return None
    from vla_bags.reader import Bag
    from vla_replay.offline.inputs import recorded_checkpoint

    with Bag(source.bag, source.namespace) as bag:
        path, _ = recorded_checkpoint(bag)
    if path is None or read_metadata(path, card.policy_hash).get("policy_hash") != card.policy_hash:
        return None
    return path


def _sample(card: InterfaceCard, source: Source, listen: Listen) -> Sample | None:
    if source.bag is not None:
        from vla_replay.preflight.from_bag import sample_of_bag

        return sample_of_bag(source.bag, card, namespace=source.namespace, seconds=source.seconds or BAG_SECONDS)
    return listen(card, source.namespace or "", source.seconds or GRAPH_SECONDS) if source.graph else None
