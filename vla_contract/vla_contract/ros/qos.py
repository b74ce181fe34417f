"""How each kind of topic is delivered. Publisher and subscriber both take their profile from here."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy


def _profile(depth: int, reliability: ReliabilityPolicy, durability: DurabilityPolicy) -> QoSProfile:
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=reliability, durability=durability)


# Images, joint states: the newest matters, a lost one does not come again.
SENSOR = _profile(5, ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE)

# The same for who stands back behind the others and should miss little: some seconds of images, which is what memory bounds.
SENSOR_DEEP = _profile(100, ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE)

# Chunks, reports, trajectories, status: none may be lost, and none may be played late to a newcomer.
RELIABLE = _profile(10, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)

# The controller's ends of chunks and their reports: a second of a flood of 500 chunks a second fits, answers included.
CHUNKS = _profile(500, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)
REPORTS = _profile(2000, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)

# Policy info, robot description: a newcomer gets the last one.
LATCHED = _profile(1, ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL)
