"""Where a reference leaps, and for which of the leaps nobody could have known better."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LEAP_RAD, MOST_ELAPSED_S = 3e-4, 0.05
"""Rounding and the noise of stamps [rad], and states farther apart tell nothing [s]."""
TOLD_NS, BLIND_NS = (-10_000_000, 40_000_000), 60_000_000
"""From when messages come again: when a stop is reported that was on its way then, some 10 to 40 ms after it was made, and how
long it takes until it shows."""
UNTOLD_NS = 45_000_000
"""From when an arm stops following: when a message may come at the latest that was planned before a word of that was due. The
simulator says every 20 ms where its arms are, and through the relay that is heard up to 15 ms later; planning and the way of the
message take 10."""
MESSAGE_NS = 10_000_000
"""How far the instants of a message and of a switch may be apart, as told by two processes [ns]."""

Spell = tuple[int, int]


class Leaps:
    """Where a reference goes farther from one state to the next than its own velocities and the limit [rad/s^2] can lead it.

    heard: stamps [ns], positions [rad] and velocities [rad/s] (J,). off: from when to when the controller was off, or may have
    been [ns]: there it may stand at once. leap_rad: none yet [rad]. notes: how many of them were blind, and how large.

    A simulator that was held up for longer than MOST_ELAPSED_S catches up in the state after the next: both tell nothing.
    """

    def __init__(
        self, heard: Sequence[tuple[int, np.ndarray, np.ndarray]], acceleration: np.ndarray, off: Sequence[Spell] = (),
        leap_rad: float = LEAP_RAD,
    ) -> None:  # fmt: skip
        self._found: list[tuple[int, int, float]] = []
        self.notes: dict[str, object] = {}
        held_up = False
        for (before_ns, q0, v0), (after_ns, q1, v1) in zip(heard, heard[1:]):
            elapsed = (after_ns - before_ns) * 1e-9
            held_up, just_now = not 0.0 < elapsed <= MOST_ELAPSED_S, held_up
            if held_up or just_now:
                continue
            if not v1.any() and any(before_ns < on_ns and after_ns > off_ns for off_ns, on_ns in off):
                continue
            beyond = np.abs(q1 - q0 - 0.5 * (v0 + v1) * elapsed) - 0.25 * acceleration * elapsed**2
            if beyond.max() > leap_rad:
                self._found.append((before_ns, after_ns, float(beyond.max())))

    def in_words(self, blind: Sequence[Spell] = ()) -> list[str]:
        """Those outside of these spells [ns]; those inside go into the notes."""
        seen = [leap for leap in self._found if not any(leap[0] < end_ns and leap[1] > begin_ns for begin_ns, end_ns in blind)]
        if blind:
            unseen = [leap[2] for leap in self._found if leap not in seen]
            self.notes = {"blind leaps": len(unseen), "largest [rad]": round(max(unseen, default=0.0), 5)}
        if not seen:
            return []
        before_ns, after_ns, rad = seen[0]
        first = f"the reference leaps by {rad:.2g} rad within {(after_ns - before_ns) * 1e-6:.0f} ms"
        return [f"{len(seen)} leaps; the first: {first}"]


def blind_spells(on_ns: Sequence[int], stops_ns: Sequence[int]) -> list[Spell]:
    """When an arm may leap [ns] to a stop that was made before messages came again, at each of on_ns, and came after it.

    stops_ns: when such stops were reported.
    """
    return [
        (on, on + BLIND_NS) for on in on_ns if any(TOLD_NS[0] <= stop_ns - on <= TOLD_NS[1] for stop_ns in stops_ns)
    ]


def blind_messages(arrivals_ns: Sequence[int], off: Sequence[Spell]) -> list[Spell]:
    """When an arm may leap [ns] with a message that was planned before a word could tell that it had stopped following.

    off: from when to when it did not follow [ns]. One that comes before the arm follows again is not taken.
    """
    return [
        (at_ns - MESSAGE_NS, at_ns + BLIND_NS)
        for at_ns in arrivals_ns
        if any(off_ns <= at_ns <= off_ns + UNTOLD_NS and on_ns <= at_ns + MESSAGE_NS for off_ns, on_ns in off)
    ]
