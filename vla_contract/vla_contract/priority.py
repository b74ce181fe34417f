"""Scheduling of the processes that an arm waits for."""

from __future__ import annotations

import contextlib
import os

_REALTIME = 1  # lowest of the real-time priorities: ahead of cameras and policies, behind ros2_control's own
_NICE = -10  # where real time is not allowed


def raise_priority() -> None:
    """Real-time priority for this thread and those that it starts from now on, the middleware's among them, as far as the
    user may have it: SCHED_FIFO 1, else nice -10, else nothing, and other processes may delay this one."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_REALTIME))
    except (AttributeError, OSError):
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, _NICE)
