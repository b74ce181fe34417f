"""What the controller's core hands back."""

from __future__ import annotations

from dataclasses import dataclass, field

from vla_contract.report import ChunkReport
from vla_contract.status import ControllerState
from vla_controller.books.reports import Counts
from vla_controller.planning.gripper import GripperCommand
from vla_motion.trajectory import JointTrajectory


@dataclass
class Output:
    """What an entry of the controller asks for.

    trajectories: to publish, in order. grippers: commands for those that no joint trajectory controller drives. reports:
    to publish after them. status: what the controller does now.
    accepted and message: the answer to stop, resume and home.
    """

    trajectories: list[JointTrajectory] = field(default_factory=list)
    grippers: list[GripperCommand] = field(default_factory=list)
    reports: list[ChunkReport] = field(default_factory=list)
    status: ControllerState = ControllerState.WAITING_FOR_STATE
    accepted: bool = True
    message: str = ""


@dataclass(frozen=True)
class Snapshot:
    """What goes into a ControllerStatus.

    message: why the arm would not follow a chunk now; empty where it would. run_id: the newest run, empty before the
    first. state_age_ns: of the newest joint state, 0 before the first. tracking_error [rad]. delay_ns: from observation to
    arrival, 95th percentile of the last chunks. delay_bound_ns: the longest such delay at which the strategy takes the
    newest chunk while the arm moves; 0: unknown.
    """

    state: ControllerState
    message: str
    run_id: str
    state_age_ns: int
    tracking_error: float
    counts: Counts
    delay_ns: int = 0
    delay_bound_ns: int = 0
