"""Which topic of joint states is a draft's own, and which others tell joints that it lacks."""

from __future__ import annotations

from collections.abc import Collection, Mapping

NAME = "joint_states"


def divide_states(
    states: Mapping[str, Collection[str]], moved: Collection[str] = ()
) -> tuple[str, dict[str, list[str]], list[str]]:
    """The card's `state.topic`, its other sources with the joints that they alone tell, and the rest with the reason.

    Args:
        states: Joints that were heard on each topic.
        moved: Joints that a controller moves: a topic of many of these is the robot's.
    """

    def rank(topic: str) -> tuple:
        return (topic != NAME, -len(set(states[topic]) & set(moved)), -len(states[topic]), topic)

    ranked = sorted(states, key=rank)
    known = set(states[ranked[0]])
    sources: dict[str, list[str]] = {}
    left_out = []
    for topic in ranked[1:]:
        new = [joint for joint in states[topic] if joint not in known]
        if new:
            sources[topic] = new
            known.update(new)
        else:
            others = [other for other in ranked if other == ranked[0] or other in sources]
            left_out.append(f"{topic}: its joints are told on {', '.join(map(repr, others))} already")
    return ranked[0], sources, left_out
