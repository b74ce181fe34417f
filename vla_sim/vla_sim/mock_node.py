"""The `mock` node: what a card's robot cell serves to the graph, without robot and without physics."""

from __future__ import annotations

import sys
import threading
from array import array
from pathlib import Path

import numpy as np
from rclpy.action import ActionServer
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState
from std_msgs.msg import Float64MultiArray, String
from trajectory_msgs.msg import JointTrajectory

from vla_contract.card import CameraCard, CardError, load_card
from vla_contract.ros.qos import LATCHED, RELIABLE, SENSOR
from vla_contract.ros.run import run_node
from vla_contract.ros.stamps import ns_to_stamp
from vla_contract.ros.timers import create_timer
from vla_sim.jtc_message import TrajectoryMessage
from vla_sim.mock import MockCell, MockServer, focal_length, synthetic_image


class MockNode(Node):
    """Parameters: card, model (URDF or MJCF for robot_description; empty: none), rule (empty: as the card says), lag [s],
    update_rate [Hz], state_rate [Hz], images.

    Raises CardError, ValueError, OSError and rclpy's ParameterException, each of which names what is wrong.
    """

    def __init__(self, ended: threading.Event) -> None:
        super().__init__("mock")
        self._ended = ended
        self.failure: str | None = None
        card = load_card(self.declare_parameter("card", "").value)
        model = self.declare_parameter("model", "").value
        rule = self.declare_parameter("rule", "").value or None
        lag = self.declare_parameter("lag", 0.0).value
        update_rate = self.declare_parameter("update_rate", 250.0).value
        state_rate = self.declare_parameter("state_rate", 125.0).value
        images = self.declare_parameter("images", True).value
        for name, rate in (("update_rate", update_rate), ("state_rate", state_rate)):
            if not 50.0 <= rate <= 2000.0:
                raise ValueError(f"parameter '{name}' is {rate:g} Hz, allowed are 50 to 2000")
        self._cell = MockCell(card, period_ns=round(1e9 / update_rate), rule=rule, lag=lag)
        if model:
            self._description = self.create_publisher(String, "robot_description", LATCHED)
            self._description.publish(String(data=Path(model).read_text(encoding="utf-8")))
        self._states = self.create_publisher(JointState, card.state.topic, SENSOR)
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
            elif gripper.interface == "gripper_command":
                self._serve_gripper(gripper.topic)
        self._cameras = [_Camera(self, camera) for camera in card.cameras] if images else []
        self._server.start()
        self.get_logger().info(f"no robot: '{card.name}' is imitated, joints {', '.join(self._cell.joint_names)}")

    def close(self) -> None:
        """Ends the server's thread."""
        self._server.stop()

    def _serve_gripper(self, topic: str) -> None:
        try:
            from control_msgs.action import GripperCommand
        except ImportError:
            self.get_logger().warning(f"the gripper's action '{topic}' is not served: control_msgs is not installed")
            return

        def execute(handle) -> GripperCommand.Result:
            self._move_gripper(topic, handle.request.command.position)
            handle.succeed()
            return GripperCommand.Result(position=handle.request.command.position, reached_goal=True)

        self._actions = [*getattr(self, "_actions", []), ActionServer(self, GripperCommand, topic, execute)]

    # From the server's thread.

    def _on_state(self, now_ns: int, positions: np.ndarray, velocities: np.ndarray) -> None:
        message = JointState(
            name=self._cell.joint_names, position=array("d", positions), velocity=array("d", velocities)
        )
        message.header.stamp = ns_to_stamp(now_ns)
        self._states.publish(message)

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

    def _move_gripper(self, topic: str, position: float) -> None:
        try:
            with self._server.lock:
                self._cell.move_gripper(topic, position)
        except ValueError as error:
            self.get_logger().error(f"command on '{topic}' refused: {error}")


class _Camera:
    """Publishes synthetic pictures of one camera at its rate, and their camera_info."""

    def __init__(self, node: Node, card: CameraCard) -> None:
        self._node, self._card, self._frame = node, card, 0
        kind, topic = (CompressedImage, f"{card.topic}/compressed") if card.compressed else (Image, card.topic)
        self._images = node.create_publisher(kind, topic, SENSOR)
        self._infos = node.create_publisher(CameraInfo, f"{card.topic.rsplit('/', 1)[0]}/camera_info", SENSOR)
        focal, cx, cy = focal_length(card), (card.width - 1) / 2, (card.height - 1) / 2
        self._info = CameraInfo(width=card.width, height=card.height, distortion_model="plumb_bob", d=[0.0] * 5)
        self._info.k = [focal, 0.0, cx, 0.0, focal, cy, 0.0, 0.0, 1.0]
        self._info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
        self._info.p = [focal, 0.0, cx, 0.0, 0.0, focal, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
        self._info.header.frame_id = card.frame
        create_timer(node, 1.0 / card.rate, self._publish)

    def _publish(self) -> None:
        pixels = synthetic_image(self._card, self._frame)
        self._frame += 1
        self._info.header.stamp = self._node.get_clock().now().to_msg()
        self._images.publish(self._compressed(pixels) if self._card.compressed else self._raw(pixels))
        self._infos.publish(self._info)

    def _raw(self, pixels: np.ndarray) -> Image:
        height, width, channels = pixels.shape
        message = Image(header=self._info.header, height=height, width=width, encoding=self._card.encoding)
        message.step = width * channels
        message.data = array("B", pixels.tobytes())
        return message

    def _compressed(self, pixels: np.ndarray) -> CompressedImage:
        import cv2  # here, because raw images need no OpenCV

        data = cv2.imencode(".jpg", pixels)[1]
        return CompressedImage(header=self._info.header, format="jpeg", data=array("B", data.tobytes()))


def main() -> None:
    """Runs the node: 0 after Ctrl-C, 1 after an error, which is one line."""
    sys.exit(run_node(MockNode, "mock", (CardError, ParameterException, ValueError, OSError)))


if __name__ == "__main__":
    main()
