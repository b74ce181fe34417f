"""The ledger of the running graph: a thin node over LedgerBuilder, and a view of it on the terminal."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image, JointState

from vla_contract.card import CameraCard, InterfaceCard
from vla_contract.chunk import ChunkError
from vla_contract.ros.convert import chunk_from_msg, report_from_msg
from vla_contract.ros.names import namespace_problem
from vla_contract.ros.qos import REPORTS, SENSOR
from vla_contract.ros.stamps import stamp_to_ns
from vla_msgs.msg import ActionChunk as ChunkMsg
from vla_msgs.msg import ChunkReport as ReportMsg

from .builder import REPLAN_STEPS, LedgerBuilder
from .content import Ledger
from .stamps import LedgerError, header_stamp_ns
from .table import render

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
        if card is not None:
            self.create_subscription(JointState, card.state.topic, self._on_joint_state, SENSOR, raw=True)
            for camera in card.cameras:
                self._subscribe_camera(camera)

    def ledger(self) -> Ledger:
        """Of the window that ends now."""
        return self.builder.ledger(now_ns=time.monotonic_ns(), source="live", unreadable=dict(self._unreadable))

    def _subscribe_camera(self, camera: CameraCard) -> None:
        kind, topic = (CompressedImage, f"{camera.topic}/compressed") if camera.compressed else (Image, camera.topic)

        def on_image(data: bytes) -> None:
            now_ns = time.monotonic_ns()
            try:
                self.builder.on_image(camera.name, header_stamp_ns(data), now_ns)
            except LedgerError:
                self._count(topic)

        self.create_subscription(kind, topic, on_image, SENSOR, raw=True)

    def _on_joint_state(self, data: bytes) -> None:
        now_ns = time.monotonic_ns()
        try:
            self.builder.on_joint_state(header_stamp_ns(data), now_ns)
        except LedgerError:
            self._count("joint states")

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
        LedgerError: The namespace is no ROS name; or, with ``once``, no chunk was heard.
    """
    console = console or Console()
    problem = namespace_problem(namespace)
    if problem:
        raise LedgerError(f"namespace {namespace!r}: {problem}")
    context = Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = LedgerNode(card, namespace=namespace, window_s=window_s, replan_steps=replan_steps, context=context)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        try:
            with _interrupts() as told:
                run = _once if once else _follow
                return run(node, executor, console, told, window_s)
        finally:
            executor.shutdown(timeout_sec=1.0)
            node.destroy_node()
    finally:
        rclpy.try_shutdown(context=context)


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """An event that SIGINT sets, also where a shell in the background left it ignored and there is no KeyboardInterrupt."""
    told = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield told
        return
    before = signal.signal(signal.SIGINT, lambda *_: told.set())
    try:
        yield told
    finally:
        signal.signal(signal.SIGINT, before)


def _spin(executor: SingleThreadedExecutor, seconds: float, told: threading.Event) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0.0 and not told.is_set():
        executor.spin_once(timeout_sec=min(left, POLL_S))


def _once(
    node: LedgerNode, executor: SingleThreadedExecutor, console: Console, told: threading.Event, window_s: float
) -> Ledger:
    _spin(executor, window_s, told)
    if told.is_set():
        raise KeyboardInterrupt
    if not node.builder.chunks:
        raise LedgerError(f"no action chunk on {node.resolve_topic_name('vla/action_chunk')} in {window_s:g} s")
    ledger = node.ledger()
    console.print(render(ledger.as_dict()))
    return ledger


def _follow(
    node: LedgerNode, executor: SingleThreadedExecutor, console: Console, told: threading.Event, window_s: float
) -> Ledger:
    ledger = node.ledger()
    with Live(_view(node, ledger), console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while not told.is_set():
            _spin(executor, VIEW_S, told)
            ledger = node.ledger()
            live.update(_view(node, ledger), refresh=True)
    return ledger


def _view(node: LedgerNode, ledger: Ledger) -> RenderableType:
    if not node.builder.chunks:
        return Text(f"no chunks now on {node.resolve_topic_name('vla/action_chunk')}; Ctrl-C ends", "dim")
    return render(ledger.as_dict())
