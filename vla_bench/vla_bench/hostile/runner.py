"""Runs cases, each in a process of its own with everything imported before, and looks at what became of it.

A case fails where a verb shows a traceback, ends with a code that is not one of its codes, writes outside of its folder, puts
control characters on the terminal, takes more than 500 MB beyond what its imports take, or more than 10 s of the processor.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vla_bench.hostile.case import Case

MOST_BYTES = 500_000_000
MOST_S = 10.0
"""Of the processor [s]."""
PATIENCE_S = 60.0
"""On the wall, in which a case must end on a computer that others use, too [s]."""
_WALL_BYTES = 4 << 30
"""Address space beyond what was there: no case takes the computer with it."""
_TRACEBACK = 99
_ALLOWED = "\n\t\r"


@dataclass
class Outcome:
    """What became of a case. faults: in words; none: it is right."""

    name: str
    code: int
    seconds: float
    mb: float
    faults: list[str] = field(default_factory=list)
    words: str = ""
    """The end of what the verb said."""


def warm_up() -> None:
    """Imports what the verbs import, so that the memory of a case is its own."""
    import cv2
    import matplotlib
    import mcap.writer  # noqa: F401
    import mujoco  # noqa: F401
    import torch

    import vla_bringup.cli  # noqa: F401
    import vla_evidence.report.report
    import vla_evidence.rows.from_bag  # noqa: F401
    import vla_policy.training.train  # noqa: F401
    import vla_replay.offline.replay
    import vla_replay.verbs.card  # noqa: F401
    import vla_trials.trials.evaluate  # noqa: F401
    from vla_bench.hostile.messages import good_run
    from vla_evidence.provenance.suite import suite

    matplotlib.use("Agg")
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    good_run(), suite()


def run_cases(
    cases: Sequence[Case], *, jobs: int = 2, told: Callable[[Outcome], None] = lambda _: None
) -> list[Outcome]:
    """Outcomes in the order of the cases. Call it from a process without threads that hold locks."""
    waiting, under_way, done = list(enumerate(cases))[::-1], {}, {}
    root = Path(tempfile.mkdtemp(prefix="vla_hostile_"))
    try:
        while waiting or under_way:
            while waiting and len(under_way) < jobs:
                number, case = waiting.pop()
                running = _Running(case, root / f"{number}")
                under_way[number] = running
            for number, running in list(under_way.items()):
                if running.ended():
                    done[number] = running.outcome()
                    told(done[number])
                    del under_way[number]
            time.sleep(0.002)
    finally:
        for running in under_way.values():
            running.kill()
        shutil.rmtree(root, ignore_errors=True)
    return [done[number] for number in sorted(done)]


class _Running:
    def __init__(self, case: Case, root: Path) -> None:
        self._case, self._root = case, root
        self._folder = root / "case"
        for name in ("case", "victim", "home", "tmp"):
            (root / name).mkdir(parents=True)
        (root / "victim" / "bashrc").write_text("the user's own\n")
        case.build(self._folder)
        self._links = _content(root / "victim")
        self._began = time.monotonic()
        self._status: int | None = None
        self._used: resource.struct_rusage | None = None
        sys.stdout.flush(), sys.stderr.flush()
        self._pid = os.fork()
        if self._pid == 0:
            _be_the_case(case, root)

    def ended(self) -> bool:
        pid, status, used = os.wait4(self._pid, os.WNOHANG)
        if pid:
            self._status, self._used = status, used
            return True
        if time.monotonic() - self._began > PATIENCE_S:
            os.kill(self._pid, signal.SIGKILL)
        return False

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)

    def outcome(self) -> Outcome:
        case, root = self._case, self._root
        said = (root / "said").read_bytes().decode("utf-8", "surrogateescape")
        before = int((root / "rss").read_text() or 0)
        code = os.waitstatus_to_exitcode(self._status)
        seconds = self._used.ru_utime + self._used.ru_stime
        size = max(0, self._used.ru_maxrss * 1024 - before)
        found = Outcome(case.name, code, round(seconds, 2), round(size / 1e6, 1), words=said[-2000:])
        if code == _TRACEBACK or "Traceback (most recent call last)" in said:
            found.faults.append("a traceback")
        elif code == -signal.SIGKILL:
            found.faults.append(f"did not end in {PATIENCE_S:g} s")
        elif code not in case.codes:
            found.faults.append(f"ended with {code}, right are {', '.join(map(str, case.codes))}")
        if size > MOST_BYTES:
            found.faults.append(f"took {size / 1e6:.0f} MB")
        if seconds > MOST_S:
            found.faults.append(f"took {seconds:.1f} s")
        signs = sorted({f"U+{ord(sign):04X}" for sign in said if _moves(sign)})
        if signs:
            found.faults.append(f"wrote {', '.join(signs)} to the terminal")
        found.faults += self._strayed() + self._page()
        shutil.rmtree(root, ignore_errors=True)
        return found

    def _strayed(self) -> list[str]:
        found = [] if _content(self._root / "victim") == self._links else ["changed a file or folder of the user"]
        found += [f"left {path.name} in {name}" for name in ("home", "tmp") for path in (self._root / name).iterdir()]
        more = {path.name for path in self._root.iterdir()} - {"case", "victim", "home", "tmp", "said", "rss"}
        found += [f"made {name} outside of its folder" for name in sorted(more)]
        return found + ["ran what was not ours"] * any(self._folder.rglob("pwned"))

    def _page(self) -> list[str]:
        from vla_bench.hostile.page import faults_of

        path = self._folder / "run" / "report.html"
        return faults_of(path.read_text(encoding="utf-8")) if path.is_file() and not path.is_symlink() else []


def _be_the_case(case: Case, root: Path) -> None:
    """The child's whole life."""
    code = _TRACEBACK
    try:
        os.setsid()
        out = os.open(root / "said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1), os.dup2(out, 2)
        nowhere = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nowhere, 0)
        for name in ("stdout", "stderr"):
            setattr(sys, name, open(1 if name == "stdout" else 2, "w", encoding="utf-8", closefd=False))
        os.environ |= {"HOME": str(root / "home"), "TMPDIR": str(root / "tmp"), "COLUMNS": "200"}
        tempfile.tempdir = None
        os.chdir(root / "case")
        sys.path.insert(0, "")  # as `python -m` has it: what lies in the folder could be imported
        pages = Path("/proc/self/statm").read_text().split()
        (root / "rss").write_text(str(int(pages[1]) * resource.getpagesize()))
        most = int(pages[0]) * resource.getpagesize() + _WALL_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        from vla_bringup.cli import main

        code = main(list(case.argv))
        sys.stdout.flush(), sys.stderr.flush()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        with contextlib.suppress(BaseException):
            traceback.print_exc()
            sys.stderr.flush()
    finally:
        os._exit(code)


def _content(folder: Path) -> dict[str, str]:
    """Names and digests of all that is in a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in sorted(folder.rglob("*"))
    }


def _moves(sign: str) -> bool:
    return (
        sign not in _ALLOWED and unicodedata.category(sign) in ("Cc", "Cf", "Zl", "Zp") and sign not in "\u200c\u200d"
    )
