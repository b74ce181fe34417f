"""Chunks as they reach the controller: mostly good ones, and every way of being a bad one."""

from __future__ import annotations

import dataclasses
import uuid
from dataclasses import dataclass

import numpy as np

from vla_bench.fuzz.contents import Wishes
from vla_bench.fuzz.random_cell import MS
from vla_contract.action_space import ActionSpace
from vla_contract.card import InterfaceCard
from vla_contract.chunk import ActionChunk

FLAWS = (
    "not_finite", "permuted", "misnamed", "card_hash", "space", "period", "too_long", "frame", "stale", "future",
    "malformed", "brake", "old_run", "replayed", "late_order", "late_by_far", "invalid_soon",
)  # fmt: skip
_FLAWED = 0.08


@dataclass(frozen=True)
class Delivery:
    """A chunk on its way. malformed: the reason where it is no chunk but what could be read of one."""

    chunk: ActionChunk
    malformed: str = ""


class ChunkMaker:
    """Makes one chunk after the other for an episode. committed: steps that cover the delay, 0 where nobody asks."""

    def __init__(self, rng: np.random.Generator, card: InterfaceCard, wishes: Wishes, committed: int = 0) -> None:
        self._rng, self._card, self._wishes, self._committed = rng, card, wishes, committed
        self._sequence = 0
        self._run = self._new_id()
        self._stamp_ns = 0
        self._old_runs: list[tuple[str, int]] = []  # and the stamp of its last chunk
        self._held: ActionChunk | None = None
        self._far: list[tuple[int, ActionChunk]] = []
        self._newest: ActionChunk | None = None
        horizon, period = card.action.horizon, card.action.step_period
        self._usual_valid = int(max(0.3, horizon * period * rng.uniform(0.7, 1.6)) * 1e9)

    def make(self, stamp_ns: int, wish_ns: int, commanded: np.ndarray, observed: np.ndarray) -> list[Delivery]:
        """What arrives now, of an observation at stamp_ns of the node's clock: one chunk, sometimes two or none.

        wish_ns: physical time of the observation. commanded, observed (arms, J) [rad] at that time.
        """
        rng = self._rng
        if rng.random() < 0.01:
            self._begin_run()
        if rng.random() < 0.01:
            self._sequence += int(rng.integers(1, 4))
        good = self._good(stamp_ns, wish_ns, commanded, observed)
        if self._far and self._far[0][0] <= self._sequence:  # long after it was told lost, or nearly so
            return [Delivery(good), Delivery(self._far.pop(0)[1])]
        if self._held is not None:  # the one before comes after this one
            held, self._held = self._held, None
            return [Delivery(good), Delivery(held)]
        flaw = str(rng.choice(FLAWS)) if rng.random() < _FLAWED else ""
        if flaw == "late_order":
            self._held = good
            return []
        if flaw == "late_by_far":
            self._far.append((self._sequence + int(rng.integers(3, 30)), good))
            return []
        previous, self._newest = self._newest, good
        if not flaw:
            return [Delivery(good)]
        return [self._spoiled(flaw, good, previous)]

    def still(self, stamp_ns: int, wish_ns: int, commanded: np.ndarray, observed: np.ndarray) -> ActionChunk:
        """As ``make``, but a good one that asks for nothing to be moved."""
        good = self._good(stamp_ns, wish_ns, commanded, observed)
        actions = self._wishes.actions("zero", wish_ns, good.horizon, commanded, observed)
        return dataclasses.replace(good, actions=actions)

    def rest(self) -> list[Delivery]:
        """What is still held back."""
        held, self._held, far, self._far = self._held, None, self._far, []
        return [Delivery(chunk) for chunk in (held, *(chunk for _, chunk in far)) if chunk is not None]

    def _new_id(self) -> str:
        return uuid.UUID(bytes=self._rng.bytes(16)).hex

    def _begin_run(self) -> None:
        self._old_runs.append((self._run, self._stamp_ns))
        self._run, self._sequence = self._new_id(), 0

    def _good(self, stamp_ns: int, wish_ns: int, commanded: np.ndarray, observed: np.ndarray) -> ActionChunk:
        rng, card = self._rng, self._card
        longest = card.action.horizon
        horizon = longest if rng.random() < 0.8 else int(rng.integers(max(1, longest // 2), longest + 1))
        if rng.random() < 0.02:
            horizon = 1
        valid = self._usual_valid if rng.random() < 0.9 else int(rng.uniform(0.3, 5.0) * 1e9)
        sequence, self._stamp_ns = self._sequence, stamp_ns
        self._sequence += 1
        return ActionChunk(
            stamp_ns=stamp_ns,
            frame_id=card.arms[0].base_frame,
            image_stamps_ns=(stamp_ns,),
            state_stamp_ns=stamp_ns,
            run_id=self._run,
            sequence=sequence,
            card_hash=card.card_hash,
            action_space=card.action_space,
            names=tuple(card.action.names),
            actions=self._wishes.actions(self._wishes.kind(), wish_ns, horizon, commanded, observed),
            step_period_ns=card.step_period_ns,
            valid_for_ns=valid,
            committed_steps=self._committed_steps(horizon),
            reference_positions=observed.ravel(),
        )

    def _committed_steps(self, horizon: int) -> int:
        rng = self._rng
        if rng.random() < 0.02:
            return int(rng.choice([0, 1, horizon, horizon + 3, 2**16]))
        return min(self._committed + int(rng.integers(3)), horizon - 1) if self._committed else 0

    def _spoiled(self, flaw: str, good: ActionChunk, previous: ActionChunk | None) -> Delivery:
        rng = self._rng
        names, actions = good.names, good.actions
        if flaw == "not_finite":
            actions = np.array(actions)
            for _ in range(int(rng.integers(1, 4))):
                actions[tuple(int(rng.integers(n)) for n in actions.shape)] = rng.choice([np.nan, np.inf, -np.inf])
            return Delivery(dataclasses.replace(good, actions=actions))
        if flaw == "permuted":
            return Delivery(dataclasses.replace(good, names=names[1:] + names[:1]))
        if flaw == "misnamed":
            return Delivery(dataclasses.replace(good, names=("elbow", *names[1:])))
        if flaw == "card_hash":
            return Delivery(dataclasses.replace(good, card_hash="0" * 16))
        if flaw == "space":
            others = [space for space in ActionSpace if space is not good.action_space]
            return Delivery(dataclasses.replace(good, action_space=others[int(rng.integers(len(others)))]))
        if flaw == "period":
            return Delivery(
                dataclasses.replace(good, step_period_ns=int(rng.choice([0, -MS, good.step_period_ns * 2])))
            )
        if flaw == "too_long":
            longer = np.repeat(actions[-1:], self._card.action.horizon + 1, axis=0)
            return Delivery(dataclasses.replace(good, actions=longer))
        if flaw == "frame":
            return Delivery(dataclasses.replace(good, frame_id="moon"))
        if flaw == "stale":
            return Delivery(dataclasses.replace(good, stamp_ns=good.stamp_ns - int(rng.uniform(0.3, 10.0) * 1e9)))
        if flaw == "future":
            return Delivery(dataclasses.replace(good, stamp_ns=good.stamp_ns + int(rng.uniform(0.3, 5.0) * 1e9)))
        if flaw == "invalid_soon":
            return Delivery(dataclasses.replace(good, valid_for_ns=int(rng.uniform(-1.0, 60.0) * MS)))
        if flaw == "malformed":
            return Delivery(dataclasses.replace(good, actions=np.empty((0, len(names)))), "5 values, 7 names need 7")
        if flaw == "brake":
            return Delivery(dataclasses.replace(good, actions=np.empty((0, len(names)))))
        if flaw == "old_run" and self._old_runs:
            run, stamp_ns = self._old_runs[int(rng.integers(len(self._old_runs)))]
            return Delivery(dataclasses.replace(good, run_id=run, stamp_ns=min(stamp_ns, good.stamp_ns)))
        return Delivery(previous if previous is not None else good)
