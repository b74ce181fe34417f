"""Evidence as JSON Lines: one row for each observation, chunk and report, whole lines only."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from vla_contract.chunk import ActionChunk
from vla_contract.files import open_append, open_file
from vla_contract.files.json_text import JsonError, parse_json
from vla_contract.files.limits import ROW, ROWS, in_words, scaled
from vla_contract.json_ready import json_ready
from vla_contract.observation import VLAObservation
from vla_contract.printing import kind_of
from vla_contract.report import ChunkReport

_ROW = '{"name": value, ...}'


class EvidenceError(ValueError):
    """Evidence that cannot be read. The message names the file and the line."""


def observation_row(observation: VLAObservation, run_id: str, sequence: int) -> dict:
    """What the policy saw for chunk ``sequence`` of a run; pixels as digests."""
    return {"run_id": run_id, "sequence": int(sequence), **observation.as_row()}


def chunk_row(chunk: ActionChunk) -> dict:
    """What the policy decided, in full."""
    row = {"kind": "chunk", **_fields(chunk)}
    row["action_space"] = chunk.action_space.name
    row["horizon"] = chunk.horizon
    return row


def report_row(report: ChunkReport) -> dict:
    """What became of it, in full; enumerations by name."""
    row = {"kind": "report", **_fields(report)}
    for key in ("phase", "verdict", "action_space"):
        row[key] = getattr(report, key).name
    row["clamps"] = [json_ready(clamp._asdict()) for clamp in report.clamps]
    return row


def _fields(record: Any) -> dict:
    return {name: json_ready(getattr(record, name)) for name in record.__dataclass_fields__}


class EvidenceWriter:
    """Appends rows to a file. Each row is one write of one whole line, so that a crash or a second thread splits none.

    Use as a context manager, or call ``close``.

    Raises FileError for a link or what is no file, OSError, with the file's name, where it cannot be opened.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._file = open_append(self.path)
        self._mend_last_line()

    def _mend_last_line(self) -> None:
        size = self._file.tell() or os.fstat(self._file.fileno()).st_size
        if size:
            with open_file(self.path) as file:
                file.seek(size - 1)
                if file.read(1) != b"\n":
                    self._append(b"\n")

    def write(self, row: dict) -> None:
        """Appends one row, whole or not at all.

        Raises:
            TypeError: It holds what JSON cannot. OSError: It cannot be written, as on a full disk; names the file.
        """
        line = line_of(row)
        with self._lock:
            self._append(line)

    def _append(self, data: bytes) -> None:
        done = 0
        try:
            while done < len(data):  # a disk that fills up takes a part, and says so only at the next write
                count = self._file.write(data[done:])
                if not count:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                done += count
        except OSError as error:
            self._take_back(done)
            raise OSError(error.errno, error.strerror, str(self.path)) from None

    def _take_back(self, size: int) -> None:
        """Cut off what was written last, unless another process has written behind it."""
        with suppress(OSError):  # the first error is the one to tell
            end = self._file.tell()
            if size and os.fstat(self._file.fileno()).st_size == end:
                self._file.truncate(end - size)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> EvidenceWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def line_of(row: dict) -> bytes:
    """A row as the whole line that it is in a file. TypeError where it holds what JSON cannot."""
    return (json.dumps(json_ready(row), allow_nan=False, separators=(",", ":")) + "\n").encode()


def lines_of(file: BinaryIO, path: str | Path) -> Iterator[tuple[int, bytes]]:
    """Number and content of each line. EvidenceError for one that is longer than any row."""
    longest, number = scaled(ROW), 0
    while line := file.readline(longest + 1):
        number += 1
        if len(line) > longest:
            raise EvidenceError(f"{path}: line {number}: longer than {in_words(longest)}, a row has about 1 KiB")
        yield number, line


def read_rows(path: str | Path) -> Iterator[dict]:
    """Rows of a file in order. EvidenceError names the file and the line that is broken, FileError a file that is too large."""
    with open_file(path, ROWS) as file:
        for number, line in lines_of(file, path):
            try:
                row = parse_json(line)
            except JsonError as error:
                raise EvidenceError(f"{path}: line {number}: {error}") from None
            if not isinstance(row, dict):
                raise EvidenceError(f"{path}: line {number}: the line holds {kind_of(row)}, it must hold a row: {_ROW}")
            yield row
