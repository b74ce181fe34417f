"""Starts the graph as separate processes, in a ROS domain of its own, and ends exactly those."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from vla_contract.files import open_new
from vla_graph.errors import GraphError
from vla_graph.launch.process import tied_to


class GraphProcess:
    """`vla up` as a child process, which ends with this one, however that ends. Make it in the main thread.

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
            self._process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
                preexec_fn=tied_to(os.getpid(), signal.SIGINT),
            )  # fmt: skip

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
