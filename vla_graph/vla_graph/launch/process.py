"""One process of a launch, in a process group of its own."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import IO

from vla_graph.launch.plan import ProcessSpec

_PR_SET_PDEATHSIG = 1
_STARTING_S = 1.0
_libc = ctypes.CDLL(None, use_errno=True)


def tied_to(parent: int, number: signal.Signals = signal.SIGKILL) -> Callable[[], None]:
    """What a child does before it runs: asks the kernel for a signal when its parent dies, or the thread that started it."""
    def tie() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return tie


class ManagedProcess:
    """Starts, reads, signals and reaps one process.

    Args:
        spec: What to run.
    """

    def __init__(self, spec: ProcessSpec) -> None:
        self.spec = spec
        self.restart_at: float | None = None
        """When to start it again, on the monotonic clock [s]."""
        self._popen: subprocess.Popen | None = None
        self._started = 0.0
        self._rest = b""

    @property
    def running(self) -> bool:
        """Started and not yet reaped."""
        return self._popen is not None

    @property
    def pid(self) -> int:
        """Process id, which is that of its group as well."""
        assert self._popen is not None
        return self._popen.pid

    @property
    def output(self) -> IO[bytes] | None:
        """Its standard output and error."""
        return self._popen.stdout if self._popen else None

    def start(self) -> None:
        """Starts it. Raises OSError."""
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", **self.spec.environment}
        self.restart_at = None
        self._rest = b""
        self._popen = subprocess.Popen(
            self.spec.command, env=environment, cwd=self.spec.cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=tied_to(os.getpid()))
        os.set_blocking(self._popen.stdout.fileno(), False)
        self._started = time.monotonic()

    def interrupt(self) -> None:
        """Asks it to end, as Ctrl-C does. In its first seconds by SIGTERM, which nodes take in the same way: a Python that is
        still starting answers SIGINT with a traceback."""
        self.send(signal.SIGTERM if time.monotonic() - self._started < _STARTING_S else signal.SIGINT)

    def read_lines(self) -> tuple[list[str], bool]:
        """The lines written since the last call, and whether more may come."""
        if self._popen is None:
            return [], False
        more = True
        try:
            while chunk := os.read(self._popen.stdout.fileno(), 65536):
                self._rest += chunk
            more = False
        except BlockingIOError:
            pass
        *lines, self._rest = self._rest.split(b"\n")
        if not more and self._rest:
            lines.append(self._rest)
            self._rest = b""
        return [line.decode(errors="replace").rstrip("\r") for line in lines], more

    def send(self, number: signal.Signals) -> None:
        """Signals its group."""
        if self._popen is not None:
            try:
                os.killpg(self._popen.pid, number)
            except ProcessLookupError:
                pass

    def ended(self) -> bool:
        """Whether it has ended; it stays unreaped, so that its id cannot pass to another process yet."""
        return self._popen is not None and os.waitid(
            os.P_PID, self._popen.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def reap(self) -> int:
        """Kills what is left of its group and collects its return code (negative: the signal that ended it)."""
        assert self._popen is not None
        self.send(signal.SIGKILL)
        code = self._popen.wait()
        self._popen.stdout.close()
        self._popen = None
        return code

    def kill(self) -> None:
        """Ends it and its group now, where it still runs."""
        if self._popen is not None:
            self.send(signal.SIGKILL)
            self.reap()
