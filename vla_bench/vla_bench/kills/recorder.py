"""Kills recorders at random moments, and looks at what they leave."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from vla_bags.reader import Bag, BagError
from vla_bench.ros.feeder import Feeder
from vla_graph.domains import free_domain

LOSS_S = 1.5
"""What was sent longer than this before the kill has to be in the bag [s]."""
LONGEST_S = 2.0
START_S = 30.0


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
        from vla_contract.shipped import find_card

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
    command = [sys.executable, "-m", "vla_bags.ros.recorder_node", "--ros-args", "-p", f"card:={card}", "-p", f"out:={bag}"]
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
