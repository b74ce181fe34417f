"""The ways in which a commanded motion is cut short, and what each of them ends beside the motion itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vla_controller.planning.gripper import Grippers


@dataclass(frozen=True)
class Cut:
    """From an instant on, the motion is no longer what chunks made of it; what earlier chunks asked is forgotten always.

    chunks: those that are open rule the motion no longer. homing: the way home, where one is under way, is given up.
    grippers: what becomes of their commands; None: those that are scheduled still go out.
    """

    chunks: bool = False
    homing: bool = False
    grippers: Callable[[Grippers], None] | None = None


BRAKED = Cut(chunks=True, homing=True, grippers=Grippers.hold)
"""A stop took over."""

RUNS_OUT = Cut(grippers=Grippers.hold)
"""A stop was asked for, and the motion goes on to its own end: that comes as soon, or there is no way to stop yet."""

SENT_HOME = Cut(chunks=True, homing=True, grippers=Grippers.hold)
"""The way home took over, from an earlier one too."""

CLOCK_SET = Cut(chunks=True, homing=True, grippers=Grippers.hold)
"""What was scheduled is of another time. The motion that was sent goes on, and ends at rest."""

ANCHORED = Cut(chunks=True)
"""The commanded motion stands where the arm is measured."""

DROPPED = Cut(chunks=True, homing=True, grippers=Grippers.hold)
"""Trajectory controllers stand elsewhere in the middle of it: they have not got it, or no longer."""

DISOWNED = Cut()
"""The arm came to rest elsewhere: nothing counts as commanded until it is anchored."""

REACTIVATED = Cut(chunks=True)
"""A trajectory controller speaks again after a silence, and holds where it stands: nothing counts as commanded any more."""

NEW_RUN = Cut(grippers=Grippers.forget)
"""Another run begins. Between the two a hand may have moved the fingers, or a simulator started over."""
