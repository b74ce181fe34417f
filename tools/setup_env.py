"""Makes this checkout ready to run: environment, rendering, colcon build. Does nothing where nothing has changed.

Runs on the system's Python (3.10 or newer, standard library only). Each stage keeps a fingerprint of its inputs in
`.venv/setup-state.json`, written when the stage has succeeded.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import sys
import time
from pathlib import Path

import system
from system import SetupError, say

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STATE = VENV / "setup-state.json"
REQUIREMENTS = ("requirements.txt", "requirements-embedded.txt")
BUILD_INPUTS = ("package.xml", "setup.py", "setup.cfg", "CMakeLists.txt", "resource", "msg", "srv", "action")
DATA_FOLDERS = ("launch", "cards", "config", "robots", "checkpoints")


def digest(*parts: object) -> str:
    """Hash of strings, and of the names and content of files and folders."""
    sha = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            files = sorted(p for p in part.rglob("*") if p.is_file()) if part.is_dir() else [part] * part.is_file()
            for path in files:
                sha.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
        else:
            sha.update(repr(part).encode() + b"\0")
    return sha.hexdigest()[:16]


def read_state() -> dict[str, str]:
    """Fingerprints of the stages that have succeeded; empty where there are none."""
    try:
        return json.loads(STATE.read_text())
    except (OSError, ValueError):
        return {}


def write_state(state: dict[str, str]) -> None:
    """Replaces the state file at once, so that an interrupted run leaves the old one."""
    temporary = STATE.with_suffix(".tmp")
    temporary.write_text(json.dumps(state, indent=1, sort_keys=True) + "\n")
    temporary.replace(STATE)


def python_packages() -> list[Path]:
    """Folders of the workspace's packages, in the order of `colcon_defaults.yaml`."""
    lines = (ROOT / "colcon_defaults.yaml").read_text().splitlines()
    names = dict.fromkeys(line.split("- ")[1].strip() for line in lines if line.lstrip().startswith("- "))
    return [ROOT / name for name in names]


def lent_interfaces() -> list[Path]:
    """Folders of `interfaces/` whose package the wheels do not have: they are built under its name."""
    folders = sorted(path.parent for path in (ROOT / "interfaces").glob("*/package.xml"))
    return [folder for folder in folders if not (VENV / "share" / folder.name / "package.xml").exists()]


def package_fingerprint(package: Path) -> str:
    """Changes when the package must be built again; edits of Python code and of data files do not count."""
    data = [sorted(str(p) for p in (package / folder).rglob("*")) for folder in DATA_FOLDERS]
    return digest(*(package / name for name in BUILD_INPUTS), data, (package / package.name).is_dir())


def environment_fingerprint(version: str) -> str:
    """Changes when the environment must be installed again. version: of Python."""
    return digest(*(ROOT / name for name in (*REQUIREMENTS, "constraints.txt")), version, str(ROOT))


def make_environment(state: dict[str, str]) -> None:
    """Creates `.venv` and installs what REQUIREMENTS name, in the versions of constraints.txt."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    want = environment_fingerprint(version)
    if state.get("environment") == want:
        return
    python = VENV / "bin" / "python"
    if not python.exists() or state.get("python", version) != version or state.get("root", str(ROOT)) != str(ROOT):
        say(f"environment: creating .venv with Python {version}")
        system.check_build_tools()
        shutil.rmtree(VENV, ignore_errors=True)
        system.run_logged([sys.executable, "-m", "venv", str(VENV)], ROOT / "log" / "setup-venv.log")
    state.clear()
    say("environment: installing Python packages (about 2 GB on disk; several more where torch comes as its CUDA build)")
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off", "--no-input",
           *(word for name in REQUIREMENTS for word in ("-r", str(ROOT / name))), "-c", str(ROOT / "constraints.txt")]
    system.run_logged(pip, ROOT / "log" / "setup-pip.log", show=system.pip_progress())
    say("environment: replacing build-farm paths in the wheels' CMake files")
    system.run_logged([str(python), str(ROOT / "tools" / "mend_wheels.py")], ROOT / "log" / "setup-wheels.log")
    state.update(environment=want, python=version, root=str(ROOT))
    write_state(state)


def check_rendering(state: dict[str, str]) -> None:
    """Finds a MuJoCo backend that renders without a display, installing one where allowed, and notes it for env.sh."""
    want = digest(state["environment"], ROOT / "tools" / "render_frame.py")
    if state.get("rendering") == want and (VENV / "vla_env.sh").exists():
        return
    say("rendering: one frame without a display")
    backend = system.working_render_backend(VENV, ROOT / "tools" / "render_frame.py")
    say(f"rendering: MUJOCO_GL={backend} works")
    libraries = sorted(str(path) for path in VENV.glob("lib/python*/site-packages/ros_*.libs"))
    (VENV / "vla_env.sh").write_text(
        "# Written by tools/setup_env.py, read by tools/env.sh.\n"
        f"export MUJOCO_GL=\"${{MUJOCO_GL:-{backend}}}\"\n"
        f"export LD_LIBRARY_PATH=\"{':'.join([str(VENV / 'lib'), *libraries])}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}\"\n"
        "# The wheels restart every Python once to set the path above; this says that it is set.\n"
        "export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1\n")
    state["rendering"] = want
    write_state(state)


def remove_former_packages(state: dict[str, str], names: set[str]) -> None:
    """A package that the workspace no longer has must not be found by name: its entry points would still be offered."""
    former = {key.removeprefix("build ") for key in state if key.startswith("build ")} - names
    for name in former:
        for folder in ("build", "install"):
            shutil.rmtree(ROOT / folder / name, ignore_errors=True)
        del state[f"build {name}"]
    if former:
        write_state(state)


def build(state: dict[str, str]) -> None:
    """Runs colcon for the packages whose build inputs have changed."""
    packages = [*lent_interfaces(), *python_packages()]
    wants = {package.name: package_fingerprint(package) for package in packages}
    changed = [name for name, want in wants.items()
               if state.get(f"build {name}") != want or not (ROOT / "install" / name).is_dir()]
    remove_former_packages(state, set(wants))
    if not changed:
        return
    messages = any(package.name in changed and (package / "msg").is_dir() for package in packages)
    say(f"build: {' '.join(changed)}" + (" (messages take two minutes)" if messages else ""))
    for name in changed:
        for folder in ("build", "install"):
            shutil.rmtree(ROOT / folder / name, ignore_errors=True)
    env = dict(os.environ, PATH=f"{VENV / 'bin'}:{os.environ['PATH']}", AMENT_PREFIX_PATH=str(VENV),
               CMAKE_PREFIX_PATH=str(VENV), COLCON_DEFAULTS_FILE=str(ROOT / "colcon_defaults.yaml"))
    env.pop("PYTHONPATH", None)
    command = [str(VENV / "bin" / "colcon"), "build", "--base-paths", *map(str, packages), "--packages-select", *changed,
               "--cmake-args", f"-DPython3_EXECUTABLE={VENV / 'bin' / 'python'}", "-DBUILD_TESTING=OFF"]
    system.run_logged(command, ROOT / "log" / "setup-build.log", env=env, cwd=ROOT, show=system.colcon_progress)
    for name in changed:
        state[f"build {name}"] = wants[name]
    write_state(state)


def compile_kernels(state: dict[str, str]) -> None:
    """Compiles the numba functions, so that no controller does when it starts. Their caches do not notice changes in
    functions that they call, so all of them are dropped first."""
    sources = [path for package in ("vla_motion", "vla_controller") for path in (ROOT / package / package).rglob("*.py")]
    kernels = sorted(path for path in sources if "njit" in path.read_text())
    want = digest(state["environment"], *kernels, *(path for path in sources if path.name == "warm_up.py"))
    if state.get("kernels") == want:
        return
    say("kernels: compiling (about a minute)")
    for path in kernels:
        for cache in (path.parent / "__pycache__").glob(f"{path.stem}.*.nb[ci]"):
            cache.unlink()
    warm_up = [str(ROOT / "tools" / "run"), "python", "-m", "vla_controller.warm_up"]
    system.run_logged(warm_up, ROOT / "log" / "setup-kernels.log", cwd=ROOT)
    state["kernels"] = want
    write_state(state)


def main() -> int:
    """Runs the stages in order. Returns the exit status."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    started = time.monotonic()
    try:
        system.check_platform()
        handle = os.open(ROOT / "tools", os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another set-up of this checkout to end")
            fcntl.flock(handle, fcntl.LOCK_EX)
        (ROOT / "log").mkdir(exist_ok=True)
        state = read_state()
        before = dict(state)
        make_environment(state)
        check_rendering(state)
        build(state)
        compile_kernels(state)
    except SetupError as error:
        print(f"setup: error: {error}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        print("setup: interrupted; run it again to go on", file=sys.stderr)
        return 130
    if state != before:
        say(f"ready after {time.monotonic() - started:.0f} s; `source tools/env.sh` gives a shell with `vla`")
    return 0


if __name__ == "__main__":
    sys.exit(main())
