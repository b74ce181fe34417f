"""How large a file of each kind may be; VLA_READ_LIMITS in the environment multiplies all of it."""

from __future__ import annotations

import math
import os

from vla_contract.files.errors import FileError

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

CARD = 256 * KIB
"""A card, of a file or of a bag [bytes]; shipped ones have 3 to 5 KiB."""
METADATA = 4 * MIB
"""metadata.yaml of a bag, and each record of an MCAP file that is no message [bytes]."""
FIGURES = 64 * MIB
"""A JSON file of figures [bytes]; `eval.json` has about 1 KiB a trial."""
ROW = MIB
"""A line of a .jsonl file [bytes]; a row has about 1 KiB."""
ROWS = 128 * MIB
"""A .jsonl or .parquet file of rows, the latter unpacked [bytes]."""
DEMONSTRATION = GIB
"""An episode [bytes]."""
CHUNK = 96 * MIB
"""A chunk of an MCAP file, unpacked, and each message [bytes]; recorders write 1 to 4 MiB, or one large message."""
WAITING = 192 * MIB
"""Messages of chunks that overlap in time, together [bytes]."""
IMAGE = 64 * MIB
"""An image file [bytes]."""
DESCRIPTION = 16 * MIB
"""A robot description, without its meshes [bytes]."""
CHECKPOINT = 16 * GIB
"""A checkpoint, which is mapped and not read at once [bytes]."""
MOST_PIXELS = 36_000_000
"""An image, unpacked [pixels]: more than any camera's 8K."""


def factor() -> float:
    """Of VLA_READ_LIMITS, 1 by default. FileError where that is no number above 0."""
    given = os.environ.get("VLA_READ_LIMITS", "").strip()
    try:
        value = float(given or 1)
    except ValueError:
        value = math.nan
    if not 0.0 < value < math.inf:
        raise FileError(f"VLA_READ_LIMITS is {given!r}, allowed is a number above 0")
    return value


def scaled(limit: int) -> int:
    """A limit times ``factor``."""
    return int(limit * factor())


def in_words(size: int) -> str:
    """A size as people say it."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size} bytes"
