"""Looks at the graph for nodes that do what this one alone may do: before it begins, and while it runs."""

from __future__ import annotations

import time
from collections.abc import Iterable

from rclpy.node import Node

from vla_contract.rivals import UNNAMED, Claim, RivalError, in_words, others

LOOK_S = 1.0
"""From a node's first sign to what it knows of those that were there before: twice the time between two announcements [s]."""
GONE_S = 1.0
"""Who has not been seen for so long is gone [s]."""
_NAME_S = 0.5
_POLL_S = 0.05
_NAMELESS = ("_NODE_NAME_UNKNOWN_", "_CREATED_BY_BARE_DDS_APP_")


def full_name(node_name: str, namespace: str) -> str:
    """Of a node as the graph shows it; UNNAMED where it does not."""
    return UNNAMED if node_name in _NAMELESS else f"{namespace.rstrip('/')}/{node_name}"


def publishers_of(node: Node, topic: str) -> list[str]:
    """Full names of the nodes that publish on an absolute topic, one for each publisher."""
    return [full_name(info.node_name, info.node_namespace) for info in node.get_publishers_info_by_topic(topic)]


class RivalWatch:
    """Asks the graph who else publishes on the topics that a node claims for itself.

    Make it as soon as the node exists: from then on the graph becomes known, in threads of the middleware. Call ``before_start``
    before the node has any publisher on these topics, and ``look`` now and then once it has one on each.

    Args:
        node: The one that claims.
        claims: Its topics are resolved as the node's own.
        advice: What the user is to do about a rival, in words.
        named: Nothing moves by what a rival does: ``look`` may wait half a second for its name.
    """

    def __init__(self, node: Node, claims: Iterable[Claim], advice: str, *, named: bool = False) -> None:
        self._node, self._advice = node, advice
        resolved = (Claim(node.resolve_topic_name(claim.topic), claim.deed) for claim in claims)
        self._claims = list({claim.topic: claim for claim in resolved}.values())
        self._made_at = self._seen_at = time.monotonic()
        self._words = ""
        self._named, self._nameless_since = named, None

    def before_start(self) -> None:
        """Waits until LOOK_S after this watch was made. Raises RivalError where somebody is there already."""
        time.sleep(max(0.0, self._made_at + LOOK_S - time.monotonic()))
        deadline = time.monotonic() + _NAME_S
        words = self._find(own=0)
        while UNNAMED in words and time.monotonic() < deadline:  # names come a moment after the publishers
            time.sleep(_POLL_S)
            words = self._find(own=0)
        if words:
            raise RivalError(f"{words} already: {self._advice}")

    def look(self) -> str:
        """Who is there beside this node, in words; empty: nobody has been for GONE_S. A few microseconds for each topic."""
        words = self._find(own=1)
        if self._named and self._waits_for_a_name(words):
            return self._words
        if words:
            self._words, self._seen_at = words, time.monotonic()
        elif self._words and time.monotonic() - self._seen_at >= GONE_S:
            self._words = ""
        return self._words

    def _waits_for_a_name(self, words: str) -> bool:
        if UNNAMED not in words:
            self._nameless_since = None
            return False
        self._nameless_since = self._nameless_since or time.monotonic()
        return time.monotonic() - self._nameless_since < _NAME_S

    def _find(self, own: int) -> str:
        found = {}
        for claim in self._claims:
            if self._node.count_publishers(claim.topic) > own:
                found[claim.topic] = others(
                    publishers_of(self._node, claim.topic), self._node.get_fully_qualified_name(), own
                )
        return in_words(self._claims, found)
