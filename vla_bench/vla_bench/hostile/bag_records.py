"""Bags whose records are hostile: chunks that unpack to gigabytes, sizes that are none, types that are modules of Python."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import lz4.frame
import zstandard

from vla_bags.mcap_bytes import RECORD
from vla_bench.hostile.case import Build
from vla_bench.hostile.mcap import ZEROS, channel, chunk, message, raw, record, word, zeros_zstd
from vla_bench.hostile.messages import MS, START_NS


def packed() -> dict[str, Build]:
    few = 1 << 16
    return {
        "a zstd chunk that says that it is small": lambda at: raw(at, chunk(zeros_zstd(ZEROS), "zstd", few)),
        "a zstd chunk of two gigabytes": lambda at: raw(at, chunk(zeros_zstd(ZEROS), "zstd", ZEROS)),
        "an lz4 chunk that says that it is small": lambda at: raw(
            at, chunk(lz4.frame.compress(bytes(ZEROS >> 3)), "lz4", few)
        ),
        "an lz4 chunk of two gigabytes": lambda at: raw(at, chunk(lz4.frame.compress(bytes(ZEROS >> 3)), "lz4", ZEROS)),
        "a chunk of 2^63 bytes": lambda at: raw(at, chunk(b"x" * 100, "zstd", 1 << 63)),
        "a chunk of an unknown compression": lambda at: raw(at, chunk(b"x", "\x1b[31mbrotli", 1)),
        "nine chunks that overlap": lambda at: _overlap(at, 9),
        "a hundred chunks of ninety megabytes": lambda at: _overlap(at, 100),
    }


def _overlap(at: Path, count: int) -> None:
    """Each a message of 90 MB of zeros at the end of the same second: nobody may hold them all."""
    body = message(1, START_NS + 1000 * MS, bytes(90 << 20))
    first = message(1, START_NS, b"x" * 8)
    plain = first + body
    packed = zstandard.ZstdCompressor().compress(plain)
    one = chunk(packed, "zstd", len(plain), zlib.crc32(plain), START_NS, START_NS + 1000 * MS)
    raw(at, channel(1, "/joint_states", "sensor_msgs/msg/JointState"), *[one] * count)


def records() -> dict[str, Build]:
    joints = channel(1, "/joint_states", "sensor_msgs/msg/JointState")
    return {
        "a metadata record of a terabyte": lambda at: _sparse_record(at, 12),
        "a schema record of a terabyte": lambda at: _sparse_record(at, 3),
        "a message of a terabyte": lambda at: _sparse_record(at, 5),
        "an index of a terabyte": lambda at: _sparse_record(at, 7, chunk(b"", "", 0)),
        "a channel without a schema": lambda at: raw(
            at,
            record(4, struct.pack("<HH", 1, 9) + word("/joint_states") + word("cdr") + struct.pack("<I", 0)),
            message(1, START_NS, b"x" * 20),
        ),
        "messages of an unknown channel": lambda at: raw(at, message(77, START_NS, b"x" * 20)),
        "sixty thousand topics": lambda at: raw(
            at, *(channel(k, f"/t{k}", "std_msgs/msg/String", schema=1) for k in range(1, 60_000))
        ),
        "times at both ends of what a number holds": lambda at: raw(
            at, joints, message(1, 0, b"\0\1\0\0" + bytes(60)), message(1, 2**64 - 1, b"\0\1\0\0" + bytes(60))
        ),
        "a definition of ten megabytes": lambda at: raw(
            at,
            channel(1, "/joint_states", "sensor_msgs/msg/JointState", "float64 x\n" * 1_000_000),
            message(1, START_NS, b"\0\1\0\0" + bytes(60)),
        ),
        "an encoding that is another": lambda at: raw(
            at,
            record(3, struct.pack("<H", 1) + word("x/msg/X") + word("") + word("")),
            record(4, struct.pack("<HH", 1, 1) + word("/joint_states") + word("\x1b[31mjson") + struct.pack("<I", 0)),
            message(1, START_NS, b"{}"),
        ),
    }


def _sparse_record(at: Path, opcode: int, front: bytes = b"") -> None:
    raw(at, front, end=b"")
    path = at / "bag.mcap"
    with open(path, "ab") as file:
        file.write(RECORD.pack(opcode, 1 << 40))
        if opcode == 7:
            file.write(struct.pack("<HI", 1, 0xFFFFFFF0))
        file.truncate(file.tell() + (1 << 40) + 64)


def types() -> dict[str, Build]:
    """Names of types that are modules of Python, of the folder where the command runs among them."""
    names = {
        "a module of the folder": "evil/msg/Evil",
        "a module of Python": "antigravity/msg/Fly",
        "a path": "../evil/msg/Evil",
        "a service": "std_srvs/srv/Trigger",
        "escapes": "\x1b[31m/msg/\x07",
        "dots": "os.path/msg/join",
        "nothing": "",
    }

    def build(at: Path, name: str) -> None:
        (at / "evil").mkdir()
        (at / "evil" / "__init__.py").write_text("open('pwned', 'w')\n")
        (at / "evil" / "msg.py").write_text("open('pwned', 'w')\nclass Evil: pass\n")
        raw(
            at,
            channel(1, "/front/image_raw", name),
            channel(2, "/joint_states", name, schema=2),
            *(message(n, START_NS + k, b"\0\1\0\0" + bytes(60)) for k, n in enumerate((1, 2))),
        )

    return {f"a type that is {what}": lambda at, name=name: build(at, name) for what, name in names.items()}
