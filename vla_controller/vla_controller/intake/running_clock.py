"""A simulator's clock that goes on while a call lasts, although the node hears of it between calls only. No ROS here."""

from __future__ import annotations

from collections.abc import Callable

_WINDOW_NS = 500_000_000
_FURTHEST_NS = 1_000_000_000
_UNHEARD_NS = 200_000_000  # a clock that shows the same for longer has been stopped


class RunningClock:
    """Goes on from the last ``read`` at the rate that the clock has shown against the steady one.

    The rate is the lower of the last two half seconds': after a start, a pause or a leap ahead the clock is too slow at worst,
    at first it stands still, as the one it reads. While it shows the same it has not been heard of: the node was held up, or
    what tells the time was, and time goes on from when it first showed that.

    Args:
        clock: Is read between calls, and stands still while one lasts [ns].
        steady: Never set [ns].
    """

    def __init__(self, clock: Callable[[], int], steady: Callable[[], int]) -> None:
        self._clock, self._steady = clock, steady
        self._read = self._window = (clock(), steady())
        self._rates = (0.0, 0.0)
        self._since_ns = self._read[1]

    @property
    def rate(self) -> float:
        """Seconds of the clock for one of the steady clock."""
        return min(self._rates)

    def read(self) -> int:
        """What the clock shows now; a call begins [ns]."""
        shown_ns, at_ns = read = self._clock(), self._steady()
        if shown_ns != self._read[0]:
            self._since_ns = at_ns
        self._read = shown_ns, self._since_ns if at_ns - self._since_ns <= _UNHEARD_NS else at_ns
        passed_ns, took_ns = (now - then for now, then in zip(read, self._window))
        if passed_ns < 0:
            self._window, self._rates = read, (0.0, 0.0)
        elif took_ns >= _WINDOW_NS:
            self._window, self._rates = read, (self._rates[1], passed_ns / took_ns)
        return shown_ns

    def __call__(self) -> int:
        """As long as the call lasts: never before what was read, and at most a second ahead of it [ns]."""
        shown_ns, at_ns = self._read
        return shown_ns + min(_FURTHEST_NS, int((self._steady() - at_ns) * self.rate))
