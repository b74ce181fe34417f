"""What a controller costs that has nothing to do: its share of a core while an arm stands, by how often the arm tells that."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from vla_graph.domains import free_domain
from vla_graph.errors import GraphError
from vla_sim.urdf import robot_urdf

RATES = (100, 500, 1000)
"""Of joint states and of controller states, each [Hz]."""
START_S, SETTLED_S = 60.0, 3.0


def measure(card: Path, seconds: float = 10.0, rates: tuple[int, ...] = RATES) -> dict:
    """Shares of a core by rate [Hz]. The card's arms have to be the simulator's.

    Raises:
        GraphError: Controller or feeder did not begin, or have ended.
    """
    shares = {}
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "arm.urdf"
        model.write_text(robot_urdf())
        for rate in rates:
            shares[str(rate)] = round(_share(card, model, rate, seconds, Path(folder) / f"{rate}.log"), 4)
    found = {"controller_cpu": shares.get("100"), "controller_cpu_1khz": shares.get("1000")}
    return {**found, "shares": shares, "seconds": seconds}


def _share(card: Path, model: Path, rate: int, seconds: float, log: Path) -> float:
    environment = {**os.environ, "ROS_DOMAIN_ID": str(free_domain())}
    node = [sys.executable, "-m", "vla_controller.ros.node", "--ros-args", "-p", f"card:={card}", "-p", f"model:={model}"]
    feeder = [sys.executable, "-m", "vla_bench.ros.idle_feeder", str(card), str(rate)]
    with open(log, "w") as output:
        quiet = {"env": environment, "stdout": output, "stderr": subprocess.STDOUT}
        with subprocess.Popen(feeder, env=environment, stdout=subprocess.PIPE, stderr=output) as arm, \
             subprocess.Popen(node, **quiet) as controller:  # fmt: skip
            try:
                _wait_for(arm, controller, log)
                begun, before = time.monotonic(), _cpu_s(controller.pid)
                time.sleep(seconds)
                share = (_cpu_s(controller.pid) - before) / (time.monotonic() - begun)
                if controller.poll() is not None or arm.poll() is not None:
                    raise GraphError(f"controller or feeder has ended: {log.read_text()[-500:]}")
            finally:
                controller.kill()
                arm.kill()
    return share


def _wait_for(arm: subprocess.Popen, controller: subprocess.Popen, log: Path) -> None:
    """Until the arm speaks and the controller has said its card, and has settled since."""
    deadline = time.monotonic() + START_S
    heard = False
    while not (heard and "speed scale" in log.read_text()):
        heard = heard or bool(select.select([arm.stdout], [], [], 0.1)[0])
        if controller.poll() is not None or arm.poll() is not None or time.monotonic() > deadline:
            raise GraphError(f"controller or feeder did not begin: {log.read_text()[-500:]}")
        time.sleep(0.1)
    time.sleep(SETTLED_S)


def _cpu_s(pid: int) -> float:
    """Processor time that a process has taken, all threads together [s]."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
