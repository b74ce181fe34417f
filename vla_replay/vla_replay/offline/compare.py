"""Many pairs of chunks, summed up: error of each action dimension, direction, gripper, jumps."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.chunk import ActionChunk
from vla_evidence.figures.replay import ColumnFigures, ComparisonFigures, CosineFigures, SpreadFigures
from vla_replay.offline.divergence import (
    Columns,
    columns_of,
    difference,
    direction_cosines,
    grippers_agree,
    jump_of,
    pair,
)
from vla_replay.offline.spread import Spread


def gripper_middles(card: InterfaceCard) -> dict[str, float]:
    """By column name, the value between open and closed."""
    out = {}
    for arm in card.arms:
        column = card.gripper_column(arm.name)
        if column is not None:
            out[card.action.names[column]] = 0.5 * (arm.gripper.open_value + arm.gripper.closed_value)
    return out


def unit_of(name: str, card: InterfaceCard) -> str:
    """Unit of an action column: "m", "rad", or "" for a gripper in the policy's polarity."""
    column = card.action.names.index(name)
    if column in card.gripper_columns:
        return ""
    return "m" if card.action_space.is_cartesian and name.rsplit(".", 1)[-1] in ("x", "y", "z") else "rad"


class Comparison:
    """Collects pairs of action rows; ``figures`` sums them up. Memory does not grow with the number of pairs."""

    def __init__(self, card: InterfaceCard) -> None:
        self._card = card
        self._middles: Mapping[str, float] = gripper_middles(card)
        self._errors = {name: Spread() for name in card.action.names}
        self._cosines: dict[str, Spread] = {}
        self._agree: dict[str, list[int]] = {}
        self._same = 0
        self.chunks = 0
        self.steps = 0
        self.incomparable = 0
        """Pairs whose motion cannot be compared: they count from different observed poses."""
        self.largest = 0.0
        """Largest difference of any column."""

    def add(self, first: ActionChunk, second: ActionChunk) -> None:
        """Two chunks at equal due times. ReplayError where they are of different contracts."""
        pairing = pair(first, second)
        if len(pairing):
            self.add_rows(pairing.first, pairing.second, columns_of(first), motion=pairing.comparable)

    def add_rows(
        self, first: np.ndarray, second: np.ndarray, columns: Columns, *, motion: bool = True, grippers: bool = True
    ) -> None:
        """Rows (N, D) in the card's columns. motion, grippers: which of the columns are compared."""
        names = self._card.action.names
        self.chunks += 1
        self.steps += len(first)
        self.incomparable += not motion
        off = np.abs(difference(first, second, columns))
        for i, name in enumerate(names):
            if grippers if i in columns.grippers else motion:
                self._errors[name].add(off[:, i])
                self.largest = max(self.largest, float(np.nan_to_num(off[:, i], nan=np.inf).max(initial=0.0)))
        self._same += bool(motion and grippers and np.array_equal(first, second))
        if motion:
            for group, values in direction_cosines(first, second, columns).items():
                self._cosines.setdefault(group, Spread()).add(values)
        if grippers and columns.grippers:
            agree = grippers_agree(first, second, tuple(names), columns, self._middles)
            for column, good in zip(columns.grippers, agree.sum(axis=0).tolist()):
                agreed = self._agree.setdefault(names[column], [0, 0])
                agreed[0] += good
                agreed[1] += len(agree)

    def figures(self) -> ComparisonFigures:
        """Of all pairs so far.

        Values that are not finite are counted (not_finite) and left out of the other figures, which are None where nothing is
        left; ``largest`` is infinite then.
        """
        columns = {
            name: ColumnFigures(
                mean_abs=spread.mean, p95=spread.percentile(95), max=spread.largest, unit=unit_of(name, self._card),
                not_finite=spread.not_finite,
            )
            for name, spread in self._errors.items()
            if spread.count or spread.not_finite
        }  # fmt: skip
        cosines = {
            group: CosineFigures(mean=spread.mean, p05=spread.percentile(5), count=spread.count, not_finite=spread.not_finite)
            for group, spread in self._cosines.items()
        }
        return ComparisonFigures(
            chunks=self.chunks, steps=self.steps, equal_chunks=self._same, largest=self.largest, columns=columns, cosine=cosines,
            gripper_accuracy={name: good / of for name, (good, of) in self._agree.items() if of}, incomparable=self.incomparable,
        )  # fmt: skip


class Jumps:
    """Discontinuity from each chunk to the next of its run, at the first step that both have."""

    def __init__(self) -> None:
        self._last: ActionChunk | None = None
        self._spreads: dict[str, Spread] = {}

    def add(self, chunk: ActionChunk) -> None:
        """Chunks in order. A brake (horizon 0) breaks the chain."""
        last, self._last = self._last, chunk if chunk.horizon else None
        if last is None or not chunk.horizon or chunk.run_id != last.run_id:
            return
        for name, value in jump_of(pair(last, chunk), columns_of(chunk)).items():
            self._spreads.setdefault(name, Spread()).add(value)

    def figures(self) -> dict[str, SpreadFigures]:
        """Of "jump" and, for Cartesian spaces, "jump_rotation"."""
        return {name: spread.figures() for name, spread in self._spreads.items()}
