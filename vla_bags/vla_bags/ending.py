"""When a recording is over, and what then becomes of the process that records."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from vla_bags.recording import Recording


class Ending:
    """A recording is over after its duration, or by itself: as a rule because the disk is full.

    Where the disk is full `vla record` ends. A node that a launch file started says so and stays: what begins without its
    recording is ended by the launch file, what moves already is not.

    Args:
        recording: Whether it has ended by itself is looked up in its `failure`.
        duration: From now on [s]; 0: for ever.
        stays: A launch file has started the process.
        end: Ends the process.
        stay: Takes in a line why nothing is recorded any more, where the process goes on.

    Attributes:
        over: Nothing is recorded any more, and `end` or `stay` was called, once.
    """

    def __init__(
        self, recording: Recording, duration: float, *, stays: bool, end: Callable[[], None], stay: Callable[[str], None]
    ) -> None:
        self._recording, self._stays, self._end, self._stay = recording, stays, end, stay
        self._deadline = time.monotonic() + duration if duration > 0 else math.inf
        self.over = False

    def look(self) -> None:
        """Does what there is to do where the recording is over since the last look."""
        failure = self._recording.failure
        if self.over or (failure is None and time.monotonic() < self._deadline):
            return
        self.over = True
        if failure is not None and self._stays:
            self._stay(f"{failure}; the graph goes on unrecorded")
        else:
            self._end()
