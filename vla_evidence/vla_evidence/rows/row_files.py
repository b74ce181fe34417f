"""Files of rows: JSON Lines and Parquet."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vla_contract.evidence import EvidenceWriter, read_rows
from vla_contract.files import fresh
from vla_evidence.rows.parquet import read_parquet
from vla_evidence.rows.rows import EpisodeRow, InferenceRow, RowError, episode_from, inference_from


def read_episodes(path: str | Path) -> list[EpisodeRow]:
    """Rows of a .jsonl or .parquet file. RowError or EvidenceError names file, line (or row) and field."""
    return _read(path, episode_from)


def read_inferences(path: str | Path) -> list[InferenceRow]:
    """Rows of a .jsonl or .parquet file. RowError or EvidenceError names file, line (or row) and field."""
    return _read(path, inference_from)


def write_rows(path: str | Path, rows: Iterable[EpisodeRow | InferenceRow]) -> None:
    """A new .jsonl file; one that is there is replaced at the end, whole."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with fresh(path) as draft, EvidenceWriter(draft) as writer:
        for row in rows:
            writer.write(row.as_row())


def _read(path: str | Path, build) -> list:
    path = Path(path)
    place = "line"
    if path.suffix == ".parquet":
        raw, place = read_parquet(path), "row"
    else:
        raw = read_rows(path)
    out = []
    for number, row in enumerate(raw, 1):
        try:
            out.append(build(row))
        except RowError as error:
            raise RowError(f"{path}: {place} {number}: {error}") from None
    return out
