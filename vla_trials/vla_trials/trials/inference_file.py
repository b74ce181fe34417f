"""The inferences of a run folder: kept trial by trial, and at the end in the order of the episodes, also as Parquet."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from vla_contract.evidence import EvidenceWriter, line_of, lines_of
from vla_contract.files import fresh, open_file
from vla_contract.files.json_text import parse_json
from vla_evidence.rows.parquet import schema_of
from vla_evidence.rows.rows import InferenceRow, RowError, inference_from
from vla_trials.trials.errors import named_errors
from vla_trials.trials.request import EXPERT, run_id
from vla_trials.trials.result import TrialResult

NAME = "inferences.jsonl"
PARQUET = "inferences.parquet"
BATCH = 2000
"""Rows that are in memory at a time: some megabytes."""


class _Line(NamedTuple):
    """Where a row is: what orders it, its bytes of the file, and whether it says another episode there."""

    episode: int
    sequence: int
    offset: int
    size: int
    is_renumbered: bool


class InferenceFile:
    """Rows of the trials of one request. Whoever opens it has the folder to himself, see `TrialStore`.

    The rows of a trial are written before the trial counts as finished. So a killed run leaves whole trials, and at most rows of
    trials that were not finished; those are dropped here, and come again with their trial.

    Args:
        identity: Of the request.
        of_request: Fingerprint of the request that the folder was begun with.
        trials: All of the request, task and seed.
        finished: Those that are finished.

    Raises:
        OSError: It cannot be read or written; names the file.
    """

    def __init__(
        self, folder: Path, identity: dict, trials: Sequence[tuple[str, int]], finished: Collection[tuple[str, int]],
        of_request: str,
    ) -> None:  # fmt: skip
        self.path = folder / NAME
        self._parquet = folder / PARQUET
        self._episodes = {key: (run_id(of_request, *key), number) for number, key in enumerate(sorted(trials), 1)}
        checkpoint = identity["checkpoint_hash"]
        self._hashes = {"card_hash": identity["card_hash"], "checkpoint_hash": "" if checkpoint == EXPERT else checkpoint}
        self._writer: EvidenceWriter | None = None
        self._is_changed = False
        if self.path.exists():
            lines = self._lines(dict(self._episodes[key] for key in finished if key in self._episodes))
            if sum(line.size for line in lines) != self.path.stat().st_size or any(line.is_renumbered for line in lines):
                self._rewrite(lines)
                self._is_changed = True

    def add(self, result: TrialResult, rows: Sequence[InferenceRow]) -> None:
        """Rows of a trial, before it is kept itself. OSError, with the file's name, where they cannot be written."""
        self._writer = self._writer or EvidenceWriter(self.path)
        self._is_changed = True
        run, episode = self._episodes[result.key]
        for row in rows:
            self._writer.write(replace(row, run_id=run, episode=episode, **self._hashes).as_row())

    def finish(self, results: Sequence[TrialResult]) -> int:
        """Orders the rows, and writes them as Parquet too; not in vain. Without any row there are no files.

        Returns:
            Trials of which rows are absent: those that were run without, or before there were any.
        """
        self.close()
        if not self.path.exists():
            return sum(result.chunks > 0 for result in results)
        lines = self._lines(dict(self._episodes.values()))
        counts: dict[int, int] = {}
        for line in lines:
            counts[line.episode] = counts.get(line.episode, 0) + 1
        if self._is_changed or not self._parquet.exists() or lines != sorted(lines):
            self._write_parquet(sorted(lines))
            self._rewrite(sorted(lines))
        return sum(result.chunks > counts.get(self._episodes[result.key][1], 0) for result in results)

    def close(self) -> None:
        if self._writer:
            self._writer.close()
            self._writer = None

    def __enter__(self) -> InferenceFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _lines(self, runs: Mapping[str, int]) -> list[_Line]:
        """Whole rows of these runs, with the number that their episode has now, in the order of the file; no duplicates."""
        found, seen, offset = [], set(), 0
        with open_file(self.path) as file:
            for _, data in lines_of(file, self.path):
                line = _line(data, offset, runs)
                if line is not None and line[:2] not in seen:
                    seen.add(line[:2])
                    found.append(line)
                offset += len(data)
        return found

    def _rewrite(self, lines: Sequence[_Line]) -> None:
        with open_file(self.path) as file, named_errors(self.path), fresh(self.path) as draft, open(draft, "wb") as out:
            for line, data in zip(lines, _read(file, lines)):
                out.write(line_of({**parse_json(data), "episode": line.episode}) if line.is_renumbered else data)

    def _write_parquet(self, lines: Sequence[_Line]) -> None:
        schema, names = schema_of(InferenceRow), [field.name for field in fields(InferenceRow)]
        with (
            open_file(self.path) as file, named_errors(self._parquet), fresh(self._parquet) as draft,
            pq.ParquetWriter(draft, schema) as writer,
        ):  # fmt: skip
            for first in range(0, len(lines), BATCH):
                rows = [self._row(data) for data in _read(file, lines[first : first + BATCH])]
                writer.write_table(pa.Table.from_pylist([{n: getattr(row, n) for n in names} for row in rows], schema))

    def _row(self, data: bytes) -> InferenceRow:
        try:
            return inference_from(parse_json(data))
        except RowError as error:
            raise RowError(f"{self.path}: {error}") from None


def _line(data: bytes, offset: int, runs: Mapping[str, int]) -> _Line | None:
    if not data.endswith(b"\n"):
        return None
    try:
        row = parse_json(data)
        episode = runs.get(row["run_id"])
        if episode is None:
            return None
        return _Line(episode, int(row["sequence"]), offset, len(data), row["episode"] != episode)
    except (ValueError, KeyError, TypeError):
        return None


def _read(file: BinaryIO, lines: Sequence[_Line]) -> Iterator[bytes]:
    for line in lines:
        file.seek(line.offset)
        yield file.read(line.size)
