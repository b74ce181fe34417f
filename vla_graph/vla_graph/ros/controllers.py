"""The controllers that answer in one robot's namespace, and a stop that reaches all of them."""

from __future__ import annotations

import time

from rclpy.node import NodeNameNonExistentError
from std_srvs.srv import Trigger

from vla_contract.rivals import UNNAMED, outsiders
from vla_contract.ros.qos import RELIABLE
from vla_contract.ros.rival_watch import publishers_of
from vla_contract.status import ControllerState
from vla_graph.controllers import Said, name_all, not_stopped, several
from vla_graph.ros.robot_client import RobotClient
from vla_msgs.msg import ControllerStatus

_STATUS = "vla/controller_status"
_TRAJECTORY = "trajectory_msgs/msg/JointTrajectory"
_FRESH_S = 0.5
"""A status counts for so long; one comes ten times a second [s]."""
_MORE_S = 0.3
"""After the first answer, for others to become known [s]."""
_STOP_S, _AGAIN_S = 3.0, 0.3


class Controllers:
    """Hears what each of them says from now on; spun by the client."""

    def __init__(self, robot: RobotClient) -> None:
        self._robot = robot
        self._newest: dict[bytes, tuple[float, Said]] = {}
        robot.node.create_subscription(ControllerStatus, _STATUS, self._on_status, RELIABLE)

    def several(self) -> str:
        """That more than one answers, by name; empty where one does, or none. Waits until those there are known."""
        self._robot.wait_known()
        publishers = self._robot.publishers(_STATUS)
        if len(publishers) > 1:
            self._robot.until(lambda: len(self._said()) >= len(publishers), _FRESH_S)
        return several("controllers", name_all(publishers, self._said()))

    def stop_all(self, answer: Trigger.Response) -> tuple[bool, list[str]]:
        """After one has answered a stop: whether all of them have latched it, and lines about it where one is not alone.

        Where others are there, it is asked again, as a request reaches only those who were connected by then, until each says
        itself that it is stopped.
        """
        self._robot.until(lambda: False, _MORE_S)
        found = self.several()
        strangers = self._strangers()
        if not found:
            return answer.success and not strangers, strangers
        client = self._robot.node.create_client(Trigger, "vla/stop")
        deadline = time.monotonic() + _STOP_S
        while self._not_stopped() and time.monotonic() < deadline:
            client.call_async(Trigger.Request())
            self._robot.until(lambda: not self._not_stopped(), _AGAIN_S)
        left = self._not_stopped()
        lines = [found, f"NOT STOPPED: {'; '.join(left)}" if left else "all of them say that they are stopped"]
        return not left and not strangers, lines + strangers

    def _strangers(self) -> list[str]:
        """Who else commands an arm of these controllers, in words."""
        node, found = self._robot.node, {}
        controllers = self._robot.publishers(_STATUS)
        for name in sorted(set(controllers) - {UNNAMED}):
            namespace, _, base = name.rpartition("/")
            try:
                topics = node.get_publisher_names_and_types_by_node(base, namespace or "/")
            except NodeNameNonExistentError:  # it has ended since
                continue
            for topic, kinds in topics:
                if _TRAJECTORY in kinds:
                    found[topic] = outsiders(controllers, publishers_of(node, topic))
        return [
            f"NOT STOPPED: {who} commands the arm as well ({topic}), and takes no stop from here" for topic, all_ in found.items()
            for who in all_
        ]  # fmt: skip

    def _not_stopped(self) -> list[str]:
        return not_stopped(self._robot.publishers(_STATUS), self._said())

    def _said(self) -> list[Said]:
        now = time.monotonic()
        return [said for heard, said in self._newest.values() if now - heard < _FRESH_S]

    def _on_status(self, message: ControllerStatus) -> None:
        said = Said(message.node, message.host, message.process, ControllerState(message.state), message.message)
        self._newest[bytes(message.instance.uuid)] = time.monotonic(), said
