"""`vla eval` killed at random moments and resumed: is what it left readable, whole, and counted once?"""

from __future__ import annotations

import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from vla_trials.trials.errors import TrialsError
from vla_trials.trials.inference_file import NAME as INFERENCES
from vla_trials.trials.store import NAME, Stored, read_store

TRIALS = 8
TIME_LIMIT_S = 1.0
"""Of each trial, virtual [s]: nothing succeeds in it, and that does not matter here."""
ORPHANS_END_S = 15.0
"""Processes of a killed run must be gone after this time [s]."""


def kill_eval(
    times: int = 50, seed: int = 0, *, card: str = "panda_tabletop", progress: Callable[[str], None] = lambda _: None
) -> dict:
    """SIGKILL to `vla eval`, and to nothing else of it, at random moments, until it was hit `times` times.

    Each run is resumed until it is done; then the next one begins in a folder of its own. Half of the moments are drawn from
    the whole of a run, half from the time in which trials finish, which is the shorter part.

    Returns:
        `kills`, `runs` finished, `unreadable` files after a kill, `lost` trials that had been on disk before one, `duplicates`,
        `cut` lines, finished runs whose results or inferences are `different` from those of a run that was let be, and
        `orphans`: processes that outlived their run by more than `ORPHANS_END_S`.
    """
    draw = random.Random(seed)
    counts = {
        "kills": 0,
        "runs": 0,
        "unreadable": 0,
        "lost": 0,
        "duplicates": 0,
        "cut": 0,
        "different": 0,
        "orphans": 0,
    }
    with tempfile.TemporaryDirectory(prefix="vla_kill_") as work:
        reference = Path(work) / "reference"
        start = time.monotonic()
        first = _run_until(reference, card, set(), counts)
        span = time.monotonic() - start
        wanted = _rows(reference, card)
        while counts["kills"] < times:
            folder = Path(work) / f"run_{counts['runs']}"
            seen: set[bytes] = set()
            while counts["kills"] < times:
                finishing = draw.random() < 0.5
                seconds = draw.uniform(0.0, 1.1 * (span - first if finishing else span))
                if _run_until(folder, card, seen, counts, seconds, after_first=finishing) is not None:
                    break
                counts["kills"] += 1
                _check(folder, seen, counts)
                progress(f"{counts['kills']} of {times} kills, {len(seen)} trials on disk: {counts}")
            counts["different"] += _rows(folder, card) != wanted
            counts["runs"] += 1
    return counts


def command(folder: Path, card: str) -> list[str]:
    """Cheap trials: the expert, a short time limit."""
    return [
        sys.executable, "-m", "vla_bringup.cli", "eval", "--card", card, "--checkpoint", "expert", "--task", "pick",
        "--trials", str(TRIALS), "--time-limit", str(TIME_LIMIT_S), "--jobs", "2", "--out", str(folder),
    ]  # fmt: skip


def _rows(folder: Path, card: str) -> tuple[list[dict], bytes]:
    """Let a run finish, resumed where it was. Returns its results, and the file of its inferences."""
    done = subprocess.run(command(folder, card), capture_output=True, text=True)
    if done.returncode:
        raise TrialsError(f"`vla eval` ended with {done.returncode}: {done.stderr[-800:]}")
    results = read_store(folder / NAME).results
    return [results[key][0].as_row() for key in sorted(results)], (folder / INFERENCES).read_bytes()


def _run_until(
    folder: Path, card: str, seen: set[bytes], counts: dict, seconds: float = math.inf, *, after_first: bool = False
) -> float | None:
    """Start, and kill after a time from the start, or from the first trial that this run finishes [s].

    Returns:
        Time until that first trial [s], where the run ended by itself before; None where it was killed.
    """
    before, start = len(_trial_lines(folder)), time.monotonic()
    process = subprocess.Popen(
        command(folder, card), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    first = None
    try:
        while process.poll() is None:
            seen |= _trial_lines(folder)
            now = time.monotonic() - start
            if first is None and len(seen) > before:
                first = now
            since = now if not after_first else (now - first if first is not None else -math.inf)
            if since >= seconds:
                break
            time.sleep(0.01)
        ended = process.poll() is not None
    finally:
        process.kill()
        process.wait()
    counts["orphans"] += not _group_is_gone(process.pid)
    if ended and process.returncode:
        raise TrialsError(f"`vla eval` in {folder} ended by itself with {process.returncode}")
    return (first or 0.0) if ended else None


def _trial_lines(folder: Path) -> set[bytes]:
    """Whole lines with trials that are on disk now."""
    try:
        data = (folder / NAME).read_bytes()
    except OSError:
        return set()
    return {line for line in data[: data.rfind(b"\n") + 1].splitlines() if line.startswith(b'{"trial"')}


def _group_is_gone(session: int) -> bool:
    """Whether all processes of a session have ended; those that have not are ended here."""
    deadline = time.monotonic() + ORPHANS_END_S
    while left := alive_in(session):
        if time.monotonic() > deadline:
            for process in left:
                os.kill(process, signal.SIGKILL)
            return False
        time.sleep(0.05)
    return True


def alive_in(session: int) -> list[int]:
    """Processes of a session that run, from /proc; those that ended and that nobody has waited for yet are not among them."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = stat.parent.name, stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(rest[3]) == session and rest[0] not in "ZX":
            found.append(int(pid))
    return found


def _check(folder: Path, seen: set[bytes], counts: dict) -> None:
    if not (folder / NAME).exists():
        counts["lost"] += len(seen)
        return
    try:
        stored: Stored = read_store(folder / NAME)
    except TrialsError:
        counts["unreadable"] += 1
        return
    counts["lost"] += len(seen - _trial_lines(folder))
    counts["duplicates"] += stored.duplicates
    counts["cut"] += stored.cut
