"""Records of MCAP files that say of themselves what they are told to, and whole bags to be spoiled."""

from __future__ import annotations

import struct
from pathlib import Path

from vla_bags.bag_folder import BagFolder
from vla_bags.mcap_bytes import MESSAGE, RECORD
from vla_bags.mcap_file import MAGIC
from vla_bench.hostile.cards import good_text
from vla_bench.hostile.messages import START_NS, Said

END = RECORD.pack(15, 4) + bytes(4) + RECORD.pack(2, 20) + bytes(20) + MAGIC
"""Of a file that its recorder ended: what is damaged in it was not cut short."""
ZEROS = 1 << 31
"""Bytes that a bomb would be when unpacked."""


def record(opcode: int, data: bytes, length: int | None = None) -> bytes:
    """One record of MCAP."""
    return RECORD.pack(opcode, len(data) if length is None else length) + data


def word(data: bytes | str) -> bytes:
    """A text with its length before it."""
    data = data.encode() if isinstance(data, str) else data
    return struct.pack("<I", len(data)) + data


def chunk(
    packed: bytes, compression: str, plain: int, crc: int = 0, start: int = START_NS, end: int = START_NS
) -> bytes:
    """A chunk record that says of itself what it is told to."""
    return record(
        6, struct.pack("<QQQI", start, end, plain, crc) + word(compression) + struct.pack("<Q", len(packed)) + packed
    )


def channel(number: int, topic: str, kind: str, definition: str = "", schema: int = 1) -> bytes:
    """A schema and a channel."""
    told = record(3, struct.pack("<H", schema) + word(kind) + word("ros2msg") + word(definition))
    return told + record(4, struct.pack("<HH", number, schema) + word(topic) + word("cdr") + struct.pack("<I", 0))


def message(number: int, stamp_ns: int, data: bytes) -> bytes:
    """A message outside of a chunk."""
    return record(MESSAGE, struct.pack("<HIQQ", number, 0, stamp_ns, stamp_ns) + data)


def metadata(values: dict[str, str], name: str = "vla") -> bytes:
    """A record of metadata."""
    pairs = b"".join(word(key) + word(value) for key, value in values.items())
    return record(12, word(name) + struct.pack("<I", len(pairs)) + pairs)


def raw(at: Path, *parts: bytes, name: str = "bag.mcap", end: bytes = END) -> None:
    """A file of these records, with a card in front."""
    front = metadata({"card": good_text(), "namespace": ""})
    (at / name).write_bytes(b"".join([MAGIC, record(1, word("ros2") + word("x")), front, *parts, end]))


def folder(at: Path, said: list[Said], notes: dict[str, str] | None = None) -> None:
    """A bag that our own recorder would write."""
    from vla_bags.definitions import Definitions

    bag = BagFolder(at / "bag", {"card": good_text(), "namespace": "", **(notes or {})})
    for one in said:
        definition = Definitions().complete(one.type) if one.definition is None else one.definition
        bag.add_topic(one.topic, one.type, definition, [])
        bag.write(one.topic, one.stamp_ns, one.stamp_ns, one.data)
    bag.close()


def zeros_zstd(size: int) -> bytes:
    """A zstd frame of so many zeros (a multiple of 128 KiB), four bytes for each 128 KiB of them."""
    block = (1 << 1 | (128 << 10) << 3).to_bytes(3, "little") + b"\0"
    last = (1 | 1 << 1 | (128 << 10) << 3).to_bytes(3, "little") + b"\0"
    head = b"\x28\xb5\x2f\xfd" + bytes((0b11000000, 0x38)) + struct.pack("<Q", size)
    return head + block * (size // (128 << 10) - 1) + last
