"""Statistics of a data set, and scaling by them. What lacks a statistic is an error, never passed through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

STATISTICS = ("mean", "std", "min", "max", "q01", "q99")
MODES = {"mean_std": ("mean", "std"), "min_max": ("min", "max"), "quantile": ("q01", "q99")}


class NormalisationError(ValueError):
    """A statistic that is missing or unusable. The message names it and the column."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """Per-column statistics. Each of the six has shape (D,), in the columns' own units."""

    names: tuple[str, ...]
    mean: np.ndarray
    std: np.ndarray
    min: np.ndarray
    max: np.ndarray
    q01: np.ndarray
    q99: np.ndarray
    count: int
    """Number of rows that they were taken over."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        if len(set(self.names)) != len(self.names):
            raise NormalisationError(f"names: {list(self.names)} are not unique")
        if self.count < 1:
            raise NormalisationError(f"count: {self.count} rows, at least 1 is needed")
        for key in STATISTICS:
            values = np.array(getattr(self, key), dtype=np.float64)
            if values.shape != (len(self.names),):
                raise NormalisationError(f"{key}: shape {values.shape}, {len(self.names)} names need ({len(self.names)},)")
            for name, value in zip(self.names, values):
                if not np.isfinite(value):
                    raise NormalisationError(f"{key}[{name}]: {value} is not a finite number")
            values.flags.writeable = False
            object.__setattr__(self, key, values)

    @classmethod
    def from_data(cls, names: Iterable[str], data: np.ndarray) -> Statistics:
        """Statistics over all leading axes of ``data``, shape (..., D)."""
        names = tuple(names)
        data = np.asarray(data, dtype=np.float64)
        if data.ndim == 0 or data.shape[-1] != len(names):
            raise NormalisationError(f"data: shape {data.shape}, {len(names)} names need (..., {len(names)})")
        rows = data.reshape(-1, len(names))
        if len(rows) == 0:
            raise NormalisationError("data: no rows, at least 1 is needed")
        low, high = np.quantile(rows, (0.01, 0.99), axis=0)
        return cls(names, rows.mean(0), rows.std(0), rows.min(0), rows.max(0), low, high, len(rows))

    @classmethod
    def from_dict(cls, data: Mapping) -> Statistics:
        """Inverse of ``to_dict``. NormalisationError names a statistic that is missing."""
        for key in ("names", *STATISTICS, "count"):
            if key not in data:
                present = ", ".join(sorted(data)) or "nothing"
                raise NormalisationError(f"{key}: missing from the statistics, which have {present}")
        return cls(tuple(data["names"]), *(data[key] for key in STATISTICS), int(data["count"]))

    def to_dict(self) -> dict:
        """Plain lists and numbers, ready for JSON, under LeRobot's names."""
        values = {key: getattr(self, key).tolist() for key in STATISTICS}
        return {"names": list(self.names), **values, "count": int(self.count)}

    def select(self, names: Iterable[str]) -> Statistics:
        """The statistics of ``names`` in that order. NormalisationError names a column that has none."""
        names = tuple(names)
        for name in names:
            if name not in self.names:
                raise NormalisationError(f"{name}: no statistics; they cover {', '.join(self.names)}")
        columns = [self.names.index(name) for name in names]
        return Statistics(names, *(getattr(self, key)[columns] for key in STATISTICS), self.count)


class Normaliser:
    """Affine scaling of columns: ``normalised = (x - offset) / scale``.

    ``mean_std`` gives zero mean and unit deviation; ``min_max`` and ``quantile`` map the range to -1..1, without clipping.
    Columns in ``identity_columns`` (indices or names) are left alone, on purpose and by name.

    A column without spread cannot be scaled: NormalisationError names it, unless ``min_scale`` gives the smallest divisor
    to use instead.
    """

    def __init__(
        self,
        stats: Statistics,
        mode: str,
        identity_columns: Iterable[int | str] = (),
        *,
        min_scale: float | None = None,
    ) -> None:
        if mode not in MODES:
            raise NormalisationError(f"mode: {mode!r}, allowed are {', '.join(MODES)}")
        self.stats = stats
        self.mode = mode
        self.names = stats.names
        self.identity_columns = tuple(sorted({self._column(c) for c in identity_columns}))
        self.min_scale = min_scale
        first, second = (getattr(stats, key) for key in MODES[mode])
        offset = first.copy() if mode == "mean_std" else (first + second) / 2
        scale = second.copy() if mode == "mean_std" else (second - first) / 2
        offset[list(self.identity_columns)] = 0.0
        scale[list(self.identity_columns)] = 1.0
        if min_scale is not None:
            scale = np.maximum(scale, min_scale)
        for name, value in zip(self.names, scale):
            if not value > 0:
                low, high = MODES[mode]
                what = "std is 0" if mode == "mean_std" else f"{low} and {high} leave a range of {2 * value:g}"
                raise NormalisationError(f"{name}: {what}, a spread above 0 is needed to normalise by {mode}")
        self.offset = offset
        self.scale = scale
        for array in (offset, scale):
            array.flags.writeable = False

    def _column(self, column: int | str) -> int:
        if isinstance(column, str):
            if column not in self.names:
                raise NormalisationError(f"identity column {column}: no such column; there are {', '.join(self.names)}")
            return self.names.index(column)
        if not 0 <= column < len(self.names):
            raise NormalisationError(f"identity column {column}: allowed are 0 to {len(self.names) - 1}")
        return int(column)

    def _checked(self, x: np.ndarray) -> np.ndarray:
        x = np.asarray(x)
        if x.dtype not in (np.float32, np.float64):
            raise NormalisationError(f"array of {x.dtype}, allowed are float32 and float64")
        if x.ndim == 0 or x.shape[-1] != len(self.names):
            raise NormalisationError(f"array of shape {x.shape}, allowed is (..., {len(self.names)})")
        return x

    def normalise(self, x: np.ndarray) -> np.ndarray:
        """Own units to the policy's numbers. Shape (..., D), float32 or float64, which is kept."""
        x = self._checked(x)
        return ((x - self.offset) / self.scale).astype(x.dtype)

    def unnormalise(self, x: np.ndarray) -> np.ndarray:
        """Inverse of ``normalise``."""
        x = self._checked(x)
        return (x * self.scale + self.offset).astype(x.dtype)

    def to_dict(self) -> dict:
        """Ready for JSON."""
        identity = [self.names[column] for column in self.identity_columns]
        return {
            "mode": self.mode,
            "identity_columns": identity,
            "min_scale": self.min_scale,
            "statistics": self.stats.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping) -> Normaliser:
        """Inverse of ``to_dict``. NormalisationError names what is missing."""
        for key in ("mode", "identity_columns", "statistics"):
            if key not in data:
                raise NormalisationError(f"{key}: missing from the normaliser, which has {', '.join(sorted(data))}")
        stats = Statistics.from_dict(data["statistics"])
        return cls(stats, data["mode"], data["identity_columns"], min_scale=data.get("min_scale"))
