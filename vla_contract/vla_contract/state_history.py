"""Joint states of the last second, whatever messages they came in, and the state at an instant in between."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from vla_contract.arrivals import Arrivals
from vla_contract.card import InterfaceCard
from vla_contract.turns import short_way, turning_joints

KEPT = 1000
"""Values kept of each field."""
_PARTS = ("position", "velocity", "effort")
_MOST_LAYOUTS = 64
_Layout = list[tuple[int, int, int]]


class _Value(NamedTuple):
    """One field in one message. number: of the message, in order of arrival."""

    stamp_ns: int
    number: int
    value: float


class StateAt(NamedTuple):
    """The state at an instant.

    values: (S,). stamp_ns: the instant they really hold for; of all fields, that of the one furthest from the instant asked for.
    apart_ns: how far the nearest message lies from it, of the field with the furthest one. field: the one that is furthest
    beyond its slack; judged_ns: how far that is, its slack left out.
    """

    values: np.ndarray
    stamp_ns: int
    apart_ns: int
    field: str
    judged_ns: int


class StateHistory:
    """Fields such as ``panda_joint1.position``, each found by name in whatever message brings it.

    Drivers may each tell some of the joints, in any order and at rates of their own; which messages a field came in before
    says nothing about the next. Between two messages of a field that are near enough the state is interpolated, never across
    a longer silence.

    Args:
        fields: ``<joint>.position``, ``.velocity`` or ``.effort``; another name, as ``wrist.force.x``, is itself one of a
            message's names, with its value among the positions. Shape (S,).
        longest_gap_ns: Between two messages that are interpolated [ns]; None: any.
        gaps_ns: The same of single fields, where it is another.
        slack_ns: By how much a single field may lie further from an instant than the others before it counts as further [ns].
        ahead_ns: How far ahead of the clock at its arrival a message may be stamped [ns]; None: not looked at.
        turning: Joints that may be reported a full turn off: between two positions they go the short way round.
        rigid: Joints that move by less than half a turn between two messages, and do not wrap: a jump is no way, and no posture
            is made up in it.
        kept: Values kept of each field.
    """

    def __init__(
        self, fields: Sequence[str], *, longest_gap_ns: int | None = None, ahead_ns: int | None = None,
        turning: Collection[str] = (), rigid: Collection[str] = (), kept: int = KEPT,
        gaps_ns: Mapping[str, int] | None = None, slack_ns: Mapping[str, int] | None = None,
    ) -> None:  # fmt: skip
        self.fields = tuple(fields)
        self._wanted = [_name_and_part(field) for field in self.fields]
        self._longest_gap_ns = [(gaps_ns or {}).get(field, longest_gap_ns) for field in self.fields]
        self._slack_ns, self._ahead_ns = [(slack_ns or {}).get(field, 0) for field in self.fields], ahead_ns
        positions = [joint if part == "position" else "" for joint, part in self._wanted]
        self._turning = [joint in turning for joint in positions]
        self._rigid = [joint in rigid and joint not in turning for joint in positions]
        self._layouts: dict[tuple[str, ...], _Layout] = {}
        self._kept = [Arrivals[_Value](kept) for _ in self.fields]
        self.clear()

    @classmethod
    def of_card(cls, card: InterfaceCard, fields: Sequence[str] | None = None, *, kept: int = KEPT) -> StateHistory:
        """With what the card says of gaps, stamps and turns. fields: the card's state by default."""
        fields, state = card.state.fields if fields is None else fields, card.state
        elsewhere = [field for field in fields if state.source_of(field) is not None]
        return cls(
            fields, longest_gap_ns=state.longest_gap_ns, ahead_ns=state.ahead_ns, turning=turning_joints(card),
            rigid={joint for arm in card.arms for joint in arm.joints}, kept=kept,
            gaps_ns={field: state.longest_gap_ns_of(field) for field in elsewhere},
            slack_ns={field: round((state.max_skew_of(field) - state.max_skew) * 1e9) for field in elsewhere},
        )  # fmt: skip

    def clear(self) -> None:
        """Forgets everything."""
        for arrivals in self._kept:
            arrivals.clear()
        self._number = 0
        self._invalid: dict[int, str] = {}
        self._ahead: dict[int, int] = {}

    def add(
        self, stamp_ns: int, names: Sequence[str], positions: Sequence[float],
        velocities: Sequence[float] = (), efforts: Sequence[float] = (), received_ns: int | None = None,
    ) -> bool:  # fmt: skip
        """One message. What is wrong with it is kept in ``invalid`` until the same field comes right.

        received_ns: What the clock of the stamps showed at its arrival [ns]; None: not known. Returns whether a field was taken.
        """
        names, parts = tuple(names), (positions, velocities, efforts)
        layout = self._layout(names)
        latest_ns = None if received_ns is None or self._ahead_ns is None else received_ns + self._ahead_ns
        self._number += 1
        taken = False
        for column, part, place in layout:
            values, kept = parts[part], self._kept[column]
            if not len(values):
                continue  # this driver does not measure it
            if latest_ns is not None:
                if stamp_ns > latest_ns:
                    self._ahead[column] = stamp_ns - received_ns
                    continue
                if kept.kept and kept.kept[-1].stamp_ns > latest_ns:
                    kept.clear()  # of before the clock was set back
            wrong = self._wrong(column, part, place, values, names)
            if wrong:
                if not kept.kept or stamp_ns > kept.kept[-1].stamp_ns:
                    self._invalid[column] = wrong
                continue
            if kept.add(_Value(stamp_ns, self._number, float(values[place]))):
                self._invalid.pop(column, None)
                self._ahead.pop(column, None)
                taken = True
        return taken

    def settle(self, now_ns: int) -> None:
        """The clock shows now_ns: where messages came after one that lies ahead of it, that one is not the newest."""
        for arrivals in self._kept:
            arrivals.settle(now_ns + (self._ahead_ns or 0))

    @property
    def invalid(self) -> str | None:
        """What is wrong with the newest message of a field, in words; None: nothing is."""
        return self._invalid[min(self._invalid)] if self._invalid else None

    @property
    def invalid_field(self) -> str:
        """The field that ``invalid`` is about; the first one where nothing is wrong."""
        return self.fields[min(self._invalid, default=0)]

    def missing(self) -> list[str]:
        """Fields that no message has brought yet."""
        return [field for field, arrivals in zip(self.fields, self._kept) if not arrivals.kept]

    def ahead_ns(self, field: str) -> int:
        """How far ahead of the clock the newest message of a field was stamped, which was therefore not taken [ns]; 0: it was."""
        return self._ahead.get(self.fields.index(field), 0)

    def stamps_ns(self) -> list[int]:
        """Newest stamp of each field [ns]. Shape (S,); 0 for a missing one."""
        return [arrivals.kept[-1].stamp_ns if arrivals.kept else 0 for arrivals in self._kept]

    def newest(self) -> np.ndarray:
        """Newest values. Shape (S,); NaN for a missing field."""
        return np.array([arrivals.kept[-1].value if arrivals.kept else math.nan for arrivals in self._kept])

    def covers(self, stamp_ns: int, held_ns: int) -> bool:
        """Whether ``at(stamp_ns, held_ns)`` finds its messages: one of ``held_ns``, or some around ``stamp_ns`` of each field."""
        if held_ns != stamp_ns:
            return self._first_after(held_ns) is not None
        return self.at(stamp_ns).stamp_ns == stamp_ns

    def at(self, stamp_ns: int, held_ns: int | None = None) -> StateAt:
        """State at an instant, linear between messages; the nearest message where it lies outside of them, or in a long gap.

        Call it only where ``missing`` is empty.

        Args:
            held_ns: The stamp that a call at another time returned. Where messages have come since that would make it another
                one, they are left out.
        """
        seen = self._at(stamp_ns, None)
        if held_ns is None or seen.stamp_ns == held_ns:
            return seen
        return self._at(stamp_ns, self._first_after(held_ns))

    def track(self, times_ns: np.ndarray) -> np.ndarray | None:
        """The states at rising instants (N,) [ns], turning joints without steps of a turn. Shape (N, S).

        None where one lies outside of what is kept, or where no state is made up: in a long gap, or in a jump.
        """
        rows = np.empty((len(times_ns), len(self.fields)))
        for column, arrivals in enumerate(self._kept):
            known: list[_Value] = []
            for value in reversed(arrivals.kept):
                known.append(value)
                if value.stamp_ns <= times_ns[0]:
                    break
            if not known or known[-1].stamp_ns > times_ns[0] or known[0].stamp_ns < times_ns[-1]:
                return None
            stamps = np.array([value.stamp_ns for value in reversed(known)], dtype=np.int64)
            values = np.array([value.value for value in reversed(known)])
            if self._turning[column]:
                values = np.unwrap(values)
            after = np.searchsorted(stamps, times_ns)
            between = np.flatnonzero(stamps[after] != times_ns)
            steps = after[between]
            longest_ns = self._longest_gap_ns[column]
            if longest_ns is not None and np.any(stamps[steps] - stamps[steps - 1] > longest_ns):
                return None
            if self._rigid[column] and np.any(np.abs(values[steps] - values[steps - 1]) > math.pi):
                return None
            t, at = ((x - stamps[0]).astype(np.float64) for x in (times_ns, stamps))
            rows[:, column] = np.interp(t, at, values)
        return rows

    def _layout(self, names: tuple[str, ...]) -> _Layout:
        """(column, part, place in the message) of the fields that a message with these names may bring; -1: it has two places."""
        layout = self._layouts.get(names)
        if layout is None:
            if len(self._layouts) >= _MOST_LAYOUTS:
                self._layouts.clear()
            place = {name: i if names.count(name) == 1 else -1 for i, name in enumerate(names)}
            layout = self._layouts[names] = [
                (column, _PARTS.index(part), place[joint])
                for column, (joint, part) in enumerate(self._wanted)
                if joint in place
            ]
        return layout

    def _wrong(self, column: int, part: int, place: int, values: Sequence[float], names: tuple[str, ...]) -> str:
        if place < 0:
            return f"joint names are not unique: {', '.join(names)}"
        if len(values) != len(names):
            return f"{len(values)} {_PARTS[part]} values for {len(names)} joint names"
        if not math.isfinite(values[place]):
            return f"{self.fields[column]} is {values[place]}, allowed are finite numbers"
        return ""

    def _first_after(self, held_ns: int) -> float | None:
        """Number of the first message that replaced one stamped held_ns; infinite: none did yet. None: there is no such one."""
        numbers: list[float] = []
        for arrivals in self._kept:
            after = math.inf
            for value in reversed(arrivals.kept):
                if value.stamp_ns == held_ns:
                    numbers.append(after)
                if value.stamp_ns <= held_ns:
                    break
                after = value.number
        return min(numbers, default=None)

    def _at(self, stamp_ns: int, before: float | None) -> StateAt:
        """before: only messages of lower numbers are there; where a field has none, all are."""
        state = np.empty(len(self.fields))
        furthest, apart, beyond, field = stamp_ns, 0, 0, self.fields[0]
        for column in range(len(self.fields)):
            around = self._around(column, stamp_ns, before) or self._around(column, stamp_ns, None)
            low, high = around
            state[column], held = self._between(column, low, high, stamp_ns)
            distance = min(abs(stamp_ns - low.stamp_ns), abs(high.stamp_ns - stamp_ns))
            if abs(held - stamp_ns) > abs(furthest - stamp_ns):
                furthest = held
            apart = max(apart, distance)
            if distance - self._slack_ns[column] > beyond:
                beyond, field = distance - self._slack_ns[column], self.fields[column]
        return StateAt(state, furthest, apart, field, beyond)

    def _around(self, column: int, stamp_ns: int, before: float | None) -> tuple[_Value, _Value] | None:
        """The messages around an instant; twice the nearest where it lies outside of all."""
        high = None
        for value in reversed(self._kept[column].kept):
            if before is not None and value.number >= before:
                continue
            if value.stamp_ns <= stamp_ns:
                return value, high or value
            high = value
        return (high, high) if high else None

    def _between(self, column: int, low: _Value, high: _Value, stamp_ns: int) -> tuple[float, int]:
        """Value at the instant, and the instant that it really holds for."""
        gap_ns, way = high.stamp_ns - low.stamp_ns, high.value - low.value
        if gap_ns == 0 or low.stamp_ns == stamp_ns:
            return low.value, low.stamp_ns
        longest_ns = self._longest_gap_ns[column]
        too_long = longest_ns is not None and gap_ns > longest_ns
        if too_long or (self._rigid[column] and abs(way) > math.pi):
            nearest = low if stamp_ns - low.stamp_ns <= high.stamp_ns - stamp_ns else high
            return nearest.value, nearest.stamp_ns
        share = (stamp_ns - low.stamp_ns) / gap_ns
        if self._turning[column]:
            return short_way(low.value, high.value, share), stamp_ns
        return low.value + share * way, stamp_ns


def _name_and_part(field: str) -> tuple[str, str]:
    """The name that a message has for a field, and among which of its values it stands."""
    name, _, part = field.rpartition(".")
    return (name, part) if part in _PARTS else (field, _PARTS[0])
