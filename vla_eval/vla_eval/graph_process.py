"""Starts the graph as separate processes, in a ROS domain of its own, and ends exactly those."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from vla_eval.graph_client import GraphError


class GraphProcess:
    """`vla up sim` as a child process.

    Args:
        arguments: Launch arguments, `name: value`.
        log: File for everything that the graph prints.
        domain: ROS_DOMAIN_ID for it and for this process.
    """

    def __init__(self, arguments: dict[str, object], log: Path, domain: int) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log
        os.environ["ROS_DOMAIN_ID"] = str(domain)
        command = [sys.executable, "-m", "vla_bringup.cli", "up", "sim", *(f"{k}:={v}" for k, v in arguments.items())]
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

    def tail(self, lines: int = 15) -> str:
        """The last lines of the log."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self, timeout: float = 20.0) -> int:
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
    """A ROS_DOMAIN_ID that depends on this process: 1 to 101, the range whose ports the operating system does not hand out."""
    return 1 + os.getpid() % 101
