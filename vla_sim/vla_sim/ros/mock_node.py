"""The `mock` node: what a card's robot cell serves to the graph, without robot and without physics."""

from __future__ import annotations

import math
import sys
import threading

import numpy as np
from rclpy.action import ActionServer
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState
from std_msgs.msg import Float64MultiArray, String
from std_srvs.srv import SetBool
from trajectory_msgs.msg import JointTrajectory

from vla_contract.card import CameraCard, CardError, load_card
from vla_contract.gripper_actions import GRIPPER_ACTIONS, gripper_action
from vla_contract.priority import raise_priority
from vla_contract.rivals import RivalError
from vla_contract.ros.images import camera_message
from vla_contract.ros.parameters import declare
from vla_contract.ros.qos import LATCHED, RELIABLE, SENSOR
from vla_contract.ros.run import run_node
from vla_contract.ros.stamps import ns_to_stamp
from vla_contract.ros.timers import create_timer
from vla_motion.description import read_description
from vla_sim.jtc_message import TrajectoryMessage
from vla_sim.mock import MockCell, MockServer, focal_length, synthetic_image
from vla_sim.ros.claims import SoleCell
from vla_sim.ros.controller_states import ControllerStatePublisher
from vla_sim.ros.state_topics import StateTopics


class MockNode(Node):
    """Parameters: card, model (URDF or MJCF for robot_description; empty: none), rule (empty: as the card says), lag [s],
    update_rate [Hz], state_rate [Hz], controller_state_rate [Hz], images, away [rad].

    The service `mock/set_active` activates and deactivates the trajectory controllers, as a controller manager does.

    Raises CardError, RivalError, ValueError, OSError and rclpy's ParameterException, each of which names what is wrong.
    """

    def __init__(self, ended: threading.Event) -> None:
        super().__init__("mock")
        self._ended = ended
        self.failure: str | None = None
        card = load_card(declare(self, "card", "", "path of the interface card (YAML)"))
        model = declare(self, "model", "", "path of a URDF or MJCF for robot_description; empty: none is published")
        rule = declare(self, "rule", "", "replacement rule that is imitated, legacy or splice; empty: the card's") or None
        lag = declare(self, "lag", 0.0, "time constant with which the joints follow their commands, 0 to 1 [s]")
        update_rate = declare(self, "update_rate", 250.0, "of the trajectory controllers, 50 to 2000 [Hz]")
        state_rate = declare(self, "state_rate", 125.0, "of joint_states, 50 to 2000 [Hz]")
        tell_rate = declare(self, "controller_state_rate", 50.0, "of the trajectory controllers' controller_state; 0: none [Hz]")
        images = declare(self, "images", True, "publish the cameras: a square that wanders")
        away = declare(self, "away", 0.0, "from the card's home to where the arms begin, about their first joint [rad]")
        for name, rate in (("update_rate", update_rate), ("state_rate", state_rate)):
            if not 50.0 <= rate <= 2000.0:
                raise ValueError(f"parameter '{name}' is {rate:g} Hz, allowed are 50 to 2000")
        if tell_rate and not 1.0 <= tell_rate <= state_rate:
            allowed = f"0, and 1 to state_rate ({state_rate:g})"
            raise ValueError(f"parameter 'controller_state_rate' is {tell_rate:g} Hz, allowed are {allowed}")
        sole = SoleCell(self, card.state.topics)
        self._cell = MockCell(card, period_ns=round(1e9 / update_rate), rule=rule, lag=lag, away=away)
        description = read_description(model) if model else ""
        sole.before_start()
        if model:
            self._description = self.create_publisher(String, "robot_description", LATCHED)
            self._description.publish(String(data=description))
        self._states = StateTopics(self, card.state)
        self._server = MockServer(
            self._cell,
            lambda: self.get_clock().now().nanoseconds,
            self._on_state,
            state_period_ns=round(1e9 / state_rate),
            on_slip=self._on_slip,
            on_clock_set=self._on_clock_set,
            on_error=self._on_error,
        )
        for topic in self._cell.trajectory_topics:
            self.create_subscription(JointTrajectory, topic, lambda m, t=topic: self._on_trajectory(t, m), RELIABLE)
        for gripper in (arm.gripper for arm in card.arms if arm.gripper):
            if gripper.interface == "binary":
                topic = gripper.topic
                self.create_subscription(Float64MultiArray, topic, lambda m, t=topic: self._on_number(t, m), RELIABLE)
            elif gripper.interface in GRIPPER_ACTIONS:
                self._serve_gripper(gripper.topic, gripper.interface)
        self._cameras = [_Camera(self, camera) for camera in card.cameras] if images else []
        self._controller_states = ControllerStatePublisher(self, self._cell.trajectory_topics if tell_rate else ())
        self._tell_every_ns, self._told_ns = round(1e9 / tell_rate) if tell_rate else 0, 0
        self.create_service(SetBool, "mock/set_active", self._on_set_active)
        self._server.start()
        sole.watch(ended)
        self.get_logger().info(f"no robot: '{card.name}' is imitated, joints {', '.join(self._cell.joint_names)}")

    def close(self) -> None:
        """Ends the server's thread."""
        self._server.stop()

    def _serve_gripper(self, topic: str, interface: str) -> None:
        try:
            action = gripper_action(interface)
        except ValueError as error:
            self.get_logger().warning(f"the gripper's action '{topic}' is not served: {error}")
            return

        def execute(handle):
            command = handle.request.command
            simple = interface == "gripper_command"
            position = command.position if simple else command.position[0] if len(command.position) == 1 else math.nan
            if not self._move_gripper(topic, position):
                handle.abort()
                return action.Result()
            handle.succeed()
            state = {"position": position} if simple else {"state": JointState(name=command.name, position=[position])}
            return action.Result(reached_goal=True, **state)

        self._actions = [*getattr(self, "_actions", []), ActionServer(self, action, topic, execute)]

    # From the server's thread.

    def _on_state(self, now_ns: int, positions: np.ndarray, velocities: np.ndarray) -> None:
        self._states.publish(ns_to_stamp(now_ns), self._cell.joint_names, positions, velocities)
        if self._tell_every_ns and not 0 <= now_ns - self._told_ns < self._tell_every_ns:
            self._told_ns = now_ns
            with self._server.lock:
                told = list(self._cell.controllers())
            for topic, endpoint, q, v in told:
                self._controller_states.publish(topic, endpoint, q, v, now_ns)

    def _on_slip(self, skipped_ns: int) -> None:
        self.get_logger().warning(
            f"this machine is too busy for update_rate: {skipped_ns / 1e6:.0f} ms skipped", throttle_duration_sec=5.0
        )

    def _on_clock_set(self, by_ns: int) -> None:
        self.get_logger().warning(f"the clock was set by {by_ns * 1e-9:+.3f} s; stamps follow it")

    def _on_error(self, error: BaseException) -> None:
        self.failure = f"the mock ended: {error!r}"
        self._ended.set()

    # From the executor.

    def _on_trajectory(self, topic: str, message: JointTrajectory) -> None:
        with self._server.lock:
            accepted, reason = self._cell.submit(topic, TrajectoryMessage.from_msg(message))
        if not accepted:
            self.get_logger().error(f"trajectory on '{topic}' refused: {reason}")

    def _on_number(self, topic: str, message: Float64MultiArray) -> None:
        if len(message.data) != 1:
            self.get_logger().error(f"command on '{topic}' refused: {len(message.data)} numbers, 1 is needed")
            return
        self._move_gripper(topic, message.data[0])

    def _move_gripper(self, topic: str, position: float) -> bool:
        try:
            with self._server.lock:
                self._cell.move_gripper(topic, position)
        except ValueError as error:
            self.get_logger().error(f"command on '{topic}' refused: {error}")
            return False
        return True

    def _on_set_active(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        with self._server.lock:
            self._cell.set_active(request.data)
        response.success, response.message = True, f"trajectory controllers {'active' if request.data else 'inactive'}"
        self.get_logger().info(response.message)
        return response


class _Camera:
    """Publishes synthetic images of one camera at its rate, and their camera_info."""

    def __init__(self, node: Node, card: CameraCard) -> None:
        self._node, self._card, self._frame = node, card, 0
        kind = CompressedImage if card.compressed else Image
        self._images = node.create_publisher(kind, card.image_topic, SENSOR)
        self._infos = node.create_publisher(CameraInfo, card.info_topic, SENSOR)
        focal, cx, cy = focal_length(card), (card.width - 1) / 2, (card.height - 1) / 2
        self._info = CameraInfo(width=card.width, height=card.height, distortion_model="plumb_bob", d=[0.0] * 5)
        self._info.k = [focal, 0.0, cx, 0.0, focal, cy, 0.0, 0.0, 1.0]
        self._info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
        self._info.p = [focal, 0.0, cx, 0.0, 0.0, focal, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
        self._info.header.frame_id = card.frame
        create_timer(node, 1.0 / card.rate, self._publish)

    def _publish(self) -> None:
        now_ns = self._node.get_clock().now().nanoseconds
        message = camera_message(self._card, synthetic_image(self._card, self._frame), now_ns)
        self._frame += 1
        self._info.header.stamp = message.header.stamp
        self._images.publish(message)
        self._infos.publish(self._info)


def main() -> None:
    """Runs the node: 0 after Ctrl-C, 1 after an error, which is one line.

    It stands for an arm, whose joint states do not stay away because a policy is busy.
    """
    raise_priority()
    sys.exit(run_node(MockNode, "mock", (CardError, ParameterException, RivalError, ValueError, OSError)))


if __name__ == "__main__":
    main()
