"""The `sim` node: cameras, joint states, trajectory topics and ground truth of the simulated cell."""

from __future__ import annotations

import sys
import threading

import numpy as np
from geometry_msgs.msg import Point, Pose, Quaternion
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String
from std_srvs.srv import SetBool
from trajectory_msgs.msg import JointTrajectory as JointTrajectoryMsg

from vla_contract.card import CardError, load_card
from vla_contract.node_settings import number_problem
from vla_contract.rivals import RivalError
from vla_contract.ros.images import camera_message
from vla_contract.ros.parameters import declare
from vla_contract.ros.qos import LATCHED, RELIABLE, SENSOR
from vla_contract.ros.run import run_node
from vla_contract.ros.stamps import ns_to_duration, ns_to_stamp
from vla_contract.ros.timers import create_timer
from vla_msgs.msg import ObjectPose, TaskState
from vla_msgs.srv import Reset
from vla_sim.card_fit import WorldError
from vla_sim.frames import RobotFrames
from vla_sim.jtc_message import TrajectoryMessage
from vla_sim.ros.claims import CLOCK_TOPIC, SoleCell
from vla_sim.ros.controller_states import ControllerStatePublisher
from vla_sim.ros.state_topics import StateTopics
from vla_sim.ros.tf import TransformPublisher
from vla_sim.server import Callbacks, SimServer
from vla_sim.tasks import TaskError
from vla_sim.urdf import UrdfError, robot_urdf
from vla_sim.world import SimWorld

_TELL_NS = 20_000_000
"""Period of controller_state [ns], as joint_trajectory_controller's default up to Humble; newer ones publish in each cycle."""


class SimNode(Node):
    """Publishes what the server simulates. Parameters: card, task, seed, rule, rate, publish_clock.

    The service `vla_sim/set_active` activates and deactivates the trajectory controllers, as a controller manager does.

    Raises CardError, WorldError, TaskError, UrdfError, RivalError, ValueError and rclpy's ParameterException.
    """

    def __init__(self, ended: threading.Event) -> None:
        super().__init__("sim")
        self._ended = ended
        card = load_card(declare(self, "card", "", "path of the interface card (YAML)"))
        task = declare(self, "task", "pick", "task of the card that the cell is set up for")
        seed = declare(self, "seed", 0, "of the scene and of the instruction's wording")
        rule = declare(self, "rule", "", "replacement rule that is imitated, legacy or splice; empty: the card's") or None
        rate = declare(self, "rate", 1.0, "simulated seconds per second; other than 1 needs publish_clock")
        publish_clock = declare(self, "publish_clock", False, "publish /clock, and stamp by it; false: the wall clock")
        for name, value in (("seed", seed), ("rate", rate)):
            problem = number_problem("vla_sim", "sim", name, str(value))
            if problem:
                raise ValueError(f"parameter '{name}' {problem}")
        if rate != 1.0 and not publish_clock:
            raise ValueError(
                f"parameter 'rate' is {rate:g}, allowed is 1 while 'publish_clock' is false (launch argument use_sim_time): "
                "stamps are of the wall clock then"
            )
        sole = SoleCell(self, card.state.topics, clock=publish_clock)
        self._world = SimWorld(card, rule=rule)
        self._task = self._world.reset(task, seed)
        sole.before_start()
        self._episode, self._episode_start = 1, 0
        self.failure: str | None = None
        self._images = {
            c.name: self.create_publisher(CompressedImage if c.compressed else Image, c.image_topic, SENSOR) for c in card.cameras
        }
        self._infos = {
            c.name: self.create_publisher(CameraInfo, c.info_topic, SENSOR)
            for c in card.cameras
        }
        self._camera_infos = {c.name: self._camera_info(c) for c in card.cameras}
        self._states = StateTopics(self, card.state)
        self._clock_publisher = self.create_publisher(Clock, CLOCK_TOPIC, SENSOR) if publish_clock else None
        self._task_states = self.create_publisher(TaskState, "vla/task_state", RELIABLE)
        self._description = self.create_publisher(String, "robot_description", LATCHED)
        self._description.publish(String(data=robot_urdf()))
        self._frames = RobotFrames(self._world.model, card)
        self._transforms = TransformPublisher(self)
        self._controller_states, self._told_ns = ControllerStatePublisher(self, self._world.trajectory_topics), 0
        self._card = card
        callbacks = Callbacks(self._on_state, self._on_image, self._on_slip, self._on_clock_set, self._on_error)
        clock = None if publish_clock else lambda: self.get_clock().now().nanoseconds
        self._server = SimServer(self._world, callbacks, rate=rate, clock=clock)
        self._episode_start = self._world.now_ns
        self._transforms.fixed(self._frames.fixed(), self._episode_start)
        arm = card.arms[0]
        for topic in (arm.trajectory_topic, arm.gripper.topic):
            self.create_subscription(JointTrajectoryMsg, topic, lambda m, t=topic: self._on_trajectory(t, m), RELIABLE)
        if rule not in (None, arm.replacement_rule):
            self.get_logger().warning(
                f"rule '{rule}' is not the card's '{arm.replacement_rule}', which the controller goes on writing for"
            )
        self.create_service(Reset, "vla_sim/reset", self._on_reset)
        self.create_service(SetBool, "vla_sim/set_active", self._on_set_active)
        create_timer(self, 0.05, self._publish_task_state)
        self._server.start()
        sole.watch(ended)
        self.get_logger().info(f"task '{task}' seed {seed}: \"{self._task.instruction}\"")

    def close(self) -> None:
        """End the server's threads."""
        self._server.stop()

    def _camera_info(self, camera) -> CameraInfo:
        focal = camera.height / 2 / np.tan(self._world.vertical_fov(camera.name) / 2)
        cx, cy = (camera.width - 1) / 2, (camera.height - 1) / 2
        info = CameraInfo(width=camera.width, height=camera.height, distortion_model="plumb_bob", d=[0.0] * 5)
        info.k = [focal, 0.0, cx, 0.0, focal, cy, 0.0, 0.0, 1.0]
        info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
        info.p = [focal, 0.0, cx, 0.0, 0.0, focal, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
        info.header.frame_id = camera.frame
        return info

    # From the server's threads.

    def _on_state(self, now_ns: int, names, positions, velocities) -> None:
        stamp = ns_to_stamp(now_ns)
        if self._clock_publisher is not None:
            self._clock_publisher.publish(Clock(clock=stamp))
        self._states.publish(stamp, names, positions, velocities)
        if not 0 <= now_ns - self._told_ns < _TELL_NS:
            self._told_ns = now_ns
            for topic, endpoint, q, v in self._world.controllers():  # this is the thread that steps them
                self._controller_states.publish(topic, endpoint, q, v, now_ns)
        if self._transforms.is_due(now_ns):
            self._transforms.moving(self._frames.moving(dict(zip(names, positions.tolist(), strict=True))), now_ns)

    def _on_image(self, camera: str, stamp_ns: int, image: np.ndarray) -> None:
        info = self._camera_infos[camera]
        info.header.stamp = ns_to_stamp(stamp_ns)
        self._images[camera].publish(camera_message(self._card.camera(camera), image, stamp_ns))
        self._infos[camera].publish(info)

    def _on_slip(self, skipped_ns: int) -> None:
        self.get_logger().warning(
            f"this machine is too slow for rate {self.get_parameter('rate').value}: {skipped_ns / 1e6:.0f} ms skipped",
            throttle_duration_sec=5.0,
        )

    def _on_clock_set(self, by_ns: int) -> None:
        self._episode_start += by_ns
        self.get_logger().warning(f"the clock was set by {by_ns * 1e-9:+.3f} s; stamps follow it")

    def _on_error(self, error: BaseException) -> None:
        self.failure = f"the simulation ended: {error!r}"
        self._ended.set()

    # From the executor.

    def _on_trajectory(self, topic: str, message: JointTrajectoryMsg) -> None:
        with self._server.locked():
            accepted, reason = self._world.submit(TrajectoryMessage.from_msg(message), topic)
        if not accepted:
            self.get_logger().error(f"trajectory on '{topic}' refused: {reason}")

    def _on_reset(self, request: Reset.Request, response: Reset.Response) -> Reset.Response:
        try:
            self._task = self._server.reset(request.task or self._task.name, request.seed)
        except TaskError as error:
            response.success, response.message = False, str(error)
            return response
        self._episode += 1
        self._episode_start = self._world.now_ns
        self._transforms.fixed(self._frames.fixed(), self._episode_start)
        response.success, response.instruction, response.episode = True, self._task.instruction, self._episode
        return response

    def _on_set_active(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        with self._server.locked():
            self._world.set_active(request.data)
        response.success, response.message = True, f"trajectory controllers {'active' if request.data else 'inactive'}"
        self.get_logger().info(response.message)
        return response

    def _publish_task_state(self) -> None:
        with self._server.locked():
            now, progress = self._world.now_ns, self._world.progress()
            poses = [(n, p, self._world.object_quaternion(n)) for n, p in progress.objects.items()]
        message = TaskState(
            task=progress.task,
            seed=progress.seed,
            instruction=progress.instruction,
            episode=self._episode,
            elapsed=ns_to_duration(now - self._episode_start),
            success=progress.done_now,
            succeeded_once=progress.success,
            target_object=progress.target,
            first_touched=progress.first_touched,
            held_object=progress.held,
            destination_object=progress.destination,
            goal_distance=progress.goal_distance,
        )
        message.header.stamp = ns_to_stamp(now)
        message.header.frame_id = self._card.arms[0].base_frame
        for name, position, quaternion in poses:
            x, y, z, w = map(float, quaternion)
            point = Point(x=float(position[0]), y=float(position[1]), z=float(position[2]))
            message.objects.append(
                ObjectPose(name=name, pose=Pose(position=point, orientation=Quaternion(x=x, y=y, z=z, w=w)))
            )
        self._task_states.publish(message)


def main() -> None:
    """Entry point: 0 after Ctrl-C, 1 after an error, which is one line."""
    mistakes = (CardError, WorldError, TaskError, UrdfError, ParameterException, RivalError, ValueError)
    sys.exit(run_node(SimNode, "sim", mistakes))
