"""Up to where an arm passes for being on its plan, and for standing, by what its trajectory controller says.

As measured, it is judged by the card's tracking tolerance, and by the noise that `joint_states` allows.
"""

from __future__ import annotations

# of which instant a set point is

EARLIEST_NS, LATEST_NS = -30_000_000, 10_000_000
"""From its stamp on, the instants of which a set point may be [ns]: messages take their time, and clocks differ."""

JITTER_NS = 2_000_000
"""By how much stamps of one controller are off, either way [ns], once it is known of which instant its set points are."""

# off the plan

OFF = 1e-3
"""Of a set point, from where the plan is around its stamp [rad]. Only some of those instants are looked at, and the plan may turn
between them."""

OFF_AT_REST = 1e-5
"""The same where the plan rests [rad]: no instant is in doubt there, and what takes over from the plan begins with that leap."""

OFF_IN_TIME = 2e-4
"""Of a set point, from where the plan is at its own instant [rad]: with that known, less than OFF is enough. Also from where the
plan ends: so near, its steps count as done."""

DROPPED = 0.01
"""Of an arm that stands, from all that it was commanded in the last moments [rad]: by its controller's word, or as measured where
that is silent, as it may have been activated again a moment ago and hold there. More than the noise of a joint that stands."""

NOISE, SHARE = 1e-4, 0.1
"""Of the way between two set points, from what the plan may have made of it [rad], and as a share of that: it goes along."""

# standing

RESTS = 1e-6
"""Up to this speed an arm is at rest [rad/s]: where it is held then, no step is made."""

STANDS = 5e-3
"""Below this speed an arm that is off its plan is held, not braked [rad/s]: from one set point to the next it is within NOISE."""

SAME = 1e-9
"""From one set point to the next [rad]: it stands, so that a new motion may begin there without a leap."""

CREEPS = 1e-5
"""From the place that a set point had [rad]: farther, and its arm is seen to move."""
