"""The graph for faults: simulator, relay, controller and policy as processes. Who dies takes nobody along, and comes again."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from pathlib import Path
from xml.sax.saxutils import quoteattr

from vla_bench.ros.fault_topics import faulty
from vla_contract.card import InterfaceCard
from vla_contract.ros.names import controller_state_topic
from vla_graph.process import GraphProcess

_STARTED = re.compile(r"^\[launch\] (\w+) started \(process (\d+)\)", re.MULTILINE)
_ENDED = re.compile(r"^\[launch\] (\w+) (was ended by \w+|ended with code -?\d+)", re.MULTILINE)


def write_launch_file(
    folder: Path, card: InterfaceCard, card_path: str, checkpoint: str | None, *, sim_time: bool, policy_card: str = ""
) -> Path:
    """The launch file of a graph whose controller and policy see the simulator through the relay.

    checkpoint: None: no policy. sim_time: on the simulator's clock, trajectories go through the relay as well.
    policy_card: Path of the policy's card where it is another one.
    """
    routes = [("joints", card.state.topic)]
    beside = [controller_state_topic(arm.trajectory_topic) for arm in card.arms]
    routes += [("controller", topic) for topic in beside if topic is not None]
    if checkpoint is not None:
        routes += [("image", camera.topic) for camera in card.cameras]
    if sim_time:
        routes.append(("clock", "/clock"))
    incoming = [f"{kind}:{topic}:{faulty(topic)}" for kind, topic in routes]
    remaps = "".join(f'<remap from="{topic}" to="{faulty(topic)}"/>' for _, topic in routes)
    outgoing, trajectories = [], ""
    if sim_time:
        topics = [arm.trajectory_topic for arm in card.arms] + [arm.gripper.topic for arm in card.arms if arm.gripper]
        outgoing = [f"trajectory:{faulty(topic)}:{topic}" for topic in topics]
        trajectories = "".join(f'<remap from="{topic}" to="{faulty(topic)}"/>' for topic in topics)
    relay = quoteattr(f"{sys.executable} -m vla_bench.ros.fault_relay {' '.join(incoming + outgoing)}")
    clock = str(sim_time).lower()
    use_clock = f'<param name="use_sim_time" value="{clock}" type="bool"/>'
    parts = [
        f'<node pkg="vla_sim" exec="sim" name="sim"><param name="card" value={quoteattr(card_path)} type="str"/>'
        f'<param name="publish_clock" value="{clock}" type="bool"/></node>',
        f'<executable name="relay" cmd={relay}/>',
        f'<node pkg="vla_controller" exec="controller" name="controller" respawn="true" respawn_delay="4.0">'
        f'<param name="card" value={quoteattr(card_path)} type="str"/>{use_clock}{remaps}{trajectories}</node>',
    ]
    if checkpoint is not None:
        parts.append(
            f'<node pkg="vla_policy_node" exec="policy" name="policy" respawn="true" respawn_delay="0.5">{use_clock}{remaps}'
            f'<param name="card" value={quoteattr(policy_card or card_path)} type="str"/>'
            f'<param name="checkpoint" value={quoteattr(checkpoint)} type="str"/>'
            f'<param name="autostart" value="true" type="bool"/></node>'
        )
    path = folder / ("fault_sim_time.launch.xml" if sim_time else "fault.launch.xml")
    path.write_text("<launch>\n" + "\n".join(parts) + "\n</launch>\n")
    return path


class FaultGraph(GraphProcess):
    """A launch file as processes that can be killed one by one."""

    def __init__(self, launch_file: Path, log: Path, domain: int) -> None:
        super().__init__({}, log, domain, launch_file=str(launch_file), patience=12.0)
        self._killed: list[int] = []

    def pid(self, name: str) -> int:
        """Process id of the newest process of that name; 0 before it has been started."""
        found = [int(pid) for who, pid in _STARTED.findall(self.log_text()) if who == name]
        return found[-1] if found else 0

    def kill(self, name: str) -> int:
        """SIGKILL to a process; returns the steady clock [ns] just before."""
        pid = self.pid(name)
        now = time.monotonic_ns()
        os.kill(pid, signal.SIGKILL)
        self._killed.append(pid)
        return now

    def wait_restarted(self, name: str, old_pid: int, timeout: float = 10.0) -> bool:
        """Until a new process of that name has been started."""
        deadline = time.monotonic() + timeout
        while self.pid(name) in (0, old_pid):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def unexpected_deaths(self) -> list[str]:
        """Processes that have ended and were not killed here, with how."""
        ended = [f"{who} {how}" for who, how in _ENDED.findall(self.log_text())]
        kills = sum(text.endswith("was ended by SIGKILL") for text in ended)
        wrong = [text for text in ended if not text.endswith("was ended by SIGKILL")]
        return wrong + ["SIGKILL from elsewhere"] * max(0, kills - len(self._killed))

    def tracebacks(self) -> int:
        """How many the processes have printed."""
        return self.log_text().count("Traceback (most recent call last)")
