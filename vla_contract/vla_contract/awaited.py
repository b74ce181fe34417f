"""What a node waits for, in words: an arm whose driver was not started is silence, and silence tells nobody what to start."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from vla_contract.printing import listed

QUIET_S = 3.0
"""Silence after which an input counts as awaited again [s]."""
PERIOD_S = 5.0
"""Between two lines of the log [s]."""
_MOST = 8


class Awaited:
    """Inputs and when they were heard last.

    Args:
        inputs: Topic to the parts that its messages must bring, such as joints; without parts any message will do.
        outputs: Topic to what goes there: somebody has to listen.
    """

    def __init__(self, inputs: Mapping[str, Sequence[str]], outputs: Mapping[str, str] | None = None) -> None:
        self._inputs = {topic: tuple(parts) for topic, parts in inputs.items()}
        self._outputs = dict(outputs or {})
        self._heard: dict[str, dict[str, float]] = {topic: {} for topic in inputs}

    def heard(self, topic: str, now_s: float, parts: Iterable[str] = ("",)) -> None:
        """A message came; parts: what it brought. now_s: of a clock that is never set [s]. One that is no input says nothing."""
        if topic not in self._heard:
            return
        wanted = self._inputs.get(topic) or ("",)
        self._heard[topic].update({part: now_s for part in parts if part in wanted})

    def done(self, topic: str) -> None:
        """This one is not awaited any more."""
        self._inputs.pop(topic, None)

    def words(
        self, now_s: float, publishers: Callable[[str], int], listeners: Callable[[str], int], name: Callable[[str], str] = str
    ) -> list[str]:
        """A line for each input that has not come, or has stopped coming; and for each output that nobody takes.

        publishers, listeners: How many there are of a topic. name: of a topic, as the user knows it.
        """
        lines = []
        for topic, parts in self._inputs.items():
            times = self._heard[topic]
            silent = [part for part in parts or ("",) if now_s - times.get(part, -1e9) > QUIET_S]
            if not silent:
                continue
            there = publishers(topic)
            who = "nobody publishes there" if not there else f"{there} {'publishes' if there == 1 else 'publish'} there"
            what = listed(silent, _MOST) if any(silent) else "any message"
            since = max((times[part] for part in silent if part in times), default=None)
            ago = "" if since is None else f" for {now_s - since:.0f} s"
            lines.append(f"waiting for {what} on {name(topic)}{ago}: {who}")
        lines += [f"nobody takes {what} on {name(topic)}" for topic, what in self._outputs.items() if not listeners(topic)]
        return lines


class Listening:
    """Since when a node has been listening without a break. While it loads or warms up a model its messages wait to be read, and
    what has not been read is not silence.

    Args:
        period_s: Between two lines, and from the beginning of listening to the first [s].
    """

    def __init__(self, period_s: float = PERIOD_S) -> None:
        self._period_s = period_s
        self._to: object = None
        self._last_s = self._since_s = 0.0

    def is_due(self, now_s: float, to: object) -> bool:
        """Whether a line may be said now. Asked often, by what stands still where messages are not read either.

        now_s: Of a clock that is never set [s]. to: What is listened to; None: nothing.
        """
        if to is not self._to or now_s - self._last_s > QUIET_S:
            self._to, self._since_s = to, now_s
        self._last_s = now_s
        if to is None or now_s - self._since_s < self._period_s:
            return False
        self._since_s = now_s
        return True
