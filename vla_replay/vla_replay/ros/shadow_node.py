"""The `shadow` node: a thin shell over ShadowFollower. It offers no service and no action, and publishes outside vla/shadow
nothing but diagnostics."""

from __future__ import annotations

import os
import sys
import threading

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin would take the cores from those who command

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.context import Context
from rclpy.exceptions import ParameterException
from rclpy.node import Node

from vla_contract.card import CardError, load_card
from vla_contract.chunk import ActionChunk, ChunkError
from vla_contract.rivals import Claim, RivalError
from vla_contract.ros.convert import chunk_from_msg, chunk_to_msg, info_to_msg, run_id_from_msg
from vla_contract.ros.parameters import declare
from vla_contract.ros.qos import LATCHED, RELIABLE, SENSOR_DEEP
from vla_contract.ros.rival_watch import RivalWatch
from vla_contract.ros.run import run_node
from vla_contract.ros.stamps import ns_to_duration
from vla_controller.ros.messages import health_to_msg
from vla_msgs.msg import ActionChunk as ChunkMsg
from vla_msgs.msg import PolicyInfo as InfoMsg
from vla_msgs.msg import PolicyStatus
from vla_policy.errors import CheckpointError, LanguageModelError, PolicyError
from vla_policy_node.ros.subscriptions import subscribe
from vla_replay.offline.errors import ReplayError
from vla_replay.offline.observations import new_assembler
from vla_replay.shadow.follower import ShadowFollower
from vla_replay.shadow.health import judge, summary

HEALTH_S = 1.0
CLAIM = Claim("vla/shadow/action_chunk", "is a shadow of this namespace")
SERVE_S = 0.1
END_S = 3.0


class ShadowNode(Node):
    """Parameters: ``card``, ``checkpoint`` (paths), ``threads`` and ``seed`` as of the policy node, ``nice``.

    Raises:
        CardError, CheckpointError, LanguageModelError, ValueError: A parameter cannot be used. PolicyError: warming up failed.
        RivalError: The namespace has a shadow already.
    """

    def __init__(self, context: Context | None = None, namespace: str | None = None) -> None:
        super().__init__("shadow", context=context, namespace=namespace)
        rivals = RivalWatch(self, [CLAIM], "end it first, or start this one in another namespace or ROS_DOMAIN_ID")
        card_path = declare(self, "card", "", "path of the interface card (YAML)")
        path = declare(self, "checkpoint", "", "the policy that is watched: path of a checkpoint (safetensors), or NAME:...")
        threads = declare(self, "threads", 1, "threads of the CPU for the model")
        seed = declare(self, "seed", 0, "of heads that sample")
        nice = declare(self, "nice", 10, "how far the process stands back behind the others, 0 to 19")
        for name, value in (("card", card_path), ("checkpoint", path)):
            if not value:
                raise ValueError(f"parameter '{name}' is empty; the path of a {name} is needed")
        if not 1 <= threads <= 64 or not 0 <= nice <= 19:
            raise ValueError(f"threads is {threads}, nice is {nice}; allowed are 1 to 64 and 0 to 19")
        self._card = load_card(card_path)
        from vla_policy.opening import Opening, load_policy  # torch, which takes seconds

        policy = load_policy(path, self._card, Opening(seed, threads))
        warm_ns = policy.warm_up()
        stand_back(nice)
        rivals.before_start()
        self._chunks = self.create_publisher(ChunkMsg, CLAIM.topic, RELIABLE)
        self._info = self.create_publisher(InfoMsg, "vla/shadow/policy_info", LATCHED)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", RELIABLE)
        info = info_to_msg(policy.info)
        info.stamp, info.warm_inference = self.get_clock().now().to_msg(), ns_to_duration(warm_ns)
        self._info.publish(info)
        assembler = new_assembler(self._card)
        self._follower = ShadowFollower(self._card, policy, assembler, self._now_ns, self._publish)
        self._told, self._run_over = "", False
        self._ended = threading.Event()
        self._worker = threading.Thread(target=self._serve, name="shadow", daemon=True)
        self._worker.start()
        subscribe(self, self._card, assembler, SENSOR_DEEP)
        self.create_subscription(PolicyStatus, "vla/policy_status", self._on_status, RELIABLE)
        self.create_subscription(ChunkMsg, "vla/action_chunk", self._on_chunk, RELIABLE)
        self.create_timer(HEALTH_S, self._publish_health, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.get_logger().info(f"watching beside the policy, commanding nothing: '{path}'")

    def close(self) -> None:
        """Ends the worker; tells of a run that is still under way."""
        self._ended.set()
        self._worker.join(END_S)
        self._tell_run()

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds

    def _serve(self) -> None:
        while not self._ended.is_set():
            try:
                self._follower.serve(SERVE_S)
            except ReplayError as error:
                self.get_logger().error(f"not compared: {error}", throttle_duration_sec=1.0)

    def _publish(self, chunk: ActionChunk) -> None:
        if not self._ended.is_set():
            self._chunks.publish(chunk_to_msg(chunk))

    def _on_status(self, message: PolicyStatus) -> None:
        run_id = run_id_from_msg(message.run_id)
        self._follower.on_run(run_id, message.instruction)
        self._run_over = not run_id

    def _on_chunk(self, message: ChunkMsg) -> None:
        try:
            self._follower.on_chunk(chunk_from_msg(message))
        except (ChunkError, ValueError) as error:
            self.get_logger().warning(f"chunk of the policy ignored: {error}", throttle_duration_sec=1.0)

    def _tell_run(self) -> None:
        run_id, counts = self._follower.counts()
        if run_id and run_id != self._told:
            self._told = run_id
            self.get_logger().info(f"run {run_id[:8]}: {summary(counts, self._follower.divergence())}")

    def _publish_health(self) -> None:
        if self._run_over and self._follower.idle:
            self._tell_run()
        run_id, counts = self._follower.counts()
        health = judge(
            run_id, counts, self._follower.divergence(), self._follower.inference_ms, self._follower.failure
        )
        name = self.get_fully_qualified_name()
        self._diagnostics.publish(health_to_msg(health, name, self._card.name, self._now_ns(), "divergence"))


def stand_back(nice: int) -> None:
    """Raises every thread of this process to at least this niceness: on Linux each has its own, and DDS has made some already."""
    for thread in os.listdir("/proc/self/task"):
        if os.getpriority(os.PRIO_PROCESS, int(thread)) < nice:
            os.setpriority(os.PRIO_PROCESS, int(thread), nice)


def watch() -> int:
    """Runs the node until SIGINT or SIGTERM. 1 where a parameter cannot be used; the arm's own nodes do not need it."""
    mistakes = (CardError, CheckpointError, LanguageModelError, PolicyError, ParameterException, RivalError, ValueError)
    return run_node(lambda ended: ShadowNode(), "shadow", mistakes)


if __name__ == "__main__":
    sys.exit(watch())
