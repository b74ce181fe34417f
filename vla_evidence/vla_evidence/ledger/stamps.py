"""What the ledger keeps of a chunk, of a report and of a message that it only wants the time of."""

from __future__ import annotations

import struct
from typing import NamedTuple

from vla_contract.chunk import ActionChunk
from vla_contract.report import ChunkReport, Verdict

WALL_EPOCH_NS = 1_000_000_000_000_000_000
"""A node clock before this (September 2001) is no wall clock: simulated time begins at 0."""

_PLAIN_CDR = {b"\x00\x00": ">", b"\x00\x01": "<", b"\x00\x06": ">", b"\x00\x07": "<"}


class LedgerError(ValueError):
    """What a ledger cannot be made of. The message names the bag, topic or message, and what is needed."""


class ChunkStamps(NamedTuple):
    """The times of a chunk, all [ns]; 0: not measured. Names as in ActionChunk."""

    horizon: int
    stamp_ns: int
    image_stamps_ns: tuple[int, ...]
    state_stamp_ns: int
    valid_for_ns: int
    inference_start_ns: int
    inference_end_ns: int
    inference_start_steady_ns: int
    inference_end_steady_ns: int
    image_receipt_steady_ns: int


class ReportStamps(NamedTuple):
    """The times and the verdict of a report, all [ns]; 0: never. ``stamp_ns`` is node time of the controller."""

    verdict: Verdict
    stamp_ns: int
    first_executed_ns: int
    received_steady_ns: int
    published_steady_ns: int


def stamps_of_chunk(chunk: ActionChunk) -> ChunkStamps:
    """The chunk without its actions."""
    return ChunkStamps(*(getattr(chunk, name) for name in ChunkStamps._fields))


def stamps_of_report(report: ChunkReport) -> ReportStamps:
    """The report without its plan."""
    return ReportStamps(*(getattr(report, name) for name in ReportStamps._fields))


def header_stamp_ns(data: bytes) -> int:
    """Stamp of a serialized message whose first field is a std_msgs/Header [ns], read from its first twelve bytes.

    CDR: two bytes of representation (the last tells the byte order), two of options, then int32 sec and uint32 nanosec
    (OMG DDS-XTypes 1.3, section 7.6.3.1.2). LedgerError names a representation that is not plain CDR, or data cut short.
    """
    if len(data) < 12:
        raise LedgerError(f"a message of {len(data)} bytes has no header; 12 are needed")
    order = _PLAIN_CDR.get(bytes(data[:2]))
    if order is None:
        raise LedgerError(
            f"CDR representation 0x{bytes(data[:2]).hex()}, readable are 0x0000, 0x0001, 0x0006 and 0x0007"
        )
    sec, nanosec = struct.unpack_from(f"{order}iI", data, 4)
    return sec * 1_000_000_000 + nanosec
