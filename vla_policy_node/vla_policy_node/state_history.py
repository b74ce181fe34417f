"""Joint states of the last second, whatever messages they came in, and the state at an instant in between."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

KEPT = 1000
"""Messages kept of each publisher."""
_PARTS = ("position", "velocity", "effort")


class StateHistory:
    """Fields such as ``panda_joint1.position``, found by name. Publishers may each bring some of the joints, in any order."""

    def __init__(self, fields: Sequence[str]) -> None:
        self.fields = tuple(fields)
        self._wanted = [tuple(field.rsplit(".", 1)) for field in self.fields]
        self.clear()

    def clear(self) -> None:
        """Forgets everything."""
        self._history: dict[tuple[str, ...], deque] = {}
        self._columns: dict[tuple[str, ...], list[tuple[int, int, int]]] = {}
        self.invalid: str | None = None

    def add(
        self, stamp_ns: int, names: Sequence[str], positions: Sequence[float],
        velocities: Sequence[float] = (), efforts: Sequence[float] = (),
    ) -> None:  # fmt: skip
        """One message. What is wrong with it is kept in ``invalid`` until a good one comes."""
        names = tuple(names)
        parts = [np.asarray(part, dtype=np.float64) for part in (positions, velocities, efforts)]
        if names not in self._columns:
            if len(set(names)) != len(names):
                self.invalid = f"joint names are not unique: {', '.join(names)}"
                return
            self._columns[names] = [
                (column, _PARTS.index(part), names.index(joint))
                for column, (joint, part) in enumerate(self._wanted)
                if joint in names
            ]
            self._history[names] = deque(maxlen=KEPT)
        columns = self._columns[names]
        if not columns:
            return
        values = np.empty(len(columns))
        for row, (column, part, joint) in enumerate(columns):
            if len(parts[part]) != len(names):
                self.invalid = f"{len(parts[part])} {_PARTS[part]} values for {len(names)} joint names"
                return
            values[row] = parts[part][joint]
            if not np.isfinite(values[row]):
                self.invalid = f"{self.fields[column]} is {values[row]}, allowed are finite numbers"
                return
        history = self._history[names]
        if history and stamp_ns <= history[-1][0]:
            return
        self.invalid = None
        history.append((stamp_ns, values))

    def missing(self) -> list[str]:
        """Fields that no message has brought yet."""
        have = {column for names, history in self._history.items() if history for column, *_ in self._columns[names]}
        return [field for column, field in enumerate(self.fields) if column not in have]

    def newest_ns(self) -> int:
        """Stamp of the newest message of the publisher that is most behind; 0 where nothing came."""
        stamps = [h[-1][0] for names, h in self._history.items() if h and self._columns[names]]
        return min(stamps, default=0)

    def newest(self) -> np.ndarray:
        """Newest values. Shape (S,); NaN for a missing field."""
        state = np.full(len(self.fields), np.nan)
        for names, history in self._history.items():
            if history:
                state[[column for column, *_ in self._columns[names]]] = history[-1][1]
        return state

    def covers(self, stamp_ns: int, held_ns: int) -> bool:
        """Whether ``at(stamp_ns, held_ns)`` finds its messages: that of ``held_ns``, or some around ``stamp_ns``."""
        histories = [h for names, h in self._history.items() if h and self._columns[names]]
        if held_ns != stamp_ns:
            return any(stamp == held_ns for history in histories for stamp, _ in history)
        return all(history[0][0] <= stamp_ns <= history[-1][0] for history in histories)

    def at(self, stamp_ns: int, held_ns: int | None = None) -> tuple[np.ndarray, int]:
        """State at an instant, linear between messages; the nearest message where it lies outside of them.

        Returns the values (S,), and the instant they really hold for [ns]: of all publishers, the one furthest from
        ``stamp_ns``. Call it only where ``missing`` is empty.

        Args:
            held_ns: The instant that a call at another time returned. A publisher with a message of just that stamp is
                taken at it, although newer ones have come since.
        """
        state = np.empty(len(self.fields))
        furthest = stamp_ns
        for names, history in self._history.items():
            columns = [column for column, *_ in self._columns[names]]
            if not history or not columns:
                continue
            after = None
            if held_ns not in (None, stamp_ns) and any(stamp == held_ns for stamp, _ in history):
                state[columns] = next(values for stamp, values in history if stamp == held_ns)
                furthest = held_ns
                continue
            for stamp, values in reversed(history):
                if stamp <= stamp_ns:
                    break
                after = (stamp, values)
            else:
                stamp, values = history[0]
                after = None
            if after is None:
                held = stamp
                state[columns] = values
            else:
                held = stamp_ns
                share = (stamp_ns - stamp) / (after[0] - stamp)
                state[columns] = values + share * (after[1] - values)
            if abs(held - stamp_ns) > abs(furthest - stamp_ns):
                furthest = held
        return state, furthest
