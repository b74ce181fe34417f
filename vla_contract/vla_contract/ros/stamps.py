"""Nanoseconds to ROS times and back."""

from __future__ import annotations

from builtin_interfaces.msg import Duration, Time

NS = 1_000_000_000


def stamp_to_ns(stamp: Time | Duration) -> int:
    """A message's time or duration in nanoseconds."""
    return stamp.sec * NS + stamp.nanosec


def ns_to_stamp(ns: int) -> Time:
    """Time message; ``nanosec`` stays in 0 to 999 999 999 for times before the epoch, too."""
    sec, nanosec = divmod(int(ns), NS)
    return Time(sec=sec, nanosec=nanosec)


def ns_to_duration(ns: int) -> Duration:
    """Duration message; -1 ns is -1 s and 999 999 999 ns, as rclpy has it."""
    sec, nanosec = divmod(int(ns), NS)
    return Duration(sec=sec, nanosec=nanosec)
