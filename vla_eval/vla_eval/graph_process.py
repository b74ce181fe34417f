"""Starts the graph as separate processes, in a ROS domain of its own, and ends exactly those."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from vla_eval.graph_client import GraphError

_DOMAINS = 101
_FIRST_PORT, _PORTS_OF_A_DOMAIN = 7400, 250
"""Of DDS discovery, as its interoperability protocol (RTPS) sets them."""


class GraphProcess:
    """`vla up` as a child process.

    Args:
        arguments: Launch arguments, `name: value`.
        log: File for everything that the graph prints.
        domain: ROS_DOMAIN_ID for it and for this process.
        launch_file: Path of another launch file, or the name of a shipped one.
        patience: From Ctrl-C to SIGTERM, and from there to SIGKILL [s].
    """

    def __init__(
        self, arguments: dict[str, object], log: Path, domain: int, *, launch_file: str = "sim", patience: float = 5.0
    ) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log
        os.environ["ROS_DOMAIN_ID"] = str(domain)
        command = [sys.executable, "-m", "vla_bringup.cli", "up", "--patience", str(patience), launch_file]
        command += [f"{k}:={v}" for k, v in arguments.items()]
        with open(log, "wb") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)

    def __enter__(self) -> GraphProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def returncode(self) -> int | None:
        """Exit code, None while it runs."""
        return self._process.poll()

    def check_alive(self) -> None:
        """Raises GraphError with the end of the log where the graph has ended."""
        if self._process.poll() is not None:
            raise GraphError(
                f"the graph ended with code {self._process.returncode}; the end of {self._log}:\n{self.tail()}"
            )

    def log_text(self) -> str:
        """All that the graph has printed."""
        return self._log.read_text(errors="replace")

    def tail(self, lines: int = 15) -> str:
        """The last lines of the log."""
        return "\n".join(self.log_text().splitlines()[-lines:])

    def stop(self, timeout: float = 30.0) -> int:
        """Ctrl-C, and wait; returns the exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        return self._process.returncode


def free_domain() -> int:
    """A ROS_DOMAIN_ID in which no node of this computer is: 1 to 101, whose ports the operating system does not hand out.

    Where to begin depends on this process, so that two that ask at the same time differ. Raises GraphError where all are taken.
    """
    for k in range(_DOMAINS):
        domain = 1 + (os.getpid() + k) % _DOMAINS
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("", _FIRST_PORT + _PORTS_OF_A_DOMAIN * domain))  # every DDS participant of the domain listens there
            except OSError:
                continue
        return domain
    raise GraphError(f"every ROS domain from 1 to {_DOMAINS} is in use on this computer")
