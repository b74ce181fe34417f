"""What became of a chunk, as the controller tells it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from vla_contract.action_space import ActionSpace
from vla_contract.chunk import ChunkError, frozen_array


class Phase(IntEnum):
    """SCHEDULED within 10 ms of a chunk, CLOSED exactly once. The numbers equal ChunkReport.msg."""

    SCHEDULED = 0
    CLOSED = 1


class Verdict(IntEnum):
    """What the controller decided. The numbers equal ChunkReport.msg."""

    ACCEPTED = 0
    BRAKE = 1
    NOT_FINITE = 2
    NAMES = 3
    SHAPE = 4
    STALE = 5
    OUT_OF_ORDER = 6
    OLD_RUN = 7
    CARD_MISMATCH = 8
    SPACE = 9
    STOPPED = 10
    DESYNC = 11
    NO_STATE = 12
    INFEASIBLE = 13
    EXPIRED = 14
    SUPERSEDED = 15
    LOST = 16
    CONTENDED = 17
    LATE = 18

    @property
    def is_refusal(self) -> bool:
        """True where nothing, or nothing more, of the chunk is executed."""
        return self >= Verdict.NOT_FINITE


class ClampLimit(IntEnum):
    """Kinds of limit, numbered as in ChunkClamp.msg. The first word of ``Clamp.limit``, in lower case."""

    OTHER = 0
    POSITION = 1
    VELOCITY = 2
    ACCELERATION = 3
    JERK = 4
    WORKSPACE = 5
    TOOL_SPEED = 6
    TOOL_ANGULAR_SPEED = 7
    COLLISION = 8
    OPEN_LOOP = 9
    GRIPPER = 10
    REACH = 11
    DELAY = 12
    SMOOTHING_POSITION = 13
    SMOOTHING_ANGLE = 14


class Clamp(NamedTuple):
    """One limit that altered one step."""

    step: int
    """Index of the step within the chunk."""
    limit: str
    """Kind of limit, then the joint or axis: "velocity panda_joint3", "workspace z", "tool_speed"."""
    amount: float
    """How far the wish was beyond the limit, in the limit's own unit."""

    @property
    def kind(self) -> ClampLimit:
        """The limit's number, from the first word of ``limit``; OTHER where that is no known kind."""
        word = self.limit.split(" ", 1)[0].upper()
        return ClampLimit.__members__.get(word, ClampLimit.OTHER)


@dataclass(frozen=True, eq=False)
class ChunkReport:
    """Field by field what ChunkReport.msg carries.

    Raises ChunkError where ``planned_actions`` is not (len(step_stamps_ns), len(names)).
    """

    stamp_ns: int
    """When the report was made, ROS time [ns]."""
    phase: Phase
    run_id: str
    """UUID, 32 hex digits."""
    sequence: int
    chunk_stamp_ns: int
    verdict: Verdict
    message: str = ""
    action_space: ActionSpace = ActionSpace.JOINT_POSITION
    names: tuple[str, ...] = ()
    planned_actions: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    """The actions after clamping, in the chunk's own space. Shape (H, D), or empty."""
    step_stamps_ns: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    """When each step is due [ns]. Shape (H,), int64."""
    anchor: tuple[float, ...] = ()
    """x, y, z [m], qx, qy, qz, qw in ``frame_id`` for Cartesian spaces, else joint positions [rad]; empty: none."""
    commanded_minus_measured: np.ndarray = field(default_factory=lambda: np.empty(0))
    """Joint positions at the time of planning [rad]. Shape (J,)."""
    first_executed_ns: int = 0
    """Due stamp of the first step executed [ns]; 0: none."""
    last_executed_ns: int = 0
    steps_executed: int = 0
    steps_skipped: int = 0
    steps_clamped: int = 0
    steps_superseded: int = 0
    clamps: tuple[Clamp, ...] = ()
    received_steady_ns: int = 0
    """Arrival of the chunk on the controller's steady clock [ns]; 0: never."""
    published_steady_ns: int = 0
    frame_id: str = ""
    """Frame of Cartesian values, as in the chunk."""

    def __post_init__(self) -> None:
        names = tuple(self.names)
        stamps = np.array(self.step_stamps_ns, dtype=np.int64).reshape(-1)
        stamps.flags.writeable = False
        planned = frozen_array(self.planned_actions, "planned_actions")
        if planned.size == 0:
            planned = planned.reshape(0, len(names))
        elif planned.shape != (len(stamps), len(names)):
            raise ChunkError(
                f"planned_actions: shape {planned.shape}, allowed is ({len(stamps)} step stamps, {len(names)} names)"
            )
        object.__setattr__(self, "phase", Phase(self.phase))
        object.__setattr__(self, "verdict", Verdict(self.verdict))
        object.__setattr__(self, "action_space", ActionSpace(self.action_space))
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "planned_actions", planned)
        object.__setattr__(self, "step_stamps_ns", stamps)
        object.__setattr__(self, "anchor", tuple(float(v) for v in self.anchor))
        object.__setattr__(
            self, "commanded_minus_measured", frozen_array(self.commanded_minus_measured, "commanded_minus_measured")
        )
        object.__setattr__(self, "clamps", tuple(Clamp(*c) for c in self.clamps))
