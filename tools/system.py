"""What the set-up asks of the machine: checks, system packages, and commands with their output in a log."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_SILENCE = 20.0
"""A command that shows nothing for this long is said to be still running [s]."""


class SetupError(Exception):
    """The set-up cannot go on; the text is one line that says what to do."""


def say(text: str) -> None:
    """One line of progress."""
    print(f"setup: {text}", flush=True)


def check_platform() -> None:
    """Raises SetupError where the wheels cannot run, or where ROS 2 is sourced and plain colcon is the way."""
    if os.environ.get("ROS_DISTRO"):
        raise SetupError(
            f"ROS 2 {os.environ['ROS_DISTRO']} is sourced: build with plain `colcon build` (see README.md, \"With ROS 2 "
            "installed\"), or run this in a shell where ROS_DISTRO is not set")
    if not (3, 10) <= sys.version_info[:2] <= (3, 14):
        raise SetupError(f"Python is {platform.python_version()}, 3.10 to 3.14 are supported: make setup PYTHON=python3.12")
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "AMD64"):
        raise SetupError(f"ROS 2 wheels exist for x86-64 Linux only, this is {sys.platform} on {platform.machine()}: "
                         "install ROS 2 and build with plain `colcon build`")


def check_build_tools() -> None:
    """Raises SetupError naming the Debian package of a missing compiler, header or module."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    missing = []
    if not shutil.which("c++"):
        missing.append("g++")
    if not shutil.which("make"):
        missing.append("make")
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        missing.append(f"{version}-venv")
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        missing.append(f"{version}-dev")
    if missing and not install_debian(missing):
        raise SetupError(f"missing: {' '.join(missing)}; install with: apt-get install {' '.join(missing)}")


def install_debian(packages: Sequence[str]) -> bool:
    """Installs Debian packages where apt-get exists and may be used without a password. Returns success."""
    if not shutil.which("apt-get"):
        return False
    prefix: list[str] = []
    if os.geteuid() != 0:
        if not shutil.which("sudo") or subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode != 0:
            return False
        prefix = ["sudo", "-n"]
    say(f"system: apt-get install {' '.join(packages)}")
    install = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-q",
               "--no-install-recommends", *packages]
    update = [*prefix, "apt-get", "update", "-q"]
    for command in (update, install):
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if result.returncode != 0:
        say(f"system: apt-get failed: {(result.stderr.strip().splitlines() or ['no reason given'])[-1]}")
    return result.returncode == 0


def working_render_backend(venv: Path, script: Path) -> str:
    """The first of EGL and OSMesa that renders a frame, after installing them where needed and allowed."""
    def renders(backend: str) -> bool:
        env = dict(os.environ, MUJOCO_GL=backend)
        result = subprocess.run([str(venv / "bin" / "python"), str(script)], env=env, stdin=subprocess.DEVNULL,
                                capture_output=True, timeout=120)
        return result.returncode == 0

    asked = os.environ.get("MUJOCO_GL")
    for backend in dict.fromkeys([asked] if asked in ("egl", "osmesa") else [], ) or ("egl", "osmesa"):
        if renders(backend):
            return backend
    for backend, packages in (("egl", ("libegl1", "libegl-mesa0", "libgl1-mesa-dri")), ("osmesa", ("libosmesa6",))):
        if install_debian(packages) and renders(backend):
            return backend
    raise SetupError("MuJoCo cannot render without a display; install EGL or OSMesa with: "
                     "apt-get install libegl1 libegl-mesa0 libgl1-mesa-dri  (or: apt-get install libosmesa6)")


def run_logged(command: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None, cwd: Path | None = None,
               show: Callable[[str], str | None] | None = None) -> None:
    """Runs a command with its output in `log`; lines that `show` turns into text are printed as progress.

    Raises SetupError with the end of the log where the command fails.
    """
    log.parent.mkdir(exist_ok=True)
    started = last = time.monotonic()
    done = threading.Event()

    def speak_up() -> None:
        while not done.wait(5.0):
            nonlocal last
            if time.monotonic() - last > _SILENCE:
                last = time.monotonic()
                say(f"  still at it after {last - started:.0f} s")

    threading.Thread(target=speak_up, daemon=True).start()
    with log.open("w") as file:
        process = subprocess.Popen(command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)
        try:
            for line in process.stdout:
                file.write(line)
                text = show(line) if show else None
                if text:
                    say(text)
                    last = time.monotonic()
            code = process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            raise
        finally:
            done.set()
    if code != 0:
        tail = "".join(log.read_text().splitlines(keepends=True)[-25:])
        print(tail, file=sys.stderr)
        raise SetupError(f"`{Path(command[0]).name} {command[1]} ...` failed with code {code}; whole output in {log}")


def pip_progress() -> Callable[[str], str | None]:
    """Turns pip's output into a line every few seconds, and one for each large download."""
    last = time.monotonic()
    count = 0

    def show(line: str) -> str | None:
        nonlocal last, count
        large = re.match(r"\s*Downloading (\S+)-.*\((\d{3,}(?:\.\d+)? MB|[\d.]+ GB)\)", line)
        if large:
            return f"  downloading {large[1].rsplit('/', 1)[-1]} ({large[2]})"
        if line.startswith("Installing collected packages"):
            return f"  unpacking {line.count(',') + 1} packages"
        if line.startswith("Collecting"):
            count += 1
            if time.monotonic() - last > 5.0:
                last = time.monotonic()
                return f"  {count} packages found, now {line.split()[1]}"
        return None

    return show


def colcon_progress(line: str) -> str | None:
    """colcon's lines about packages, and nothing else."""
    return f"  {line.strip()}" if line.startswith(("Starting", "Finished", "Failed", "Aborted")) else None
