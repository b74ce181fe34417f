"""Evidence rows as Parquet: typed columns, lists as list columns, mappings as maps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vla_contract.files import fresh, open_file
from vla_contract.files.limits import ROWS, in_words, scaled
from vla_evidence.rows.rows import EpisodeRow, InferenceRow, RowError

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

_BATCH = 1000
_MOST_ROWS, _MOST_VALUES = 500_000, 20_000_000


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
    with fresh(path) as draft:
        pq.write_table(table, draft)


def read_parquet(path: str | Path) -> list[dict]:
    """Rows as dictionaries, maps as dictionaries. RowError names a file that is no Parquet, or would be too much unpacked."""
    try:
        with open_file(path, ROWS) as handle:
            texts = _check_size(path, pq.ParquetFile(handle))
            file = pq.ParquetFile(handle, read_dictionary=texts)  # a text that stands in many rows is there once
            maps = [f.name for f in file.schema_arrow if pa.types.is_map(f.type)]
            rows, size = [], 0
            for group in range(file.num_row_groups):  # each has texts of its own
                for batch in file.iter_batches(_BATCH, row_groups=[group], use_threads=False):
                    size += batch.nbytes + sum(_repeated(column) for column in batch.columns)
                    if size > scaled(ROWS):
                        raise _too_large(path)
                    rows += batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise RowError(f"{path}: no Parquet file ({error})") from None
    for row in rows:
        for name in maps:
            row[name] = dict(row[name] or ())
    return rows


def _check_size(path: str | Path, file: pq.ParquetFile) -> list[str]:
    """Columns that are texts. A column of a thousand equal values takes a few bytes: what the file says of itself is looked at
    before anything is unpacked."""
    told = file.metadata
    groups = [told.row_group(k) for k in range(told.num_row_groups)]
    columns = [group.column(k) for group in groups for k in range(group.num_columns)]
    values = sum(column.num_values for column in columns)
    size = sum(column.total_uncompressed_size for column in columns)
    if told.num_rows > scaled(_MOST_ROWS) or values > scaled(_MOST_VALUES) or size > scaled(ROWS):
        raise _too_large(path)
    return sorted({column.path_in_schema for column in columns if column.physical_type == "BYTE_ARRAY"})


def _repeated(array: pa.Array) -> int:
    """Bytes that the texts of an array have, one that stands in many rows counted each time."""
    if pa.types.is_dictionary(array.type):
        lengths = pc.binary_length(array.dictionary)
        return pc.sum(lengths.take(array.indices)).as_py() or 0
    if pa.types.is_map(array.type):
        return _repeated(array.keys) + _repeated(array.items)
    if pa.types.is_list(array.type):
        return _repeated(array.values)
    if pa.types.is_struct(array.type):
        return sum(_repeated(array.field(k)) for k in range(array.type.num_fields))
    return 0


def _too_large(path: str | Path) -> RowError:
    return RowError(
        f"{path}: more than {in_words(scaled(ROWS))} of rows when unpacked; VLA_READ_LIMITS=FACTOR raises the limits, for a file "
        "that you trust"
    )
