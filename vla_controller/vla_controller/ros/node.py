"""The `controller` node: a thin shell over ChunkController."""

from __future__ import annotations

import os
import socket
import sys
import time
import uuid
from dataclasses import replace

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from std_msgs.msg import String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory as TrajectoryMsg
from visualization_msgs.msg import MarkerArray

from vla_contract.awaited import Awaited
from vla_contract.card import CardError, InterfaceCard, load_card
from vla_contract.priority import raise_priority
from vla_contract.report import Phase, Verdict
from vla_contract.rivals import RivalError
from vla_contract.ros.awaited import tell_awaited
from vla_contract.ros.convert import report_to_msg, run_id_to_msg, trajectory_to_msg
from vla_contract.ros.qos import CHUNKS, LATCHED, RELIABLE, REPORTS
from vla_contract.ros.rival_watch import RivalWatch
from vla_contract.ros.run import run_node
from vla_contract.ros.stamps import ns_to_duration, ns_to_stamp
from vla_contract.ros.timers import create_timer
from vla_contract.status import ControllerState
from vla_controller.books.diagnostics import Monitor
from vla_controller.books.markers import MotionShapes
from vla_controller.controller import ChunkController, Output
from vla_controller.intake.running_clock import RunningClock
from vla_controller.ros.arm_inputs import ArmInputs, joints_by_topic
from vla_controller.ros.claims import ADVICE, claims, trajectory_topics, unheard
from vla_controller.ros.description import models_from_file, models_from_text
from vla_controller.ros.gripper_ros import GripperSenders
from vla_controller.ros.inbox import outline, sort_chunks, take_waiting
from vla_controller.ros.messages import health_to_msg, markers_to_msg
from vla_controller.ros.parameters import Parameters, declare_parameters, on_speed_scale
from vla_controller.ros.polled import Gate
from vla_controller.ros.told_states import ToldStates
from vla_motion.model import ModelError
from vla_msgs.msg import ActionChunk as ChunkMsg
from vla_msgs.msg import ChunkReport as ReportMsg
from vla_msgs.msg import ControllerStatus

_TICK, _TICK_AT_REST = 10_000_000, 20_000_000  # [ns]
_RESTS_AFTER = 1.0  # [s]
_MOVING = (ControllerState.TRACKING, ControllerState.BRAKING, ControllerState.HOMING)
_STATUS = 0.1  # [s]
_EVENTS = 1.0  # [s]


class ControllerNode(Node):
    """Subscribes to joint states and chunks, publishes trajectories, reports and status, serves stop, resume and home.

    Until the robot description has arrived it waits, and says so in its status. Raises CardError, ModelError, RivalError,
    ValueError and rclpy's ParameterException, each of which names what is wrong and what is allowed.
    """

    def __init__(self) -> None:
        super().__init__("controller")
        self._settings = declare_parameters(self)
        self._card = load_card(self._settings.card)
        dry_run = self._settings.dry_run
        self._rivals, self._rival = RivalWatch(self, claims(self._card, dry_run=dry_run), ADVICE), ""
        self._simulated = bool(self.get_parameter("use_sim_time").value)
        self._running_clock = RunningClock(lambda: self.get_clock().now().nanoseconds, time.monotonic_ns)
        self._speed_scale = self._settings.speed_scale
        self._core: ChunkController | None = None
        self._message = "waiting for robot_description"
        self._last_status: ControllerState | None = None
        self._shapes, self._monitor = MotionShapes(self._card), Monitor()
        self._told = ToldStates(self.get_logger())
        if self._settings.model:
            self._begin(models_from_file(self._settings.model, self._card))
        self._rivals.before_start()
        self._events, self._events_at = Gate(), 0.0
        topics = () if dry_run else trajectory_topics(self._card)
        self._trajectories = {topic: self._publisher(TrajectoryMsg, topic, RELIABLE) for topic in topics}
        self._grippers = GripperSenders(self, self._card, needed=not dry_run)
        self._reports = self._publisher(ReportMsg, "vla/chunk_report", REPORTS)
        self._status = self._publisher(ControllerStatus, "vla/controller_status", RELIABLE)
        self._markers = self._publisher(MarkerArray, "vla/markers", RELIABLE)
        self._diagnostics = self._publisher(DiagnosticArray, "/diagnostics", RELIABLE)
        self._awaited = _awaited(self._card, self._settings)
        self._identity = {
            "node": self.get_fully_qualified_name(), "host": socket.gethostname(), "process": os.getpid(),
            "instance": run_id_to_msg(uuid.uuid4().hex),
        }  # fmt: skip
        if self._core is None:
            self.create_subscription(String, "robot_description", self._on_description, LATCHED)
        self._inputs = ArmInputs(self, self._card, self._awaited)
        self._chunks = self.create_subscription(ChunkMsg, "vla/action_chunk", self._on_chunk, CHUNKS)
        for name in ("stop", "resume", "home"):
            self.create_service(Trigger, f"vla/{name}", lambda _, response, name=name: self._serve(name, response))
        on_speed_scale(self, self._on_speed_scale)
        self._timer, self._active_at = create_timer(self, _TICK * 1e-9, self._on_tick), 0.0
        create_timer(self, _STATUS, self._on_status)
        tell_awaited(self, lambda: self._awaited)

    def _publisher(self, kind: type, topic: str, profile: QoSProfile) -> Publisher:
        return self.create_publisher(kind, topic, profile, callback_group=self._events)

    @property
    def _now(self) -> int:
        return self._running_clock.read()

    def _begin(self, models) -> None:
        settings = self._settings
        self._core = ChunkController(
            self._card,
            models,
            planning_margin_ns=settings.planning_margin_ns,
            brake_margin_ns=settings.brake_margin_ns,
            dry_run=settings.dry_run,
            strategy=settings.strategy,
            speed_scale=self._speed_scale,
            # /clock is heard between callbacks, and would stand still while a chunk is planned
            clock=self._running_clock if self._simulated else lambda: self._now,
            steady=time.monotonic_ns,
            simulated=self._simulated,
        )
        self._message = "dry run: no trajectory is published" if settings.dry_run else ""
        if self._rival:
            self._core.on_contended(self._rival, self._now)
        joints = ", ".join(joint for arm in self._card.arms for joint in arm.joints)
        self.get_logger().info(
            f"card '{self._card.name}' ({self._card.card_hash}), joints {joints}, {settings.strategy}, "
            f"speed scale {self._speed_scale:g}"
        )

    def _on_description(self, message: String) -> None:
        if self._core is not None:
            return
        try:
            self._begin(models_from_text(message.data, self._card))
            self._awaited.done("robot_description")
        except ModelError as error:
            self._message = f"robot_description does not fit the card: {error}"
            self.get_logger().error(self._message)

    def _look_at_arms(self) -> None:
        for output in self._inputs.take(self._core, lambda: self._now):
            self._publish(output)

    def _on_speed_scale(self, scale: float) -> None:
        self._speed_scale = scale
        if self._core is not None:
            self._core.set_speed_scale(scale)
        self.get_logger().info(f"speed scale {scale:g}")

    def _on_chunk(self, message: ChunkMsg) -> None:
        received = time.monotonic_ns()
        messages = [message, *take_waiting(self._chunks, CHUNKS.depth)]
        self._look_at_arms()  # what continues a motion continues the newest
        if self._core is None:
            self.get_logger().warning(f"chunk {message.sequence} ignored: {self._message}", throttle_duration_sec=1.0)
            return
        # Those that are none come last, as if late: between chunks they would make more than the newest be planned.
        chunks, malformed = sort_chunks(messages)
        if chunks:
            self._publish(self._core.on_chunks(chunks, self._now, received))
        for wrong, reason in malformed:
            self._publish(self._core.on_malformed(outline(wrong), reason, self._now, received))

    def _on_tick(self) -> None:
        self._look_at_arms()
        if self._core is not None:
            self._publish(self._core.tick(self._now))
        rests = time.monotonic() - self._active_at > _RESTS_AFTER
        period_ns = _TICK_AT_REST if rests else _TICK
        if self._timer.timer_period_ns != period_ns:
            self._timer.timer_period_ns = period_ns

    def _serve(self, name: str, response: Trigger.Response) -> Trigger.Response:
        if self._core is None:
            response.success, response.message = False, self._message
            return response
        self._look_at_arms()
        output = getattr(self._core, name)(self._now)
        self._publish(output)
        response.success, response.message = output.accepted, output.message
        self.get_logger().info(f"{name}: {output.message}")
        return response

    def _publish(self, output: Output) -> None:
        if output.trajectories or output.grippers or output.reports or output.status in _MOVING:
            self._active_at = time.monotonic()
        for trajectory in output.trajectories:
            self._trajectories[trajectory.topic].publish(trajectory_to_msg(trajectory))
        for command in output.grippers:
            self._grippers.send(command)
        published = time.monotonic_ns() if output.trajectories else 0
        for report in output.reports:
            if published and report.phase is Phase.SCHEDULED and report.verdict is Verdict.ACCEPTED:
                report = replace(report, published_steady_ns=published)
                self._core.published(published)
            self._reports.publish(report_to_msg(report))
            self._shapes.on_report(report, self._core.tool_at)
            self._monitor.on_report(report)
            if report.phase is Phase.CLOSED and report.verdict.is_refusal and report.message:
                self.get_logger().warning(
                    f"chunk {report.sequence}: {report.verdict.name}: {report.message}", throttle_duration_sec=1.0
                )
        if output.status is not self._last_status:
            self._publish_status()

    def _look_around(self) -> None:
        """Who else commands the arm, or is a controller here."""
        if self._core is not None and not self._settings.dry_run:
            self._core.on_listeners(unheard(self._card, self._trajectories))
        rival, before = self._rivals.look(), self._rival
        if rival == before:
            return
        self._rival = rival
        if rival:
            self.get_logger().error(f"{rival}: nothing is commanded until it is gone")
        else:
            self.get_logger().info(f"alone again: until now {before}")
        if self._core is not None:
            self._publish(self._core.on_contended(rival, self._now))

    def _on_status(self) -> None:
        self._events.is_open = not self._events.is_open and time.monotonic() >= self._events_at
        if self._events.is_open:
            self._events_at = time.monotonic() + _EVENTS
        self._look_around()
        self._publish_status()
        now, core = self._now, self._core
        health = self._monitor.judge(
            core.snapshot(now) if core else None,
            now,
            message=self._rival or self._message or self._grippers.problem,
            speed_scale=self._speed_scale,
            dry_run=self._settings.dry_run,
        )
        name = self.get_fully_qualified_name()
        self._diagnostics.publish(health_to_msg(health, name, self._card.name, now))
        if core is not None and self._markers.get_subscription_count():
            paths = [core.tool_path(now, index) for index in range(len(self._card.arms))]
            self._markers.publish(markers_to_msg(self._shapes.shapes(paths), now))

    def _publish_status(self) -> None:
        now, core = self._now, self._core
        message = ControllerStatus(
            stamp=ns_to_stamp(now),
            dry_run=self._settings.dry_run,
            card_hash=self._card.card_hash,
            speed_scale=core.speed_scale if core else self._speed_scale,
            **self._identity,
        )
        message.message = self._rival or self._message
        if core is not None:
            snapshot = core.snapshot(now)
            self._last_status = snapshot.state
            message.state = int(snapshot.state)
            message.message = snapshot.message or self._message or self._grippers.problem
            self._told.look(snapshot.state, message.message)
            message.run_id = run_id_to_msg(snapshot.run_id)
            message.state_age = ns_to_duration(max(0, snapshot.state_age_ns))
            message.tracking_error = snapshot.tracking_error
            for name, count in vars(snapshot.counts).items():
                setattr(message, name, count)
        self._status.publish(message)


def _awaited(card: InterfaceCard, settings: Parameters) -> Awaited:
    """What has to be there before the arm can move."""
    inputs = {} if settings.model else {"robot_description": ()}
    inputs.update(joints_by_topic(card))
    return Awaited(inputs, {} if settings.dry_run else {arm.trajectory_topic: "trajectories" for arm in card.arms})


def main() -> None:
    """Entry point: 0 after Ctrl-C or SIGTERM, 1 after a mistake in card, model or parameters, or where another node does
    this one's work already: that is one line."""
    raise_priority()
    mistakes = (CardError, ModelError, ParameterException, RivalError, ValueError)
    sys.exit(run_node(lambda _: ControllerNode(), "controller", mistakes))


if __name__ == "__main__":
    main()
