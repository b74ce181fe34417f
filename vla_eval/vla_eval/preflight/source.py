"""A preflight of what the user named: graph, bag, checkpoint, reference."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path

from vla_contract.card import InterfaceCard
from vla_contract.evidence import json_ready
from vla_eval.preflight.finding import PreflightError
from vla_eval.preflight.known import Known, known_of_checkpoint, read_metadata, read_pictures
from vla_eval.preflight.preflight import Preflight, preflight
from vla_eval.preflight.sample import Sample

GRAPH_SECONDS, BAG_SECONDS = 5.0, 60.0
"""How long to listen, and how much of a bag to read, unless the user says [s]."""
LEAST_SECONDS = 1.0


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

    def asked(self, card: str) -> dict:
        """Options of `vla card check`, ready for JSON; null: not given. card: as the user named it."""
        paths = {"bag": self.bag, "checkpoint": self.checkpoint, "reference": self.reference}
        return json_ready({
            "card": card, "graph": self.graph, **{name: None if p is None else str(p) for name, p in paths.items()},
            "namespace": self.namespace, "seconds": self.seconds,
        })  # fmt: skip


def examine(card: InterfaceCard, source: Source) -> Preflight:
    """Runs the preflight. Raises PreflightError, or the errors of bags and demonstrations, for what cannot be read."""
    known = Known()
    checkpoint = source.checkpoint or _recorded_checkpoint(card, source)
    if checkpoint is not None:
        known = known_of_checkpoint(read_metadata(checkpoint), f"checkpoint {checkpoint.name}", card)
        known.pictures, known.reference = read_pictures(checkpoint), "the training"
    if source.reference is not None:
        from vla_eval.preflight.reference import reference_pictures

        known.pictures = reference_pictures(source.reference, card, namespace=source.namespace)
        known.reference = source.reference.name
    return preflight(card, _sample(card, source), known)


def _recorded_checkpoint(card: InterfaceCard, source: Source) -> Path | None:
    """The checkpoint that the bag was recorded with, where it is still there and was trained for this card."""
    if source.bag is None:
        return None
    from vla_eval.bags.reader import Bag
    from vla_eval.replay.cell import recorded_checkpoint

    with Bag(source.bag, source.namespace) as bag:
        path, _ = recorded_checkpoint(bag)
    if path is None or read_metadata(path).get("policy_hash") != card.policy_hash:
        return None
    return path


def _sample(card: InterfaceCard, source: Source) -> Sample | None:
    if source.bag is not None:
        from vla_eval.preflight.from_bag import sample_of_bag

        return sample_of_bag(source.bag, card, namespace=source.namespace, seconds=source.seconds or BAG_SECONDS)
    if not source.graph:
        return None
    from tqdm import tqdm

    from vla_eval.preflight.from_graph import sample_of_graph

    seconds = source.seconds or GRAPH_SECONDS
    with tqdm(total=seconds, desc="listening", unit="s", bar_format="{desc}: {n:.1f} of {total:.1f} s", file=sys.stderr,
              leave=False) as bar:  # fmt: skip
        def progress(elapsed: float) -> None:
            bar.update(elapsed - bar.n)

        return sample_of_graph(card, namespace=source.namespace or "", seconds=seconds, progress=progress)
