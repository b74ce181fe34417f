"""Files of others: opened with bounds, written without following links, told without their control characters."""

from vla_contract.files.errors import FileError
from vla_contract.files.opening import open_file, read_bytes, read_text, sha256_of
from vla_contract.files.writing import fresh, open_append, open_new, own_folder, write_bytes, write_text

__all__ = [
    "FileError", "fresh", "open_append", "open_file", "open_new", "own_folder", "read_bytes", "read_text", "sha256_of",
    "write_bytes", "write_text",
]  # fmt: skip
