"""Failure labels, what a finding is, and the thresholds that decide. Each threshold has its unit and its reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Label(StrEnum):
    """Why an episode failed. In the order of precedence: what comes first in this list explains what comes after it."""

    VIEWPOINT = "VIEWPOINT"
    """The camera saw from elsewhere than in training."""
    WRONG_OBJECT = "WRONG_OBJECT"
    """Another object than the named one was touched first, or held."""
    OUT_OF_WORKSPACE = "OUT_OF_WORKSPACE"
    """The tool was asked beyond the card's box, or the object has left it."""
    LIMITS_IGNORED = "LIMITS_IGNORED"
    """The policy asked for motion that the card's limits forbid."""
    DROPPED = "DROPPED"
    """The object was held and lifted, and let go short of the goal."""
    MISSED_GRASP = "MISSED_GRASP"
    """The gripper closed on nothing."""
    TOO_SLOW = "TOO_SLOW"
    """Plans came too late or too seldom, or the time limit came while the task advanced."""
    NO_PROGRESS = "NO_PROGRESS"
    """Nothing came nearer to its goal for a long time."""


@dataclass(frozen=True)
class Finding:
    """A label with its evidence.

    Attributes:
        stamp_ns: First bad moment [ns].
        sequence: Chunk in motion then, None where no chunk has run.
        words: Why, with numbers.
    """

    label: Label
    stamp_ns: int
    sequence: int | None
    words: str


Rule = Callable[..., Finding | None]

CLAMPED_BY_WORKSPACE = 0.5
"""Share of executed steps altered by the workspace box, or out of reach, from which a run was out of the workspace: most."""
CLAMPED_BY_LIMITS = 0.4
"""Share of executed steps altered by the arm's own limits (`from_truth.ARM_KINDS`) from which they are ignored. The shipped
policy has 0.13 on average and up to 0.33 (100 picks of 2.4 s or more, which succeeded), all of it acceleration, most in the two
plans after the start."""
REFUSED_BY_LIMIT = 0.5
"""Share of plans refused whole for a limit that has the same meaning as clamped steps: a plan is refused where no softer form
of it keeps the limits, so that most of a run's plans are never refused by chance."""
MIN_PLANS = 3
"""Plans below which no share of them is judged."""
MIN_STEPS = 10
"""Executed steps below which no share is judged: a second of motion."""
OUTSIDE_M = 0.005
"""Depth outside the box that counts for the tool [m]: the joint trajectory controller tracks to a millimetre or two."""
OUTSIDE_NS = 500_000_000
"""How long the tool must be outside [ns]: overshoot is shorter."""
OBJECT_OUTSIDE_M = 0.02
"""Depth outside the box, seen from above, that counts for an object [m]: half a block, so that its middle cannot be grasped."""
FALLEN_M = -0.05
"""Height of an object's centre below which it has fallen off the table [m]: no object's centre lies below the table top."""

EMPTY_OPENING = 0.12
"""Opening of the gripper up to which its fingers hold nothing, as share of the way: 5 mm of 40 for the Panda's finger, a
quarter of a 4 cm block. Thinner objects look like nothing."""
FULL_OPENING = 0.9
"""Opening from which the gripper counts as open."""
SAME_OPENING = 0.05
"""Change of the opening up to which fingers stand still, as share of the way: 2 mm of 40."""
GRIPPED_NS = 500_000_000
"""How long fingers commanded to close must stand still, neither open nor closed, to hold something [ns]. The slowest grippers
take 4 s for their way, and pass more than `SAME_OPENING` in this time."""
EMPTY_NS = 200_000_000
"""How long the gripper must be closed on nothing [ns]: it passes such openings in less when it closes and opens."""
NEAR_TARGET_M = 0.10
"""Distance of the tool from the named object within which a closing hand is an attempt at it [m]: 2.5 blocks."""

LIFTED_M = 0.015
"""Rise above where an object lay from which it counts as lifted [m]: a block that is squeezed tips by less."""
HELD_NS = 200_000_000
"""How long a hold must last to be one [ns]: fingers that close brush an object from both sides for less."""
LET_GO_NS = 300_000_000
"""How long an object must be out of the hand to be dropped [ns]: contacts flicker, and success takes 200 ms to count."""

STALL_NS = 5_000_000_000
"""Time without progress that is a stall [ns]: demonstrations reach an object from anywhere in 4 s."""
PROGRESS_M = 0.01
"""Nearer by less than this is no progress [m]: the tool sways by millimetres when a policy hesitates."""
LAST_NS = 3_000_000_000
"""Window before the time limit in which a task must advance to have been too slow [ns]."""
ADVANCE_M = 0.03
"""How much nearer it must come in that window [m]: 1 cm/s, a 25th of the demonstrations' speed."""
AT_LIMIT = 0.97
"""Share of the time limit from which an episode ran to its limit: a graph takes a moment to end a run."""
COVERED = 0.7
"""Share of the time between first and last chunk with a step to execute below which plans come too seldom: at the shipped
cadence it is 1."""
LATE_SHARE = 0.5
"""Share of a plan's steps past on arrival from which it is late; also the share of chunks refused as too old."""
STILL_RAD = 0.02
"""Range of every joint below which an arm stands still [rad]: 1 degree."""
