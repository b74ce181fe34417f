"""A policy that observes, decides at random and is late: chunk after chunk, floods of them, and long pauses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np

from vla_bench.fuzz.chunks import ChunkMaker, Delivery
from vla_bench.fuzz.contents import Wishes
from vla_bench.fuzz.curve import Executed
from vla_bench.fuzz.plant import Plant
from vla_bench.fuzz.random_cell import MS, RandomCell
from vla_bench.fuzz.virtual_time import START_NS
from vla_contract.chunk import ActionChunk
from vla_controller.books.output import Output
from vla_controller.controller import ChunkController

_FLOOD, _PAUSE, _BURST = 0.045, 0.968, 0.975  # of a draw between 0 and 1: up to the first, and from the others on


class Episode(Protocol):
    """What the policy sees of the episode that it acts in."""

    cell: RandomCell
    arms: list[Executed]
    plant: Plant
    controller: ChunkController
    now: int

    @property
    def ahead(self) -> int: ...
    @property
    def clock(self) -> int: ...
    def clock_at(self, then_ns: int) -> int: ...
    def at(self, when_ns: int, event: Callable, *arguments: object) -> None: ...
    def call(self, cause: str, function: Callable, *arguments: object) -> Output | None: ...
    def as_reported(self, chunk: ActionChunk) -> ActionChunk: ...
    def enter(self, chunk: ActionChunk) -> None: ...


class RandomPolicy:
    """left: chunks that are to be handed in yet. strategy: the controller's, which may ask for steps that cover the delay."""

    def __init__(self, episode: Episode, rng: np.random.Generator, chunks: int, strategy: str) -> None:
        cell, card = episode.cell, episode.cell.card
        self._episode, self._rng, self.left = episode, rng, chunks
        covered = -(-(cell.delay_ns + 60 * MS) // card.step_period_ns) if strategy == "committed_prefix" else 0
        self._maker = ChunkMaker(rng, card, Wishes(rng, card, cell.robot), covered)

    def begin(self) -> None:
        self._episode.at(self._episode.now + int(self._rng.uniform(0, 300)) * MS, self._act)

    def _act(self) -> None:
        """Hands in what it decides now, and will again as long as chunks are left."""
        rng, episode, cell = self._rng, self._episode, self._episode.cell
        kind = rng.random()
        if kind < _FLOOD:
            self._flood()
        else:
            for delivery in self._observe_and_decide():
                self._hand_in(delivery)
        wait = int(cell.interval_ns * rng.uniform(0.5, 1.5))
        if kind > _BURST:
            wait = int(rng.uniform(0, 5) * MS)
        elif kind > _PAUSE:
            wait = cell.card.max_open_loop_ns + int(rng.uniform(0.2, 3.0) * 1e9)
        if self.left > 0:
            episode.at(episode.now + wait, self._act)

    def _flood(self) -> None:
        """Some at once."""
        episode = self._episode
        deliveries = [
            d for _ in range(int(self._rng.integers(2, 9))) for d in self._observe_and_decide() if not d.malformed
        ]
        for delivery in deliveries:
            self._enter(delivery.chunk)
        episode.call("flood", episode.controller.on_chunks, [d.chunk for d in deliveries], episode.clock, episode.now)

    def _observe_and_decide(self) -> list[Delivery]:
        rng, episode = self._rng, self._episode
        observed_ns = max(START_NS, episode.now - int(rng.uniform(0, episode.cell.delay_ns)))
        if rng.random() < 0.02:
            observed_ns = max(START_NS, episode.now - int(rng.uniform(0, 300) * MS))
        deliveries = self._maker.make(episode.clock_at(observed_ns), observed_ns, *self._observed(observed_ns))
        return [replace(delivery, chunk=episode.as_reported(delivery.chunk)) for delivery in deliveries]

    def _observed(self, observed_ns: int) -> tuple[np.ndarray, np.ndarray]:
        """What the arms were commanded then, and where they were, each (arms, J) [rad]."""
        commanded = np.stack([arm.at(observed_ns)[0] for arm in self._episode.arms])
        return commanded, self._episode.plant.state(observed_ns)[0].reshape(commanded.shape)

    def _hand_in(self, delivery: Delivery) -> Output | None:
        episode, chunk, malformed = self._episode, delivery.chunk, delivery.malformed
        self._enter(chunk)
        if malformed:
            return episode.call("malformed", episode.controller.on_malformed, chunk, malformed, episode.clock, episode.now)
        return episode.call("chunk", episode.controller.on_chunk, chunk, episode.clock, episode.now)

    def hand_in_rest(self) -> None:
        """What it still holds back."""
        for delivery in self._maker.rest():
            self._hand_in(delivery)

    def hand_in_still(self) -> Output | None:
        """A good chunk that asks for nothing to be moved."""
        episode = self._episode
        observed_ns = episode.now - min(episode.cell.delay_ns, 10 * MS)
        chunk = self._maker.still(observed_ns + episode.ahead, observed_ns, *self._observed(observed_ns))
        return self._hand_in(Delivery(chunk))

    def _enter(self, chunk: ActionChunk) -> None:
        self.left -= 1
        self._episode.enter(chunk)
