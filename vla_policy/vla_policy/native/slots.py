"""Columns of a card in the wider vectors of a model that serves several cards. numpy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LARGEST = 4096
"""Vector of a model."""


class Slots:
    """Column i of the card is column ``columns[i]`` of the model; the model's other columns are not the card's."""

    def __init__(self, columns: Sequence[int], size: int) -> None:
        """size: of the model's vectors. Raises ValueError naming a column that is not there, or is taken twice."""
        self.columns, self.size = tuple(int(c) for c in columns), int(size)
        if not len(self.columns) <= self.size <= LARGEST:
            raise ValueError(f"a vector of {self.size} for {len(self.columns)} columns, allowed are as many and up to {LARGEST}")
        for column in self.columns:
            if not 0 <= column < self.size:
                raise ValueError(f"column {column} of the model's vectors, allowed are 0 to {self.size - 1}")
            if self.columns.count(column) > 1:
                raise ValueError(f"column {column} of the model's vectors is given to two columns of the card")

    @classmethod
    def first(cls, count: int, size: int | None = None) -> Slots:
        """The first ``count`` columns, in order; ``size`` None: there are no others."""
        return cls(range(count), count if size is None else size)

    @property
    def mask(self) -> np.ndarray:
        """True for a column that is the card's. Shape (size,)."""
        mask = np.zeros(self.size, bool)
        mask[list(self.columns)] = True
        return mask

    def spread(self, values: np.ndarray) -> np.ndarray:
        """(..., columns) to (..., size), zeros in the columns that are not the card's."""
        if self.columns == tuple(range(self.size)):
            return values
        wide = np.zeros((*values.shape[:-1], self.size), values.dtype)
        wide[..., list(self.columns)] = values
        return wide

    def gather(self, wide: np.ndarray) -> np.ndarray:
        """Inverse of ``spread``."""
        return wide if self.columns == tuple(range(self.size)) else wide[..., list(self.columns)]

    def to_dict(self) -> dict:
        """JSON-able."""
        return {"columns": list(self.columns), "size": self.size}
