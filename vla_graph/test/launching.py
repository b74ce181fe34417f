"""Helpers of the launch tests: launch files on disk, and a runner in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.sax.saxutils import quoteattr

# Ignores SIGINT and SIGTERM: only SIGKILL ends it.
STUBBORN = "import signal, time; [signal.signal(s, signal.SIG_IGN) for s in (2, 15)]; print('up'); time.sleep(60)"
# Ignores SIGINT: SIGTERM ends it.
DEAF = "import signal, time; signal.signal(2, signal.SIG_IGN); print('up'); time.sleep(60)"
POLITE = "import time; print('up'); time.sleep(60)"
# Has a child in its process group that outlives it and ignores SIGINT.
PARENT = ("import subprocess, sys, time; c = subprocess.Popen([sys.executable, '-c', 'import signal, time; "
          "signal.signal(2, signal.SIG_IGN); time.sleep(60)']); print('child', c.pid); time.sleep(60)")


def python_process(name: str, code: str, attributes: str = "") -> str:
    """An `<executable>` that runs Python code."""
    command = f'"{sys.executable}" -S -c "{code}"'
    return f'<executable name="{name}" cmd={quoteattr(command)} output="screen" {attributes}/>'


def write_launch_file(folder: Path, body: str, name: str = "test.launch.xml") -> Path:
    """A launch file with that body."""
    path = folder / name
    path.write_text(f"<launch>\n{body}\n</launch>\n")
    return path


def start_runner(path: Path, *words: str) -> subprocess.Popen:
    """`vla up` in a process, as a user would start it."""
    return subprocess.Popen([sys.executable, "-m", "vla_bringup.cli", "up", str(path), *words], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, env=dict(os.environ, PYTHONUNBUFFERED="1"))


def read_until(process: subprocess.Popen, *texts: str, timeout: float = 20.0) -> str:
    """Output up to the line by which every text has been seen."""
    seen, deadline = "", time.monotonic() + timeout
    while not all(text in seen for text in texts):
        assert time.monotonic() < deadline, f"{texts} not seen in {seen!r}"
        line = process.stdout.readline()
        assert line, f"ended before {texts}: {seen!r}"
        seen += line
    return seen


def process_ids(output: str) -> list[int]:
    """The ids in the runner's lines about started processes."""
    return [int(line.rpartition(" ")[2].rstrip(")")) for line in output.splitlines() if "started (process" in line]


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def assert_gone(pids: list[int], timeout: float = 5.0) -> None:
    """Fails where one of the processes still runs after the time-out."""
    deadline = time.monotonic() + timeout
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    left = [pid for pid in pids if alive(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left
