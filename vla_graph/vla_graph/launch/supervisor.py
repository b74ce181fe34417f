"""Runs processes together: prefixes their output, passes Ctrl-C on, escalates, and leaves none behind."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Sequence

from vla_contract.printing import printable, tell
from vla_graph import standard_output
from vla_graph.launch.plan import ProcessSpec
from vla_graph.launch.process import ManagedProcess

_CLEAN_END = (0, -signal.SIGINT, -signal.SIGTERM, 128 + signal.SIGINT, 128 + signal.SIGTERM)
"""Return codes of a process that ended because it was asked to."""


def print_line(name: str, line: str) -> None:
    """Writes one line of output, behind the name of who wrote it."""
    sys.stdout.write(f"[{name}] {printable(line)}\n")
    sys.stdout.flush()


def ending(code: int) -> str:
    """A return code in words."""
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


class Supervisor:
    """Runs processes until all have ended.

    It ends them all when a required one ends, or on SIGINT, SIGTERM or SIGHUP: SIGINT to each process group (SIGTERM to one
    that is still starting), SIGTERM after `patience`, SIGKILL after as much again. A second Ctrl-C goes to the next step at
    once. What a process left in its group is killed when it ends; should this process itself be killed, the kernel kills the
    others.

    Args:
        specs: What to run.
        patience: Time between the steps [s].
        write: Takes (process name, line of output).
    """

    def __init__(self, specs: Sequence[ProcessSpec], *, patience: float = 5.0,
                 write: Callable[[str, str], None] = print_line) -> None:
        self._processes = [ManagedProcess(spec) for spec in specs]
        self._patience = patience
        self._write = write
        self._mute = False
        self._received: list[int] = []
        self._steps = [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]
        self._next_step_at: float | None = None
        self._requested = False
        self._code = 0

    def run(self) -> int:
        """Starts everything and waits for the end.

        Call it from the main thread: signal handlers belong to it, and the kernel ties the processes' lives to it.

        Returns:
            0 when everything ended well or by Ctrl-C. When a required process ended by itself: its return code, or 1
            where that is 0. Otherwise the first return code that is not 0; 1 for one that had to be killed.
        """
        with selectors.DefaultSelector() as selector:
            reader, writer = os.pipe()
            for end in (reader, writer):
                os.set_blocking(end, False)
            selector.register(reader, selectors.EVENT_READ, None)
            restore = self._take_signals(writer)
            try:
                for process in self._processes:
                    if self._stopping:
                        break
                    self._start(process, selector)
                self._loop(selector, reader)
            finally:
                for process in self._processes:
                    process.kill()
                restore()
                os.close(reader)
                os.close(writer)
        return self._code

    @property
    def _stopping(self) -> bool:
        return self._next_step_at is not None

    def _take_signals(self, wakeup: int) -> Callable[[], None]:
        """Notes signals for the loop and wakes it. Returns what puts the old handlers back."""
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        old = {number: signal.signal(number, lambda n, _frame: self._received.append(n)) for number in numbers}
        old[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        old_wakeup = signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)

        def restore() -> None:
            signal.set_wakeup_fd(old_wakeup)
            for number, handler in old.items():
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)

        return restore

    def _loop(self, selector: selectors.BaseSelector, reader: int) -> None:
        while any(p.running or p.restart_at is not None for p in self._processes):
            for key, _ in selector.select(self._time_to_next()):
                if key.data is None:
                    os.read(reader, 4096)
                elif not self._forward(key.data):
                    selector.unregister(key.fileobj)
            while self._received:
                number = self._received.pop(0)
                self._say(f"{signal.Signals(number).name}: ending everything")
                self._requested = True
                self._escalate()
            for process in self._processes:
                self._attend(process, selector)
            if self._stopping and time.monotonic() >= self._next_step_at:
                self._escalate()

    def _time_to_next(self) -> float | None:
        """Time until something is due without an event [s]."""
        due = [p.restart_at for p in self._processes if p.restart_at is not None]
        if self._next_step_at is not None:
            due.append(self._next_step_at)
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _attend(self, process: ManagedProcess, selector: selectors.BaseSelector) -> None:
        """Notices the end of a process, and starts it again where it is to be."""
        if process.running and process.ended():
            self._forward(process)
            if process.output is not None and process.output.fileno() in selector.get_map():
                selector.unregister(process.output)
            code = process.reap()
            self._on_end(process, code)
        elif process.restart_at is not None and time.monotonic() >= process.restart_at:
            self._start(process, selector)

    def _start(self, process: ManagedProcess, selector: selectors.BaseSelector) -> None:
        try:
            process.start()
        except OSError as error:
            self._say(f"{process.spec.name} cannot be started: {process.spec.command[0]}: {error.strerror}")
            self._code = self._code or 1
            self._begin_stop()
            return
        selector.register(process.output, selectors.EVENT_READ, process)
        self._say(f"{process.spec.name} started (process {process.pid})")

    def _on_end(self, process: ManagedProcess, code: int) -> None:
        name = process.spec.name
        if self._stopping:
            self._say(f"{name} {ending(code)}")
            clean = code in _CLEAN_END
            if not clean:
                self._code = self._code or (code if code > 0 else 1)
            return
        if process.spec.respawn:
            process.restart_at = time.monotonic() + process.spec.respawn_delay
            self._say(f"{name} {ending(code)}; starting it again in {process.spec.respawn_delay:g} s")
            return
        if process.spec.required:
            self._say(f"{name} {ending(code)}; it is required: ending everything")
            self._code = self._code or (code if code > 0 else 1)
            self._begin_stop()
            return
        self._say(f"{name} {ending(code)}")
        if code != 0:
            self._code = self._code or (code if code > 0 else 1)

    def _begin_stop(self) -> None:
        if not self._stopping:
            self._escalate()

    def _escalate(self) -> None:
        """Sends the next of SIGINT, SIGTERM, SIGKILL to everything that runs."""
        number = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
        running = [p for p in self._processes if p.running]
        if self._stopping and running:
            self._say(f"{number.name} to {', '.join(p.spec.name for p in running)}")
        self._next_step_at = time.monotonic() + self._patience
        for process in self._processes:
            process.restart_at = None
            if number is signal.SIGINT:
                process.interrupt()
            else:
                process.send(number)

    def _forward(self, process: ManagedProcess) -> bool:
        """Prints what a process has written. Returns False at the end of its output."""
        lines, more = process.read_lines()
        for line in lines:
            self._say(line, process.spec.name)
        return more

    def _say(self, line: str, name: str = "launch") -> None:
        if self._mute:
            return
        try:
            self._write(name, line)
        except BrokenPipeError:
            # Whoever read our output has gone: nobody watches the robot any more.
            self._mute = True
            sys.stdout = open(os.devnull, "w")
            self._code = self._code or 1
            self._begin_stop()
        except OSError as error:
            # A full disk, as a rule: no reason to drop a robot, which a bag or another terminal may be watching.
            self._mute = True
            standard_output.silence()
            with contextlib.suppress(OSError):
                tell(f"[launch] output cannot be written: {error.strerror}; going on without it", file=sys.stderr, flush=True)
