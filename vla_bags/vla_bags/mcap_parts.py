"""What one MCAP file is made of, as it was met at opening."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Channel:
    """A topic as one file numbers it."""

    topic: str
    type: str
    encoding: str
    definition: str


@dataclass
class Part:
    """A stretch of records: a chunk, or messages outside chunks. Offsets and sizes in bytes, times in ns."""

    start_ns: int
    end_ns: int
    offset: int
    size: int
    compression: str = ""
    plain_size: int = 0
    crc: int = 0
    index: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Of each channel: where its list of messages is in the file (0: nowhere), and how many they are."""
    index_is_wrong: bool = False
    """It contradicts itself, and is made anew from the messages."""
    is_loose: bool = False
    """Messages outside chunks, which have no checksum of their own."""
    is_checked: bool = False
    """Its bytes have been compared with `crc`."""
