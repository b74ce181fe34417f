"""Joints that turn for ever: an angle and the same angle a full turn on are one posture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from vla_contract.card_content import CardContent

TURN = 2.0 * math.pi
"""[rad]"""
_ROUNDED = 1e-3  # [rad] cards have 3.1416 and 6.283
Angles = TypeVar("Angles", float, np.ndarray)


def turning_joints(card: CardContent) -> frozenset[str]:
    """Arm joints that the card lets turn all around: only these can be reported a full turn off where they are."""
    return frozenset(
        joint
        for arm in card.arms
        for joint, lower, upper in zip(arm.joints, arm.limits.position_lower, arm.limits.position_upper)
        if upper - lower >= TURN - _ROUNDED
    )


def on_turn_of(q: Angles, near: Angles) -> Angles:
    """The same angles [rad] on the turns that are nearest to ``near``, of the same shape."""
    return q + TURN * np.round((near - q) / TURN)


def short_way(low: float, high: float, share: float) -> float:
    """An angle between two [rad], the short way round, written as the two are.

    A driver that wraps begins anew at some multiple of half a turn, mostly at pi: what lies behind it is given a turn on.
    """
    way = high - low - TURN * round((high - low) / TURN)
    q = low + share * way
    if abs(high - low) <= math.pi:
        return q
    seam = math.pi * round((low + 0.5 * way) / math.pi)
    return q - math.copysign(TURN, way) if (q - seam) * way > 0.0 else q
