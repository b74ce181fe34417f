"""What the graph says while faults are tried: trajectories, motion, reports and states, each with its arrival."""

from __future__ import annotations

import bisect
import time
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from control_msgs.msg import JointTrajectoryControllerState
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from vla_bench.ros.fault_topics import Sent, faulty
from vla_contract.card import InterfaceCard
from vla_contract.report import ChunkReport, Verdict
from vla_contract.ros.convert import report_from_msg, trajectory_from_msg
from vla_contract.ros.qos import RELIABLE, SENSOR
from vla_contract.ros.stamps import stamp_to_ns
from vla_contract.status import ControllerState, PolicyState
from vla_msgs.msg import ChunkReport as ReportMsg
from vla_msgs.msg import ControllerStatus, PolicyStatus

DEEP = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=5000, reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)  # fmt: skip
_CLOCKS = 20_000
_SET_NS, _ON_THE_WAY_NS = 500_000_000, 100_000_000


@dataclass
class Heard:
    """Since the last fault began; arrivals on the steady clock [ns]."""

    trajectories: list[tuple[int, dict]] = field(default_factory=list)
    motion: list[tuple[int, np.ndarray, np.ndarray]] = field(default_factory=list)
    raw_reports: list[tuple[int, bytes]] = field(default_factory=list)
    states: list[tuple[int, ControllerState, str]] = field(default_factory=list)
    policy_states: list[tuple[int, PolicyState]] = field(default_factory=list)
    _read: list[tuple[int, ChunkReport]] = field(default_factory=list)

    @property
    def reports(self) -> list[tuple[int, ChunkReport]]:
        """Of chunks. They are read when they are asked for: a flood brings more than could be read as they come."""
        for at, data in self.raw_reports[len(self._read) :]:
            self._read.append((at, report_from_msg(deserialize_message(data, ReportMsg))))
        return self._read

    def verdicts(self, at_steady_ns: int) -> set[Verdict]:
        """Of the reports since then."""
        return {r.verdict for at, r in self.reports if at >= at_steady_ns}


class Listener:
    """Subscribes to the graph. sim_time: it runs on the simulator's clock, through the relay."""

    def __init__(self, node: Node, card: InterfaceCard, *, sim_time: bool) -> None:
        self.heard = Heard()
        self._card, self._sim_time = card, sim_time
        self._clocks: deque[tuple[int, int]] = deque(maxlen=_CLOCKS)
        topic = card.arms[0].trajectory_topic
        node.create_subscription(JointTrajectory, faulty(topic) if sim_time else topic, self._on_trajectory, DEEP)
        node.create_subscription(JointState, card.state.topic, self._on_joint_state, SENSOR)
        node.create_subscription(ReportMsg, "vla/chunk_report", self._on_report, DEEP, raw=True)
        node.create_subscription(ControllerStatus, "vla/controller_status", self._on_status, RELIABLE)
        node.create_subscription(PolicyStatus, "vla/policy_status", self._on_policy, RELIABLE)
        if sim_time:
            node.create_subscription(Clock, faulty("/clock"), self._on_clock, SENSOR)

    def forget(self) -> None:
        """Another fault begins."""
        self.heard = Heard()

    def clock_ns(self, at_steady_ns: int | None = None) -> int:
        """ROS time of controller and policy [ns], now or at an instant of the steady clock; 0: not known yet."""
        at = time.monotonic_ns() if at_steady_ns is None else at_steady_ns
        if not self._sim_time:
            return time.time_ns() - time.monotonic_ns() + at
        clocks = list(self._clocks)
        if not clocks:
            return 0
        received_ns, clock_ns = clocks[max(0, bisect.bisect_right(clocks, (at, 2**63)) - 1)]
        return clock_ns + at - received_ns

    def sent(self) -> list[Sent]:
        """The trajectories, by the ROS time at which they arrived.

        Made anew each time: when the clock is set back, the message about it may be read here after those that came behind it.
        """
        return [
            Sent(
                fields["stamp_ns"] + fields["times_ns"], fields["positions"], fields["velocities"], fields["accelerations"],
                self._arrival_ns(at, fields["stamp_ns"]), at,
            )
            for at, fields in list(self.heard.trajectories)
        ]  # fmt: skip

    def _arrival_ns(self, at_steady_ns: int, stamp_ns: int) -> int:
        """ROS time at which a trajectory arrived. One on its way while the clock was set is of the clock of its stamp."""
        around = [self.clock_ns(at_steady_ns + d) - d for d in (0, -_ON_THE_WAY_NS, _ON_THE_WAY_NS)]
        if max(around) - min(around) < _SET_NS or not stamp_ns:
            return around[0]
        return min(around, key=lambda clock: abs(clock - stamp_ns))

    def _on_clock(self, message: Clock, info: dict) -> None:
        self._clocks.append((_arrival(info), stamp_to_ns(message.clock)))

    def _on_trajectory(self, message: JointTrajectory, info: dict) -> None:
        self.heard.trajectories.append((_arrival(info), trajectory_from_msg(message)))

    def _on_joint_state(self, message: JointState) -> None:
        place = [message.name.index(joint) for joint in self._card.arms[0].joints]
        q, v = np.array(message.position)[place], np.array(message.velocity)[place]
        self.heard.motion.append((time.monotonic_ns(), q, v))

    def _on_report(self, data: bytes) -> None:
        self.heard.raw_reports.append((time.monotonic_ns(), data))

    def _on_status(self, message: ControllerStatus) -> None:
        self.heard.states.append((time.monotonic_ns(), ControllerState(message.state), message.message))

    def _on_policy(self, message: PolicyStatus) -> None:
        self.heard.policy_states.append((time.monotonic_ns(), PolicyState(message.state)))


def _arrival(info: dict) -> int:
    """When a message came to this process, not when its turn came in it; steady clock [ns]."""
    return time.monotonic_ns() - (time.time_ns() - info["received_timestamp"])


class References:
    """What a joint trajectory controller says that it commands: stamps [ns], positions [rad] and velocities [rad/s] (J,)."""

    def __init__(self, node: Node, topic: str) -> None:
        self._node, self.heard = node, []
        self._subscription = node.create_subscription(JointTrajectoryControllerState, topic, self._on_state, SENSOR)

    def _on_state(self, message: JointTrajectoryControllerState) -> None:
        point = message.reference
        self.heard.append((stamp_to_ns(message.header.stamp), np.array(point.positions), np.array(point.velocities)))

    def close(self) -> None:
        """Hears no more."""
        self._node.destroy_subscription(self._subscription)
