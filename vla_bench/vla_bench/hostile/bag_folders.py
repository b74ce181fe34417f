"""Folders and databases of other recorders that are hostile."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from vla_bags.mcap_file import MAGIC
from vla_bench.hostile.cards import BOMBS, good_text
from vla_bench.hostile.case import KINDS, Build, noise
from vla_bench.hostile.mcap import ZEROS, channel, chunk, folder, message, metadata, zeros_zstd
from vla_bench.hostile.messages import START_NS, good_run

END = "  ros_distro: jazzy\n"
"""Without it a metadata.yaml is cut short, and what stands at the cut is not believed."""


def folders() -> dict[str, Build]:
    run = good_run()
    text = "rosbag2_bagfile_information:\n  version: 9\n  storage_identifier: mcap\n"

    def yaml(what: str) -> Build:
        def build(at: Path) -> None:
            folder(at, run)
            (at / "bag" / "metadata.yaml").write_text(what)

        return build

    def kind(make: Build) -> Build:
        def build(at: Path) -> None:
            folder(at, run)
            (at / "bag" / "metadata.yaml").unlink()
            make(at / "bag" / "metadata.yaml")

        return build

    def packed(mode: str, name: str, data: bytes) -> Build:
        def build(at: Path) -> None:
            (at / "bag").mkdir()
            (at / "bag" / name).write_bytes(data)
            words = f"  relative_file_paths: [{name}]\n  compression_format: zstd\n  compression_mode: {mode}\n{END}"
            (at / "bag" / "metadata.yaml").write_text(text + words)

        return build

    bomb = zeros_zstd(ZEROS)
    one = chunk(b"", "", 0)
    inside = (
        MAGIC
        + metadata({"card": good_text()})
        + channel(1, "/joint_states", "sensor_msgs/msg/JointState")
        + message(1, START_NS, bomb)
        + one
    )
    return {
        **{
            f"metadata.yaml is {what}": kind(make)
            for what, make in KINDS.items()
            if what not in ("nothing", "a link to nothing")
        },
        **{
            f"metadata.yaml: {what}": yaml(
                f"rosbag2_bagfile_information:\n  custom_data:\n    x: &z 1\n{_indented(bomb_text)}"
            )
            for what, bomb_text in BOMBS.items()
        },
        "metadata.yaml: a date that is none": yaml(text + "  custom_data: {when: 2024-13-45}\n"),
        "metadata.yaml: files elsewhere": yaml(text + "  relative_file_paths: [../../victim/bashrc, /etc/passwd]\n" + END),
        "metadata.yaml: a pipe": lambda at: (
            folder(at, run),
            os.mkfifo(at / "bag" / "p.mcap"),
            (at / "bag" / "metadata.yaml").write_text(text + "  relative_file_paths: [p.mcap]\n" + END),
        ),
        "metadata.yaml: a compression in escapes": yaml(text + '  compression_mode: "\\e[31mfile"\n' + END),
        "a file that unpacks to two gigabytes": packed("FILE", "bag_0.mcap.zstd", bomb),
        "a message that unpacks to two gigabytes": packed("MESSAGE", "bag_0.mcap", inside),
    }


def _indented(text: str) -> str:
    return "\n".join("    " + line for line in text.splitlines()) if ":" in text.split("\n")[0] else f"    y: {text}"


def tables() -> dict[str, Build]:
    topics = "CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT, serialization_format TEXT)"
    one = "INSERT INTO topics VALUES (1, '/joint_states', 'sensor_msgs/msg/JointState', 'cdr')"
    plain = "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER, data BLOB)"
    count = "WITH RECURSIVE c(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM c)"
    view = f"CREATE VIEW messages AS {count} SELECT id, 1 AS topic_id, id AS timestamp, zeroblob(1000) AS data FROM c"
    columns = "id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER"
    computed = f"CREATE TABLE messages({columns}, data BLOB AS (zeroblob(900000000)))"

    def build(at: Path, *words: str) -> None:
        with sqlite3.connect(at / "bag.db3") as base:
            for sql in words:
                base.execute(sql)
        base.close()

    return {
        "a view without end": lambda at: build(at, topics, one, view),
        "a column of a gigabyte": lambda at: build(
            at, topics, one, computed, "INSERT INTO messages(id, topic_id, timestamp) VALUES (1, 1, 1)"
        ),
        "a message of 200 MB": lambda at: build(
            at, topics, one, plain, "INSERT INTO messages VALUES (1, 1, 1, zeroblob(200000000))"
        ),
        "texts for times": lambda at: build(
            at, topics, one, plain, "INSERT INTO messages VALUES (1, 1, 'soon', x'00')"
        ),
        "numbers for names": lambda at: build(at, topics, "INSERT INTO topics VALUES (1, 3, 4, 'cdr')", plain),
        "a virtual table": lambda at: build(
            at, topics, one, "CREATE VIRTUAL TABLE messages USING fts5(id, topic_id, timestamp, data)"
        ),
        "no table at all": lambda at: build(at, "CREATE TABLE x(y)"),
        "a database of nonsense": lambda at: (at / "bag.db3").write_bytes(b"SQLite format 3\0" + noise(9000)),
    }
