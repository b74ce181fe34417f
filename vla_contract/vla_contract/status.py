"""States and codes that the nodes publish. The numbers equal those of the messages."""

from __future__ import annotations

from enum import IntEnum


class PolicyState(IntEnum):
    """PolicyStatus.state. From STALE_INPUT on, inference has stopped and the arm was told to brake."""

    UNCONFIGURED = 0
    INACTIVE = 1
    WARMING_UP = 2
    IDLE = 3
    RUNNING = 4
    WAITING_FOR_INPUT = 5
    STALE_INPUT = 6
    SKEWED_INPUT = 7
    BLACK_INPUT = 8
    FROZEN_INPUT = 9
    INVALID_INPUT = 10
    ERROR = 11
    CONTENDED = 12


class ControllerState(IntEnum):
    """ControllerStatus.state."""

    WAITING_FOR_STATE = 0
    IDLE = 1
    TRACKING = 2
    BRAKING = 3
    STOPPED = 4
    DESYNC = 5
    STALE_STATE = 6
    HOMING = 7
    CONTENDED = 8
    SILENT_CONTROLLER = 9


class RunError(IntEnum):
    """error_code of a RunTask result."""

    NONE = 0
    CANCELED = 1
    REJECTED = 2
    MISSING_INPUT = 3
    STALE_INPUT = 4
    SKEWED_INPUT = 5
    BLACK_INPUT = 6
    FROZEN_INPUT = 7
    INVALID_INPUT = 8
    CONTROLLER_UNAVAILABLE = 9
    CONTROLLER_STOPPED = 10
    CHUNKS_REFUSED = 11
    POLICY_FAILED = 12
    SHUTDOWN = 13
    CONTENDED = 14


class Outcome(IntEnum):
    """Whether a run did its task. On a real arm nobody may guess success."""

    UNKNOWN = 0
    SUCCESS = 1
    FAILURE = 2


class OutcomeSource(IntEnum):
    """Who said so."""

    NOBODY = 0
    SIM = 1
    OPERATOR = 2
    DETECTOR = 3


DONE_BEFORE = "its task was done already when it began"
"""In the message of a run's result, where that is so: `vla run` looks for it."""
