"""The `controller` node: a thin shell over ChunkController."""

from __future__ import annotations

import sys
import time
from dataclasses import replace

from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory as TrajectoryMsg

from vla_contract.action_space import ActionSpace
from vla_contract.card import CardError, load_card
from vla_contract.chunk import ActionChunk, ChunkError
from vla_contract.report import Phase
from vla_contract.ros.convert import chunk_from_msg, report_to_msg, run_id_from_msg, run_id_to_msg, trajectory_to_msg
from vla_contract.ros.qos import LATCHED, RELIABLE, SENSOR
from vla_contract.ros.run import run_node
from vla_contract.ros.stamps import ns_to_duration, ns_to_stamp, stamp_to_ns
from vla_contract.status import ControllerState
from vla_motion.model import ModelError
from vla_msgs.msg import ActionChunk as ChunkMsg
from vla_msgs.msg import ChunkReport as ReportMsg
from vla_msgs.msg import ControllerStatus

from .controller import ChunkController, Output
from .description import models_from_file, models_from_text

_TICK = 0.01  # [s]
_STATUS = 0.1  # [s]


class ControllerNode(Node):
    """Subscribes to joint states and chunks, publishes trajectories, reports and status, serves stop, resume and home.

    Until the robot description has arrived it waits, and says so in its status. Raises CardError, ModelError,
    ValueError and rclpy's ParameterException, each of which names what is wrong and what is allowed.
    """

    def __init__(self) -> None:
        super().__init__("controller")
        path = self._parameter("card", "", "path of the interface card (YAML)")
        if not path:
            raise ValueError("parameter 'card' is empty; the path of an interface card (YAML) is needed")
        self._card = load_card(path)
        self._dry_run = self._parameter("dry_run", False, "plan and report everything, publish no trajectory")
        margin = self._parameter(
            "planning_margin", 0.04, "from a chunk's arrival to the instant its motion takes over [s]", (0.0, 0.5)
        )
        model = self._parameter("model", "", "path of a URDF or MJCF; empty: read from the topic robot_description")
        self._margin_ns = round(margin * 1e9)
        self._core: ChunkController | None = None
        self._message = "waiting for robot_description"
        self._last_status: ControllerState | None = None
        self._trajectories = {
            topic: self.create_publisher(TrajectoryMsg, topic, RELIABLE)
            for arm in self._card.arms
            for topic in (arm.trajectory_topic, *((arm.gripper.topic,) if arm.gripper else ()))
        }
        self._reports = self.create_publisher(ReportMsg, "vla/chunk_report", RELIABLE)
        self._status = self.create_publisher(ControllerStatus, "vla/controller_status", RELIABLE)
        if model:
            self._begin(models_from_file(model, self._card))
        else:
            self.create_subscription(String, "robot_description", self._on_description, LATCHED)
        self.create_subscription(JointState, self._card.state.topic, self._on_joint_state, SENSOR)
        self.create_subscription(ChunkMsg, "vla/action_chunk", self._on_chunk, RELIABLE)
        for name in ("stop", "resume", "home"):
            self.create_service(Trigger, f"vla/{name}", lambda _, response, name=name: self._serve(name, response))
        self.create_timer(_TICK, self._on_tick)
        self.create_timer(_STATUS, self._publish_status)

    def _parameter(self, name: str, default, description: str, bounds: tuple[float, float] | None = None):
        descriptor = ParameterDescriptor(description=description, read_only=True)
        if bounds is not None:
            descriptor.floating_point_range = [FloatingPointRange(from_value=bounds[0], to_value=bounds[1], step=0.0)]
        return self.declare_parameter(name, default, descriptor).value

    @property
    def _now(self) -> int:
        return self.get_clock().now().nanoseconds

    def _begin(self, models) -> None:
        self._core = ChunkController(self._card, models, planning_margin_ns=self._margin_ns, dry_run=self._dry_run)
        self._message = "dry run: no trajectory is published" if self._dry_run else ""
        joints = ", ".join(joint for arm in self._card.arms for joint in arm.joints)
        self.get_logger().info(f"card '{self._card.name}' ({self._card.card_hash}), joints {joints}")

    def _on_description(self, message: String) -> None:
        if self._core is not None:
            return
        try:
            self._begin(models_from_text(message.data, self._card))
        except ModelError as error:
            self._message = f"robot_description does not fit the card: {error}"
            self.get_logger().error(self._message)

    def _on_joint_state(self, message: JointState) -> None:
        if self._core is not None:
            self._core.on_joint_state(
                stamp_to_ns(message.header.stamp), message.name, message.position, message.velocity or None, self._now
            )

    def _on_chunk(self, message: ChunkMsg) -> None:
        received = time.monotonic_ns()
        if self._core is None:
            self.get_logger().warning(f"chunk {message.sequence} ignored: {self._message}", throttle_duration_sec=1.0)
            return
        try:
            chunk = chunk_from_msg(message)
        except ChunkError as error:
            self._publish(self._core.on_malformed(_outline(message), str(error), self._now, received))
            return
        self._publish(self._core.on_chunk(chunk, self._now, received))
        taken = time.monotonic_ns() - received
        if taken > self._margin_ns:
            self.get_logger().warning(
                f"chunk {chunk.sequence} took {taken * 1e-6:.0f} ms, longer than planning_margin: its motion began late",
                throttle_duration_sec=1.0,
            )

    def _on_tick(self) -> None:
        if self._core is not None:
            self._publish(self._core.tick(self._now))

    def _serve(self, name: str, response: Trigger.Response) -> Trigger.Response:
        if self._core is None:
            response.success, response.message = False, self._message
            return response
        output = getattr(self._core, name)(self._now)
        self._publish(output)
        response.success, response.message = output.accepted, output.message
        self.get_logger().info(f"{name}: {output.message}")
        return response

    def _publish(self, output: Output) -> None:
        for trajectory in output.trajectories:
            self._trajectories[trajectory.topic].publish(trajectory_to_msg(trajectory))
        published = time.monotonic_ns() if output.trajectories else 0
        for report in output.reports:
            if published and report.phase is Phase.SCHEDULED and not report.verdict.is_refusal:
                report = replace(report, published_steady_ns=published)
                self._core.published(published)
            self._reports.publish(report_to_msg(report))
            if report.phase is Phase.CLOSED and report.verdict.is_refusal and report.message:
                self.get_logger().warning(
                    f"chunk {report.sequence}: {report.verdict.name}: {report.message}", throttle_duration_sec=1.0
                )
        if ControllerState[output.status] != self._last_status:
            self._publish_status()

    def _publish_status(self) -> None:
        now, core = self._now, self._core
        message = ControllerStatus(
            stamp=ns_to_stamp(now), dry_run=self._dry_run, card_hash=self._card.card_hash, speed_scale=1.0
        )
        message.message = self._message
        if core is not None:
            snapshot = core.snapshot(now)
            self._last_status = snapshot.state
            message.state = int(snapshot.state)
            message.message = snapshot.message or self._message
            message.run_id = run_id_to_msg(snapshot.run_id)
            message.state_age = ns_to_duration(max(0, snapshot.state_age_ns))
            message.tracking_error = snapshot.tracking_error
            for name, count in vars(snapshot.counts).items():
                setattr(message, name, count)
        self._status.publish(message)


def _outline(message: ChunkMsg) -> ActionChunk:
    """What can be told of a message that is no chunk."""
    return ActionChunk(
        stamp_ns=stamp_to_ns(message.header.stamp), frame_id=message.header.frame_id, image_stamps_ns=(),
        state_stamp_ns=0, run_id=run_id_from_msg(message.run_id), sequence=message.sequence,
        card_hash=message.card_hash, action_space=ActionSpace.JOINT_POSITION, names=(), actions=[],
        step_period_ns=0, valid_for_ns=0,
    )  # fmt: skip


def main() -> None:
    """Entry point: 0 after Ctrl-C or SIGTERM, 1 after a mistake in card, model or parameters, which is one line."""
    mistakes = (CardError, ModelError, ParameterException, ValueError)
    sys.exit(run_node(lambda _: ControllerNode(), "controller", mistakes))


if __name__ == "__main__":
    main()
