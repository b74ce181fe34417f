"""The ledger of the running graph: a thin node over LedgerBuilder, and a view of it on the terminal."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rich.console import RenderableType
from rich.live import Live
from rich.text import Text
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image

from vla_contract.card import CameraCard, InterfaceCard
from vla_contract.chunk import ChunkError
from vla_contract.node_settings import REPLAN_STEPS
from vla_contract.ros.convert import chunk_from_msg, report_from_msg
from vla_contract.ros.joining import join_graph
from vla_contract.ros.names import namespace_problem
from vla_contract.ros.namespaces import wait_for_namespace
from vla_contract.ros.qos import LATCHED, REPORTS, SENSOR
from vla_contract.ros.stamps import stamp_to_ns
from vla_contract.ros.streams import state_class
from vla_evidence.console import Console
from vla_evidence.ledger.builder import LedgerBuilder
from vla_evidence.ledger.content import Ledger
from vla_evidence.ledger.stamps import LedgerError, header_stamp_ns
from vla_evidence.ledger.table import render
from vla_msgs.msg import ActionChunk as ChunkMsg
from vla_msgs.msg import ChunkReport as ReportMsg
from vla_msgs.msg import PolicyInfo

WINDOW_S = 10.0
VIEW_S = 0.5
POLL_S = 0.1
"""Longest time until Ctrl-C is noticed [s]."""


class LedgerNode(Node):
    """Hears chunks, reports, the clock and, with a card, its cameras and joint states. Images are never decoded."""

    def __init__(
        self, card: InterfaceCard | None, *, namespace: str = "", window_s: float = WINDOW_S,
        replan_steps: int = REPLAN_STEPS, context: Context | None = None,
    ) -> None:  # fmt: skip
        super().__init__("ledger", namespace=namespace, context=context)
        self.builder = LedgerBuilder(card, window_ns=round(window_s * 1e9), replan_steps=replan_steps)
        self._unreadable: dict[str, int] = {}
        self.create_subscription(ChunkMsg, "vla/action_chunk", self._on_chunk, REPORTS)
        self.create_subscription(ReportMsg, "vla/chunk_report", self._on_report, REPORTS)
        self.create_subscription(Clock, "/clock", lambda m: self.builder.on_clock(stamp_to_ns(m.clock)), SENSOR)
        self._notes = ()
        if card is None:
            self._notes = ("without a card (--card) cameras and joint states are not listened to, and no rates are expected",)
            self.create_subscription(
                PolicyInfo, "vla/policy_info", lambda m: self.builder.on_policy_info(m.camera_names), LATCHED
            )
        else:
            for topic, kind in card.state.topics.items():
                self.create_subscription(state_class(kind), topic, partial(self._on_joint_state, topic), SENSOR, raw=True)
            for camera in card.cameras:
                self._subscribe_camera(camera)

    def ledger(self) -> Ledger:
        """Of the window that ends now."""
        unreadable = dict(self._unreadable)
        return self.builder.ledger(now_ns=time.monotonic_ns(), source="live", unreadable=unreadable, notes=self._notes)

    def _subscribe_camera(self, camera: CameraCard) -> None:
        kind, topic = (CompressedImage if camera.compressed else Image), camera.image_topic

        def on_image(data: bytes) -> None:
            now_ns = time.monotonic_ns()
            try:
                self.builder.on_image(camera.name, header_stamp_ns(data), now_ns)
            except LedgerError:
                self._count(topic)

        self.create_subscription(kind, topic, on_image, SENSOR, raw=True)

    def _on_joint_state(self, topic: str, data: bytes) -> None:
        now_ns = time.monotonic_ns()
        try:
            self.builder.on_joint_state(header_stamp_ns(data), now_ns, topic)
        except LedgerError:
            self._count(topic)

    def _on_chunk(self, message: ChunkMsg) -> None:
        now_ns = time.monotonic_ns()
        try:
            self.builder.on_chunk(chunk_from_msg(message), now_ns)
        except ChunkError:
            self._count("vla/action_chunk")

    def _on_report(self, message: ReportMsg) -> None:
        now_ns = time.monotonic_ns()
        try:
            self.builder.on_report(report_from_msg(message), now_ns)
        except ValueError:
            self._count("vla/chunk_report")

    def _count(self, topic: str) -> None:
        self._unreadable[topic] = self._unreadable.get(topic, 0) + 1


def watch(
    card: InterfaceCard | None, *, namespace: str = "", replan_steps: int = REPLAN_STEPS, once: bool = False,
    window_s: float = WINDOW_S, console: Console | None = None,
) -> Ledger:  # fmt: skip
    """Shows the ledger of a sliding window, twice a second, until Ctrl-C.

    Args:
        once: Listens for one window, prints it and ends.

    Returns:
        The last ledger shown.

    Raises:
        LedgerError: The namespace is no ROS name, or nobody is in it; or, with ``once``, no chunk was heard.
    """
    console = console or Console()
    problem = namespace_problem(namespace)
    if problem:
        raise LedgerError(f"namespace {namespace!r}: {problem}")
    context = Context()
    join_graph(context)
    try:
        node = LedgerNode(card, namespace=namespace, window_s=window_s, replan_steps=replan_steps, context=context)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        try:
            absent = wait_for_namespace(node, namespace)
            if absent:
                raise LedgerError(absent)
            with _interrupts() as interrupted:
                run = _once if once else _follow
                return run(node, executor, console, interrupted, window_s)
        finally:
            executor.shutdown(timeout_sec=1.0)
            node.destroy_node()
    finally:
        rclpy.try_shutdown(context=context)


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """An event that SIGINT sets, also where a shell in the background left it ignored and there is no KeyboardInterrupt."""
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return
    before = signal.signal(signal.SIGINT, lambda *_: interrupted.set())
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def _spin(executor: SingleThreadedExecutor, seconds: float, interrupted: threading.Event) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0.0 and not interrupted.is_set():
        executor.spin_once(timeout_sec=min(left, POLL_S))


def _once(
    node: LedgerNode, executor: SingleThreadedExecutor, console: Console, interrupted: threading.Event, window_s: float
) -> Ledger:
    _spin(executor, window_s, interrupted)
    if interrupted.is_set():
        raise KeyboardInterrupt
    if not node.builder.chunks:
        raise LedgerError(f"no action chunk on {node.resolve_topic_name('vla/action_chunk')} in {window_s:g} s")
    ledger = node.ledger()
    console.print(render(ledger.as_dict()))
    return ledger


def _follow(
    node: LedgerNode, executor: SingleThreadedExecutor, console: Console, interrupted: threading.Event, window_s: float
) -> Ledger:
    ledger = node.ledger()
    with Live(_view(node, ledger), console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while not interrupted.is_set():
            _spin(executor, VIEW_S, interrupted)
            ledger = node.ledger()
            live.update(_view(node, ledger), refresh=True)
    return ledger


def _view(node: LedgerNode, ledger: Ledger) -> RenderableType:
    if not node.builder.chunks:
        return Text(f"no chunks now on {node.resolve_topic_name('vla/action_chunk')}; Ctrl-C ends", "dim")
    return render(ledger.as_dict())
