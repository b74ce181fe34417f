"""Finished trials on disk, one whole line each, so that a killed run goes on where it was."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vla_contract.evidence import EvidenceWriter
from vla_contract.files import open_append, read_bytes
from vla_contract.files.json_text import parse_json
from vla_contract.files.limits import ROWS
from vla_evidence.provenance.suite import UNKNOWN
from vla_trials.trials.errors import TrialsError
from vla_trials.trials.request import fingerprint
from vla_trials.trials.result import TrialResult

NAME = "trials.jsonl"
EXTENDED = ("tasks", "seeds")
"""What a folder may be extended by."""


@dataclass(frozen=True)
class Stored:
    """What a file holds.

    Attributes:
        identity: Of the request, with all that it was extended by; None where the file is empty.
        fingerprint: Of the request that it was begun with: the ids of its runs come from it.
        results: Task and seed -> result and what it took on the wall [s]; the first of duplicates.
        suites: Task and seed -> the suite that it was run with; `UNKNOWN` where nobody noted it.
        duplicates: Lines of trials that had been there before.
        cut: The last line was cut short by a kill, and is no trial.
        whole: Bytes of the file up to the end of its last whole line.
    """

    identity: dict | None
    fingerprint: str
    results: dict[tuple[str, int], tuple[TrialResult, float]]
    suites: dict[tuple[str, int], str]
    duplicates: int
    cut: bool
    whole: int


def read_store(path: Path) -> Stored:
    """Reads a file of trials, also one whose writer was killed.

    Raises:
        TrialsError: A line other than the last one is broken, or the first one does not tell the request.
    """
    data = read_bytes(path, ROWS)
    whole = data.rfind(b"\n") + 1
    identity, of_request, results, suites, duplicates = None, "", {}, {}, 0
    for number, line in enumerate(data[:whole].splitlines(), 1):
        try:
            row = parse_json(line)
            if number == 1:
                identity = row["request"]
                of_request, begun = fingerprint(identity), identity.get("suite", UNKNOWN)
                continue
            if "extended" in row:
                identity = {**identity, **{name: row["extended"][name] for name in EXTENDED}}
                continue
            result = TrialResult.from_row(row["trial"])
            seconds, by = float(row["wall_s"]), str(row.get("suite", begun))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            what = "a request" if number == 1 else "a trial"
            raise TrialsError(f"{path}: line {number} is not {what} ({type(error).__name__}: {error})") from None
        if result.key in results:
            duplicates += 1
        else:
            results[result.key], suites[result.key] = (result, seconds), by
    return Stored(identity, of_request, results, suites, duplicates, whole < len(data), whole)


class TrialStore:
    """The trials of one request in a folder. Use as a context manager: one run at a time has it open.

    Args:
        mix_suites: Go on where the folder was begun with another version of the suite. Each trial says which one ran it.

    Raises:
        TrialsError: Another run writes there, it holds another request (each differing field is named), or more than is asked
            for, or trials of another suite, or it is broken.

    Attributes:
        identity: Of the request that the folder was begun with, extended by the tasks and seeds that are asked for now.
        fingerprint: Of the request that it was begun with.
    """

    def __init__(self, folder: Path, identity: dict, *, mix_suites: bool = False) -> None:
        self.path = folder / NAME
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = open_append(self.path)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise TrialsError(f"{folder}: another run is writing there") from None
        try:
            self.found = read_store(self.path)
            """What was there before."""
            there = self.found.identity
            if there is not None:
                check_same(folder, there, identity, mix_suites)
            self.identity = identity if there is None else {**there, **{name: identity[name] for name in EXTENDED}}
            self.fingerprint = self.found.fingerprint or fingerprint(identity)
            self._suite = identity["suite"]
            if self.found.cut:
                self._lock.truncate(self.found.whole)
            self._writer = EvidenceWriter(self.path)
        except BaseException:
            self._lock.close()
            raise
        if there is None:
            self._writer.write({"request": identity, "fingerprint": self.fingerprint})
        elif any(_plain(there[name]) != _plain(identity[name]) for name in EXTENDED):
            self._writer.write({"extended": {name: identity[name] for name in EXTENDED}})

    def add(self, result: TrialResult, seconds: float, suite: str = "") -> None:
        """Keep a finished trial, at once, or not at all: OSError, with the file's name, where it cannot be written.

        suite: That ran it; empty: this one.
        """
        row, suite = {"trial": result.as_row(), "wall_s": round(seconds, 3)}, suite or self._suite
        self._writer.write(row if suite == self.identity.get("suite") else {**row, "suite": suite})

    def missing(self, trials: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
        """Those of these trials that were not there when it was opened, in their order."""
        return [key for key in trials if key not in self.found.results]

    def close(self) -> None:
        self._writer.close()
        self._lock.close()

    def __enter__(self) -> TrialStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def check_same(folder: Path, there: dict, asked: dict, mix_suites: bool) -> None:
    """TrialsError where trials of one request are not trials of the other, which may only have more tasks and seeds."""
    there, asked = _plain(there), _plain(asked)
    fields = [name for name in {**there, **asked} if name != "suite" and there.get(name) != asked.get(name)]
    if set(fields) <= set(EXTENDED):
        fields = [] if _covers(asked, there) else fields
        if fields and _covers(there, asked):
            words = _told(fields, there, asked)
            raise TrialsError(f"{folder} holds more trials than are asked for: {words}. Ask for all, or give another --out")
    if fields:
        words = _told(fields, there, asked)
        raise TrialsError(f"{folder} holds trials of another request: {words}. Give another --out")
    before, now = there.get("suite", UNKNOWN), asked["suite"]
    if before != now and not mix_suites:
        raise TrialsError(
            f"{folder} holds trials of another version of the suite ({before}), whose results may differ from those of "
            f"this one ({now}). Give another --out, or --mix-suites to go on all the same: "
            "each trial then says which suite ran it"
        )


def _plain(value: object) -> object:
    """As it is after a way through a file: lists for tuples."""
    return json.loads(json.dumps(value))


def _told(fields: Sequence[str], there: dict, asked: dict) -> str:
    return "; ".join(f"{name}: {there.get(name)!r} there, {asked.get(name)!r} asked for" for name in fields)


def _covers(more: dict, less: dict) -> bool:
    """All tasks and seeds of the one are among those of the other. Ranges are not written out: a file may say anything."""
    if not set(map(str, less["tasks"])) <= set(map(str, more["tasks"])):
        return False
    wanted = sum(high - low + 1 for low, high in less["seeds"])
    shared = sum(max(0, min(b, d) - max(a, c) + 1) for a, b in less["seeds"] for c, d in more["seeds"])
    return shared == wanted
