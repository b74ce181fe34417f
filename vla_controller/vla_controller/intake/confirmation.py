"""Whether trajectory controllers have shown, in their newest state, that they follow the plan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vla_contract.chunk import ActionChunk
from vla_controller.planning.timeline import Timeline

_PATIENCE_NS = 250_000_000
_SPAN_NS = 12_000_000  # over less, noise of stamps passes for motion
_LONGEST_PERIOD_NS = 100_000_000
_LATE_NS, _MISSING = 5_000_000, 1.4  # and share of a period
_AROUND_NS = np.arange(-30_000_000, 10_000_001, 5_000_000)  # of a set point's stamp, as for its position
_NOISE, _SHARE = 1e-4, 0.1  # [rad], and of the planned way


@dataclass
class _Seen:
    """What one controller has shown.

    newest_ns: stamp of its newest state, and period_ns from one to the next. From base_ns, where its set point was q (J,) [rad],
    it goes on; follows: up to there it went as planned. doubted: a state was missing before, and such an interval tells little.
    """

    newest_ns: int
    base_ns: int
    q: np.ndarray
    period_ns: float = math.inf
    follows: bool = True
    doubted: bool = False


class Confirmation:
    """One entry for each arm, in the card's order. One that was never heard is believed: older drivers are mute.

    A controller that was deactivated and activated again holds where it stood: for a moment its set point is still near the
    plan, but it no longer goes with it. What was planned meanwhile it never got, and what goes on from there makes it leap.
    """

    def __init__(self, arms: Sequence[str]) -> None:
        self._arms = tuple(arms)
        self._seen: list[_Seen | None] = [None] * len(arms)

    def see(self, arm: int, q: np.ndarray, stamp_ns: int, timeline: Timeline, joints: slice) -> None:
        """A set point q (J,) [rad] of an arm, of stamp_ns; its joints in the timeline, which is the plan."""
        seen = self._seen[arm]
        if seen is None or stamp_ns < seen.newest_ns:
            self._seen[arm] = _Seen(stamp_ns, stamp_ns, q)
            return
        elapsed_ns = stamp_ns - seen.newest_ns
        seen.doubted = seen.doubted or elapsed_ns > _MISSING * seen.period_ns + _LATE_NS
        seen.period_ns = _averaged(seen.period_ns, elapsed_ns)
        seen.newest_ns = stamp_ns
        if stamp_ns - seen.base_ns < _SPAN_NS:
            return
        planned = timeline.sample(stamp_ns + _AROUND_NS)[0] - timeline.sample(seen.base_ns + _AROUND_NS)[0]
        least, most = planned[:, joints].min(axis=0), planned[:, joints].max(axis=0)
        slack = _NOISE + _SHARE * np.maximum(np.abs(least), np.abs(most))
        moved = q - seen.q
        seen.follows = bool(np.all((moved >= least - slack) & (moved <= most + slack))) and not seen.doubted
        seen.doubted = False
        seen.base_ns, seen.q = stamp_ns, q

    def missing(self, now_ns: int) -> str:
        """Whose word is missing that it follows the plan, in words; empty: nobody's."""
        for name, seen in zip(self._arms, self._seen):
            if seen is None:
                continue
            if not seen.follows:
                return f"the trajectory controller of arm {name} does not go with the motion that it was sent"
            age_ns = now_ns - seen.newest_ns
            if age_ns > min(seen.period_ns, _LONGEST_PERIOD_NS) + _LATE_NS:
                return f"the trajectory controller of arm {name} has said nothing for {age_ns * 1e-6:.0f} ms"
        return ""

    def forget(self) -> None:
        """As before the first state: stamps are of another time, or what is planned is."""
        self._seen = [None] * len(self._arms)


def _averaged(period_ns: float, elapsed_ns: int) -> float:
    """A running mean of the times from state to state [ns], in which a gap counts little."""
    return period_ns + (min(elapsed_ns, 2 * period_ns) - period_ns) / 8 if math.isfinite(period_ns) else elapsed_ns


@dataclass(frozen=True)
class HeldBack:
    """A chunk that waits, since since_ns [ns], for the word of a trajectory controller; received at received_steady_ns [ns]."""

    chunk: ActionChunk
    since_ns: int
    received_steady_ns: int

    def may_wait(self, now_ns: int) -> bool:
        """It has not waited too long; nor was the clock set back."""
        return 0 <= now_ns - self.since_ns < _PATIENCE_NS
