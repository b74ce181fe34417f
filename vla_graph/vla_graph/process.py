"""Starts the graph as separate processes, in a ROS domain of its own, and ends exactly those."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

from vla_contract.files import open_new
from vla_graph.errors import GraphError

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
        with open_new(log) as output:
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
    """A ROS_DOMAIN_ID in which no node of this computer is: 1 to 101, whose ports the operating system does not hand out, or
    one of `VLA_DOMAINS` ("20-39"), where others of the same network have theirs.

    Where to begin depends on this process, so that two that ask at the same time differ. Raises GraphError where all are taken,
    or the range is none.
    """
    first, last = _domains()
    for k in range(last - first + 1):
        domain = first + (os.getpid() + k) % (last - first + 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("", _FIRST_PORT + _PORTS_OF_A_DOMAIN * domain))  # every DDS participant of the domain listens there
            except OSError:
                continue
        return domain
    raise GraphError(f"every ROS domain from {first} to {last} is in use on this computer")


def _domains() -> tuple[int, int]:
    text = os.environ.get("VLA_DOMAINS", f"1-{_DOMAINS}")
    found = re.fullmatch(r"([0-9]{1,3})-([0-9]{1,3})", text)
    first, last = map(int, found.groups()) if found else (1, 0)
    if not first <= last <= _DOMAINS:
        raise GraphError(f"VLA_DOMAINS is {text!r}, allowed is a range within 0-{_DOMAINS}, as 20-39")
    return first, last
