"""ROS domains for graphs that must not meet another one of the same computer."""

from __future__ import annotations

import os
import re
import socket
from collections import deque
from contextlib import suppress

from vla_graph.errors import GraphError

_DOMAINS = 101
_FIRST_PORT, _PORTS_OF_A_DOMAIN = 7400, 250
"""Of DDS discovery, as its interoperability protocol (RTPS) sets them."""
_KEPT = 8
"""Domains that this process holds at most: who asks more often has ended the graph of the oldest."""
_held: deque[tuple[int, socket.socket]] = deque()


def free_domain() -> int:
    """A ROS_DOMAIN_ID in which no node of this computer is, and that no other process has been given and may still use: 1 to 101,
    whose ports the operating system does not hand out, or one of `VLA_DOMAINS` ("20-39"), where others of the same network
    have theirs.

    It is held until this process ends, or has asked for eight more. Raises GraphError where all are taken, or the range is none.
    """
    first, last = domains()
    count = last - first + 1
    while len(_held) >= min(_KEPT, count):
        _held.popleft()[1].close()
    begin = _held[-1][0] - first + 1 if _held else os.getpid()  # two that ask at the same time seldom try the same
    for k in range(count):
        domain = first + (begin + k) % count
        if not _in_use(domain) and (hold := _hold(domain)) is not None:
            _held.append((domain, hold))
            return domain
    raise GraphError(f"every ROS domain from {first} to {last} is in use on this computer")


def _in_use(domain: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", _FIRST_PORT + _PORTS_OF_A_DOMAIN * domain))  # every DDS participant of the domain listens there
        except OSError:
            return True
    return False


def _hold(domain: int) -> socket.socket | None:
    """Takes the domain before any node is in it, which takes a second or more. None: another process has."""
    hold = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with suppress(OSError):
        hold.bind(f"\0vla_ros_domain_{domain}")  # a name without a file, gone with the process
        return hold
    hold.close()
    return None


def domains() -> tuple[int, int]:
    """First and last domain that may be given: of `VLA_DOMAINS`, else 1 and 101. Raises GraphError where that is no range."""
    text = os.environ.get("VLA_DOMAINS", f"1-{_DOMAINS}")
    found = re.fullmatch(r"([0-9]{1,3})-([0-9]{1,3})", text)
    first, last = map(int, found.groups()) if found else (1, 0)
    if not first <= last <= _DOMAINS:
        raise GraphError(f"VLA_DOMAINS is {text!r}, allowed is a range within 0-{_DOMAINS}, as 20-39")
    return first, last
