"""When trajectories leave, and how long they may be on their way."""

from __future__ import annotations

from collections.abc import Callable


class Sending:
    """When a trajectory that is planned now leaves.

    clock: the time as it goes on [ns]; None: it stands still while planning. delivery_ns: the least that a message takes.
    """

    def __init__(self, clock: Callable[[], int] | None, delivery_ns: int) -> None:
        self._clock, self._delivery_ns = clock, delivery_ns

    def now(self, now_ns: int) -> int:
        """The time, at least now_ns, when the call began."""
        return now_ns if self._clock is None else max(now_ns, self._clock())

    def time(self, now_ns: int) -> int:
        """The time, which may be before now_ns where the clock was set back meanwhile."""
        return now_ns if self._clock is None else self._clock()

    def late_ns(self, splice_ns: int) -> int:
        """By how much a trajectory that is sent now would miss its own splice [ns]; 0 or less: it would not."""
        return 0 if self._clock is None else self._clock() + self._delivery_ns - splice_ns

    def too_late(self, splice_ns: int) -> bool:
        """A trajectory that is sent now would reach the arm after its own splice, and make a step."""
        return self.late_ns(splice_ns) > 0


class InFlight:
    """Messages under the splice rule that may still be on their way.

    A joint trajectory controller that finds two messages in one cycle keeps the newer one alone. So as long as one may
    not have arrived, the next is stamped at the same splice and repeats it. delivery_ns: the longest a message takes.
    """

    def __init__(self, delivery_ns: int) -> None:
        self._delivery_ns = delivery_ns
        self.forget()

    @property
    def delays(self) -> bool:
        """Messages are to be stamped ahead, for some arm."""
        return self._delivery_ns > 0

    def forget(self) -> None:
        """As if everything that was sent had arrived."""
        self._sent_ns, self._splice_ns = -self._delivery_ns, 0

    def may_send(self, now_ns: int) -> bool:
        """A splice under way leaves a message time to arrive before it."""
        return now_ns >= self._sent_ns + self._delivery_ns or self._splice_ns >= now_ns + self._delivery_ns

    def begin(self, now_ns: int, splice_ns: int) -> int:
        """Where the message that is sent at now_ns has to begin [ns]; it is remembered as sent."""
        late = now_ns >= self._sent_ns + self._delivery_ns or not self.may_send(now_ns)
        self._splice_ns = splice_ns if late else min(splice_ns, self._splice_ns)
        self._sent_ns = now_ns
        return self._splice_ns
