"""Finished trials on disk, one whole line each, so that a killed run goes on where it was."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vla_contract.evidence import EvidenceWriter
from vla_eval.trials.errors import TrialsError
from vla_eval.trials.request import fingerprint
from vla_eval.trials.result import TrialResult
from vla_eval.trials.suite import UNKNOWN

NAME = "trials.jsonl"


@dataclass(frozen=True)
class Stored:
    """What a file holds.

    Attributes:
        identity: Of the request, None where the file is empty.
        results: Task and seed -> result and what it took on the wall [s]; the first of duplicates.
        suites: Task and seed -> the suite that it was run with; `UNKNOWN` where nobody noted it.
        duplicates: Lines of trials that had been there before.
        cut: The last line was cut short by a kill, and is no trial.
        whole: Bytes of the file up to the end of its last whole line.
    """

    identity: dict | None
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
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    identity, results, suites, duplicates = None, {}, {}, 0
    for number, line in enumerate(data[:whole].splitlines(), 1):
        try:
            row = json.loads(line)
            if number == 1:
                identity = row["request"]
                begun = identity.get("suite", UNKNOWN)
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
    return Stored(identity, results, suites, duplicates, whole < len(data), whole)


class TrialStore:
    """The trials of one request in a folder. Use as a context manager: one run at a time has it open.

    Args:
        mix_suites: Go on where the folder was begun with another version of the suite. Each trial says which one ran it.

    Raises:
        TrialsError: Another run writes there, it holds another request (each differing field is named) or trials of another
            suite, or it is broken.

    Attributes:
        identity: Of the request that the folder was begun with.
    """

    def __init__(self, folder: Path, identity: dict, *, mix_suites: bool = False) -> None:
        self.path = folder / NAME
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = open(self.path, "ab")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise TrialsError(f"{folder}: another run is writing there") from None
        try:
            self.found = read_store(self.path)
            """What was there before."""
            if self.found.identity is not None:
                _check_same(folder, self.found.identity, identity, mix_suites)
            self.identity = self.found.identity or identity
            self._suite = identity["suite"]
            if self.found.cut:
                self._lock.truncate(self.found.whole)
            self._writer = EvidenceWriter(self.path)
        except BaseException:
            self._lock.close()
            raise
        if self.found.identity is None:
            self._writer.write({"request": identity, "fingerprint": fingerprint(identity)})

    def add(self, result: TrialResult, seconds: float) -> None:
        """Keep a finished trial, at once, or not at all: OSError, with the file's name, where it cannot be written."""
        row = {"trial": result.as_row(), "wall_s": round(seconds, 3)}
        self._writer.write(row if self._suite == self.identity.get("suite") else {**row, "suite": self._suite})

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


def _check_same(folder: Path, there: dict, asked: dict, mix_suites: bool) -> None:
    there, asked = json.loads(json.dumps(there)), json.loads(json.dumps(asked))
    fields = [name for name in {**there, **asked} if name != "suite" and there.get(name) != asked.get(name)]
    if fields:
        words = "; ".join(f"{name}: {there.get(name)!r} there, {asked.get(name)!r} asked for" for name in fields)
        raise TrialsError(f"{folder} holds trials of another request: {words}. Give another --out")
    before, now = there.get("suite", UNKNOWN), asked["suite"]
    if before != now and not mix_suites:
        raise TrialsError(
            f"{folder} holds trials of another version of the suite ({before}), whose results may differ from those of "
            f"this one ({now}). Give another --out, or --mix-suites to go on all the same: "
            "each trial then says which suite ran it"
        )
