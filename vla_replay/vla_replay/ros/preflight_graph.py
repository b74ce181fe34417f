"""A sample of the running graph: a node that only listens."""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.action import get_action_names_and_types
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy

from vla_contract.card import InterfaceCard
from vla_contract.ros.joining import join_graph
from vla_contract.ros.names import namespace_problem
from vla_contract.ros.namespaces import wait_for_namespace
from vla_contract.ros.qos import LATCHED, RELIABLE
from vla_replay.preflight.finding import PreflightError
from vla_replay.preflight.from_ros import EventMaker, message_class
from vla_replay.preflight.sample import Sample
from vla_replay.preflight.sampler import Sampler
from vla_replay.preflight.topics import CHUNK, CHUNK_TOPIC, INFO, INFO_TOPIC, SOLE_TOPICS, card_topics

DISCOVERY_S = 2.0
"""Time in which the graph becomes known [s]."""
LISTENING = QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT)
"""As sensor data, with a queue that a listener on a busy machine does not lose messages from."""


class Listener:
    """A node of its own context. Use it as a context manager.

    Args:
        namespace: Of the robot; empty for none.

    Raises:
        PreflightError: The namespace is no ROS name.
    """

    def __init__(self, namespace: str = "") -> None:
        problem = namespace_problem(namespace)
        if problem:
            raise PreflightError(f"--namespace {namespace!r}: {problem}")
        self._context = Context()
        join_graph(self._context)
        try:
            self.node = Node("vla_preflight", context=self._context, namespace=namespace.strip("/"))
        except BaseException:
            self._context.try_shutdown()
            raise
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()

    def spin(self, seconds: float, progress: Callable[[float], None] = lambda elapsed: None) -> None:
        """Callbacks for this long [s] of the steady clock."""
        start = time.monotonic()
        while (elapsed := time.monotonic() - start) < seconds:
            self._executor.spin_once(timeout_sec=min(0.1, seconds - elapsed))
            progress(elapsed)

    def spin_until(self, condition: Callable[[], bool], seconds: float) -> None:
        """Callbacks until the condition holds, at most this long [s] of the steady clock."""
        deadline = time.monotonic() + seconds
        while not condition() and time.monotonic() < deadline:
            self._executor.spin_once(timeout_sec=0.05)

    def resolve(self, topic: str) -> str:
        """Absolute name of a relative topic."""
        return self.node.resolve_topic_name(topic)

    def topics(self) -> dict[str, list[str]]:
        """Types of each topic in the graph, by absolute name."""
        return dict(self.node.get_topic_names_and_types())

    def discover(self) -> None:
        """Wait until the graph is known; follow /clock where somebody publishes it.

        Raises PreflightError where there is no other node: nothing could be told from nothing. Or none in the namespace.
        """
        self.spin(DISCOVERY_S)
        others = [name for name in self.node.get_node_names() if name != self.node.get_name()]
        if not others:
            raise PreflightError(
                "no node in the graph: start the robot first, with the same ROS_DOMAIN_ID and RMW_IMPLEMENTATION as here"
            )
        absent = wait_for_namespace(self.node, self.node.get_namespace())
        if absent:
            raise PreflightError(absent)
        if self.node.count_publishers("/clock"):
            self.node.set_parameters([Parameter("use_sim_time", value=True)])
            self.spin(0.5)


def sample_of_graph(
    card: InterfaceCard, *, namespace: str = "", seconds: float = 5.0, progress: Callable[[float], None] = lambda _: None
) -> Sample:
    """What the graph sends in ``seconds`` [s]. Raises PreflightError for an empty graph or a wrong namespace."""
    where = f"the graph in /{namespace.strip('/')}" if namespace.strip("/") else "the graph"
    sampler, maker = Sampler(card, where), EventMaker(card)
    with Listener(namespace) as listener:
        listener.discover()
        node = listener.node
        wanted = {}
        for t in card_topics(card):
            wanted[listener.resolve(t.topic)] = (t.topic, t.type, RELIABLE if t.is_command else LISTENING)
        wanted[listener.resolve(CHUNK_TOPIC)] = (CHUNK_TOPIC, CHUNK, RELIABLE)
        wanted[listener.resolve(INFO_TOPIC)] = (INFO_TOPIC, INFO, LATCHED)
        names = {listener.resolve(topic): topic for topic in SOLE_TOPICS} | {name: it[0] for name, it in wanted.items()}
        for name, kinds in listener.topics().items():  # before own subscriptions are part of it
            topic = names.get(name, name)
            for kind in kinds:
                sampler.exists(topic, kind, node.count_publishers(name), node.count_subscribers(name))

        for name, kinds in get_action_names_and_types(node):
            if name in wanted:
                for kind in kinds:
                    sampler.exists(wanted[name][0], kind, subscribers=node.count_services(f"{name}/_action/send_goal"))

        def listen(topic: str, kind: str, qos) -> None:
            def take(message: object) -> None:
                sampler.add(maker.event(topic, kind, message, node.get_clock().now().nanoseconds))

            cls = message_class(kind)
            if cls is not None:
                node.create_subscription(cls, topic, take, qos)

        for topic, kind, qos in wanted.values():
            listen(topic, kind, qos)
        listener.spin(seconds, progress)
        sample = sampler.finish()
    if not sample.seconds:
        sample.seconds = seconds
    return sample
