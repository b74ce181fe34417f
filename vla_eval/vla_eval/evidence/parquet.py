"""Evidence rows as Parquet: typed columns, lists as list columns, mappings as maps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from vla_eval.evidence.rows import EpisodeRow, InferenceRow, RowError

_CLAMP = pa.struct([("step", pa.int64()), ("limit", pa.string()), ("amount", pa.float64())])
_TYPES = {
    "str": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "tuple[int, ...]": pa.list_(pa.int64()),
    "tuple[float, ...]": pa.list_(pa.float64()),
    "tuple[str, ...]": pa.list_(pa.string()),
    "dict[str, int]": pa.map_(pa.string(), pa.int64()),
    "tuple[dict[str, Any], ...]": pa.list_(_CLAMP),
}


def schema_of(kind: type) -> pa.Schema:
    """Columns of `EpisodeRow` or `InferenceRow`, in the order of its fields; those that may be None are nullable."""
    return pa.schema(
        [pa.field(f.name, _TYPES[f.type.removesuffix(" | None")], f.type.endswith("None")) for f in fields(kind)]
    )


def write_parquet(path: str | Path, kind: type, rows: Iterable[EpisodeRow | InferenceRow]) -> None:
    """A new file, also of no rows; one that is there is replaced at the end, whole.

    Raises:
        RowError: A value does not fit its column.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    schema = schema_of(kind)
    try:
        table = pa.Table.from_pylist([{f.name: getattr(row, f.name) for f in fields(kind)} for row in rows], schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise RowError(f"{path}: {error}") from None
    fresh = path.with_name(f".{path.name}.new")
    pq.write_table(table, fresh)
    fresh.replace(path)


def read_parquet(path: str | Path) -> list[dict]:
    """Rows as dictionaries, maps as dictionaries. RowError names a file that is no Parquet."""
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise RowError(f"{path}: no Parquet file ({error})") from None
    maps = [f.name for f in table.schema if pa.types.is_map(f.type)]
    rows = table.to_pylist()
    for row in rows:
        for name in maps:
            row[name] = dict(row[name] or ())
    return rows
