"""Kills recorders at random moments, and looks at what they leave."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.serialization import serialize_message
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image, JointState

from vla_contract.card import InterfaceCard
from vla_contract.ros.qos import LATCHED, RELIABLE
from vla_contract.ros.stamps import ns_to_stamp
from vla_eval.bags.reader import Bag, BagError
from vla_eval.graph_process import free_domain
from vla_msgs.msg import ActionChunk, PolicyInfo

LOSS_S = 1.5
"""What was sent longer than this before the kill has to be in the bag [s]."""
LONGEST_S = 2.0
START_S = 30.0
_IMAGES, _STATES, _CHUNKS, _INFO = "front/image_raw", "joint_states", "vla/action_chunk", "vla/policy_info"


class Feeder:
    """Publishes numbered synthetic messages from its own thread: 100 joint states, 30 images and 5 chunks a second.

    All reliable, so that what is missing in a bag was lost by the recorder.

    Attributes:
        sent: (topic, steady time [ns], serialized message), in order.
    """

    def __init__(self, domain: int, card: InterfaceCard) -> None:
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
        self.node = Node("feeder", context=self._context)
        self.sent: list[tuple[str, int, bytes]] = []
        kinds = {_IMAGES: Image, _STATES: JointState, _CHUNKS: ActionChunk}
        self._publishers = {topic: self.node.create_publisher(kind, topic, RELIABLE) for topic, kind in kinds.items()}
        self._info = self.node.create_publisher(PolicyInfo, _INFO, LATCHED)
        self._info.publish(
            PolicyInfo(policy="synthetic", card_name=card.name, card_hash=card.card_hash, policy_hash=card.policy_hash)
        )
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def is_heard(self) -> bool:
        """Somebody listens to every topic."""
        return all(publisher.get_subscription_count() for publisher in self._publishers.values())

    def close(self) -> None:
        """Ends publishing."""
        self._end.set()
        self._thread.join(5.0)
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def _run(self) -> None:
        executor = SingleThreadedExecutor(context=self._context)
        executor.add_node(self.node)
        pixels, tick = bytes(64 * 64 * 3), 0
        while not self._end.wait(0.01):
            stamp = ns_to_stamp(time.time_ns())
            messages = {_STATES: JointState(name=["a"], position=[float(tick)])}
            messages[_STATES].header.stamp = stamp
            if tick % 3 == 0:
                messages[_IMAGES] = Image(width=64, height=64, step=192, encoding="rgb8", data=pixels)
                messages[_IMAGES].header.stamp = stamp
            if tick % 20 == 0:
                messages[_CHUNKS] = ActionChunk(sequence=tick)
            for topic, message in messages.items():
                data = serialize_message(message)
                self._publishers[topic].publish(data)
                self.sent.append((f"/{topic}", time.monotonic_ns(), data))
            executor.spin_once(timeout_sec=0)
            tick += 1


def kill_recorder(times: int, seed: int = 0, card_path: Path | None = None) -> dict:
    """Starts a real recorder, feeds it, kills it with SIGKILL at a random moment and reads what it left; again and again.

    Args:
        times: Kills.
        seed: Of the moments.
        card_path: Card that the recorder is given; by default the shipped panda_tabletop.

    Returns:
        `kills`; `unreadable` bags; `lost` messages that had been sent more than LOSS_S before the kill; `invented` messages
        that nobody sent; `without_metadata` bags without card or policy; `messages` read; `worst_loss_s`, from the first
        message missing at the end of a bag to the kill [s]; `problems` in words.
    """
    from vla_contract.card import load_card

    if card_path is None:
        from vla_bringup.names import find_card

        card_path = find_card("panda_tabletop")
    card, rng = load_card(card_path), random.Random(seed)
    result = {"kills": 0, "unreadable": 0, "lost": 0, "invented": 0, "without_metadata": 0, "messages": 0, "worst_loss_s": 0.0}
    result["problems"] = problems = []
    for k in range(times):
        domain = free_domain()
        feeder = Feeder(domain, card)  # a new one each time: to an old one the killed recorder would seem to live on for long
        with tempfile.TemporaryDirectory() as folder:
            bag = Path(folder) / "bag"
            try:
                heard_ns, killed_ns = _record_and_kill(bag, card_path, domain, feeder, rng.uniform(0.0, LONGEST_S))
            finally:
                feeder.close()
            result["kills"] += 1
            try:
                _judge(bag, feeder.sent, heard_ns, killed_ns, result)
            except BagError as error:
                result["unreadable"] += 1
                problems.append(f"kill {k}: {error}")
    return result


def _record_and_kill(bag: Path, card: Path, domain: int, feeder: Feeder, wait_s: float) -> tuple[int, int]:
    """Steady times at which every topic was surely heard, and of the kill [ns]."""
    command = [sys.executable, "-m", "vla_eval.bags.recorder_node", "--ros-args", "-p", f"card:={card}", "-p", f"out:={bag}"]
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + START_S
        while not feeder.is_heard():
            if process.poll() is not None or time.monotonic() > deadline:
                raise BagError(f"the recorder did not begin: {process.stderr.read(2000) if process.poll() else 'no answer'}")
            time.sleep(0.02)
        time.sleep(0.5)
        heard_ns = time.monotonic_ns()
        time.sleep(LOSS_S + wait_s)
    finally:
        process.send_signal(signal.SIGKILL)
        killed_ns = time.monotonic_ns()
        process.wait()
        process.stderr.close()
    return heard_ns, killed_ns


def _judge(path: Path, sent: list[tuple[str, int, bytes]], heard_ns: int, killed_ns: int, result: dict) -> None:
    known = {(topic, data) for topic, _, data in sent}
    with Bag(path) as bag:
        names = {topic for topic, _, _ in sent}
        seen = {(entry.topic, entry.data) for entry in bag.entries(names)}
        if not (bag.metadata.get("card") and bag.metadata.get("policy") == "synthetic"):
            result["without_metadata"] += 1
            result["problems"].append(f"{path.name}: metadata has {', '.join(sorted(bag.metadata)) or 'nothing'}")
    due = [item for item in sent if heard_ns <= item[1] <= killed_ns]
    missing = [at for topic, at, data in due if (topic, data) not in seen]
    lost = [at for at in missing if at <= killed_ns - round(LOSS_S * 1e9)]
    result["messages"] += len(seen)
    result["invented"] += len(seen - known)
    result["lost"] += len(lost)
    if missing:
        result["worst_loss_s"] = max(result["worst_loss_s"], round((killed_ns - min(missing)) * 1e-9, 3))
    if lost:
        result["problems"].append(f"{path.name}: {len(lost)} messages lost, the first {(killed_ns - lost[0]) * 1e-9:.2f} s early")
