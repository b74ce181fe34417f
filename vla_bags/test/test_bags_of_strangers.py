"""Bags of strangers: what they would be unpacked is bounded, and nothing that they name is run."""

import os
import sqlite3
import struct
import sys
import zlib

import lz4.frame
import pytest
import zstandard
from bag_samples import START_NS, foreign_bag, plain_mcap

from vla_bags.definitions import Definitions
from vla_bags.mcap_bytes import unpacked
from vla_bags.mcap_file import MAGIC
from vla_bags.reader import Bag, BagError, message_type
from vla_bench.hostile.mcap import END, ZEROS, channel, chunk, message, metadata, record, word, zeros_zstd

FEW = 1 << 16


def raw(path, *parts: bytes) -> None:
    path.write_bytes(MAGIC + record(1, word("ros2") + word("x")) + b"".join(parts) + END)


def read_all(path) -> list:
    with Bag(path) as bag:
        return list(bag.entries())


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_a_chunk_is_unpacked_to_what_it_says_and_no_further(tmp_path, compression):
    bomb = zeros_zstd(ZEROS) if compression == "zstd" else lz4.frame.compress(bytes(1 << 28))
    for plain, words in (
        (FEW, "is damaged: it would have"),
        (ZEROS, "is damaged or too large: it would have 2147483648 bytes"),
    ):
        raw(tmp_path / "a.mcap", chunk(bomb, compression, plain))
        with pytest.raises(BagError, match=words):
            read_all(tmp_path / "a.mcap")
    data = os.urandom(100) * 50
    packed = zstandard.compress(data) if compression == "zstd" else lz4.frame.compress(data)
    assert unpacked(packed, compression, len(data), zlib.crc32(data), "x") == data
    assert unpacked(packed if compression != "zstd" else zstandard.ZstdCompressor(write_content_size=False).compress(data),
                    compression, len(data), 0, "x") == data  # fmt: skip
    with pytest.raises(BagError, match="damaged"):
        unpacked(packed[:-9], compression, len(data), 0, "x")


def test_messages_of_chunks_that_overlap_are_bounded_together(tmp_path):
    plain = message(1, START_NS, b"x" * 8) + message(1, START_NS + 10**9, bytes(70 << 20))
    one = chunk(zstandard.compress(plain), "zstd", len(plain), zlib.crc32(plain), START_NS, START_NS + 10**9)
    raw(tmp_path / "a.mcap", channel(1, "/x", "std_msgs/msg/String"), *[one] * 9)
    with pytest.raises(BagError, match="more than 192 MiB of messages in chunks that overlap in time"):
        read_all(tmp_path / "a.mcap")
    raw(tmp_path / "a.mcap", channel(1, "/x", "std_msgs/msg/String"), one)
    assert [len(entry.data) for entry in read_all(tmp_path / "a.mcap")] == [8, 70 << 20]


def test_records_are_bounded_whatever_the_file_seems_to_hold(tmp_path):
    path = tmp_path / "a.mcap"
    raw(path, metadata({"card": "x" * (70 << 20)}))
    with pytest.raises(BagError, match="definitions and metadata have more than 64 MiB"):
        Bag(path)
    raw(path)
    with open(path, "ab") as file:
        file.truncate(1 << 40)
    with pytest.raises(BagError, match="a.mcap: .* a hole"):
        Bag(path)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_no_bag(tmp_path, make):
    make(tmp_path / "a.mcap")
    make(tmp_path / "a.db3")
    for name in ("a.mcap", "a.db3"):
        with pytest.raises(BagError, match=f"{name}: a (named pipe|device); a file is needed"):
            Bag(tmp_path / name)
    (tmp_path / "bag").mkdir()
    plain_mcap(tmp_path / "bag" / "b.mcap")
    make(tmp_path / "bag" / "metadata.yaml")
    with pytest.raises(BagError, match="metadata.yaml: a (named pipe|device); a file is needed"):
        Bag(tmp_path / "bag")


def test_a_type_is_looked_up_before_anything_is_imported(tmp_path, monkeypatch):
    (tmp_path / "evil_msgs").mkdir()
    (tmp_path / "evil_msgs" / "__init__.py").write_text("raise SystemExit('ran')")
    (tmp_path / "evil_msgs" / "msg.py").write_text("class Evil: pass")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in (
        "evil_msgs/msg/Evil",
        "antigravity/msg/Fly",
        "../evil_msgs/msg/Evil",
        "os.path/msg/join",
        "std_msgs/srv/x",
        "",
        "a\x1b/msg/B",
    ):
        with pytest.raises(BagError, match="which is not installed here"):
            message_type(name)
    assert not {"evil_msgs", "antigravity"} & set(sys.modules)
    assert message_type("std_msgs/msg/String").__name__ == "String"
    assert Definitions().is_installed("std_msgs/msg/String") and not Definitions().is_installed("std_msgs/msg/Nothing")


def test_a_topic_of_the_suite_is_read_as_what_it_is_and_as_nothing_else(tmp_path):
    raw(
        tmp_path / "a.mcap", channel(1, "/left/vla/action_chunk", "std_msgs/msg/String"),
        message(1, START_NS, b"\0\1\0\0" + word(b"x\0")),
    )  # fmt: skip
    with Bag(tmp_path / "a.mcap") as bag:
        with pytest.raises(
            BagError, match="/left/vla/action_chunk is of type std_msgs/msg/String, needed is vla_msgs/msg/ActionChunk"
        ):
            list(bag.messages())
        with pytest.raises(BagError, match="needed is sensor_msgs/msg/Image"):
            bag.find("vla/action_chunk", "sensor_msgs/msg/Image")


def test_metadata_of_strangers_is_bounded_and_damaged_metadata_still_is_no_reason_to_give_up(tmp_path):
    folder = foreign_bag(tmp_path / "bag", "sqlite3")
    path = folder / "metadata.yaml"
    text = path.read_text()
    bomb = "a0: &a0 [x, x]\n" + "\n".join(f"a{k}: &a{k} [*a{k - 1}, *a{k - 1}]" for k in range(1, 40))
    for bad, words in ((bomb, "more than 200000 values"), ("- " * 50 + "x", "nested more than 32 deep")):
        path.write_text(bad)
        with pytest.raises(BagError, match=f"metadata.yaml: line .*{words}"):
            Bag(folder)
    for bad in (text.replace("custom_data:", "when: 2024-13-45\n  custom_data:"), text[:200], "\0"):
        path.write_text(bad)
        assert len(read_all(folder)) == 5
    path.write_text(
        text.replace("compression_mode: ''", "compression_mode: brotli").replace(
            'compression_mode: ""', "compression_mode: brotli"
        )
    )
    if "brotli" in path.read_text():
        with pytest.raises(BagError, match="compression_mode 'brotli', known are none, message and file"):
            Bag(folder)


@pytest.mark.parametrize("mode", ["FILE", "MESSAGE"])
def test_what_other_recorders_have_compressed_is_unpacked_with_a_bound(tmp_path, mode):
    folder = tmp_path / "bag"
    folder.mkdir()
    name = "b.mcap.zstd" if mode == "FILE" else "b.mcap"
    if mode == "FILE":
        (folder / name).write_bytes(zeros_zstd(ZEROS))
    else:
        raw(folder / name, channel(1, "/x", "std_msgs/msg/String"), message(1, START_NS, zeros_zstd(ZEROS)))
    (folder / "metadata.yaml").write_text(
        f"rosbag2_bagfile_information:\n  relative_file_paths: [{name}]\n  compression_format: zstd\n"
        f"  compression_mode: {mode}\n  ros_distro: jazzy\n"
    )
    with pytest.raises(
        BagError, match="it would be more than 256 MiB" if mode == "FILE" else "a message of more than 96 MiB"
    ):
        read_all(folder)
    assert not [path for path in tmp_path.iterdir() if path.name != "bag"]


def test_a_folder_that_holds_only_a_compressed_file_is_read(tmp_path):
    folder = foreign_bag(tmp_path / "bag", "file")
    (folder / "metadata.yaml").unlink()
    assert len(read_all(folder)) == 5


TOPICS = "CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT, serialization_format TEXT)"
TOPIC = "INSERT INTO topics VALUES (1, '/x', 'std_msgs/msg/String', 'cdr')"
MESSAGES = "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER, data BLOB)"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("CREATE VIEW messages AS WITH RECURSIVE c(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM c) "
          "SELECT id, 1 AS topic_id, id AS timestamp, x'00' AS data FROM c",), "'messages' is computed"),
        ((MESSAGES.replace("data BLOB", "data BLOB AS (zeroblob(900000000))"),), "'messages' is computed"),
        (("CREATE VIRTUAL TABLE messages USING fts5(id, topic_id, timestamp, data)",), "'messages' is computed"),
        ((MESSAGES, "INSERT INTO messages VALUES (1, 1, 'soon', x'00')"), "damaged: a message has no time"),
        ((MESSAGES, "INSERT INTO messages VALUES (1, 1, 5, 'text')"), "has no time or no bytes"),
        ((), "no table 'messages'"),
    ],
)  # fmt: skip
def test_a_database_is_a_table_and_no_program(tmp_path, words, told):
    path = tmp_path / "a.db3"
    base = sqlite3.connect(path)
    with base:
        for sql in (TOPICS, TOPIC, *words):
            base.execute(sql)
    base.close()
    with pytest.raises(BagError, match=f"a.db3: .*{told}"):
        read_all(path)


def test_a_message_of_a_database_is_bounded(tmp_path):
    path = tmp_path / "a?mode=rwc&x#.db3"  # a name, and no options
    base = sqlite3.connect(path)
    with base:
        for sql in (TOPICS, TOPIC, MESSAGES, "INSERT INTO messages VALUES (7, 1, 5, x'0001')"):
            base.execute(sql)
    assert [(entry.topic, entry.stamp_ns, entry.data) for entry in read_all(path)] == [("/x", 5, b"\0\1")]
    with base:
        base.execute("INSERT INTO messages VALUES (8, 1, 6, zeroblob(120000000))")
    base.close()
    if sys.version_info >= (3, 11):
        with pytest.raises(BagError, match="damaged"):
            read_all(path)


def test_an_index_counts_no_more_messages_than_its_chunk_can_hold(tmp_path):
    plain = message(1, START_NS, b"\0\1\0\0abcd")
    told = record(7, struct.pack("<HI", 1, 16 * 2_000_000) + bytes(16 * 2_000_000))
    raw(tmp_path / "a.mcap", channel(1, "/x", "std_msgs/msg/String"), chunk(plain, "", len(plain)), told)
    assert [entry.data for entry in read_all(tmp_path / "a.mcap")] == [b"\0\1\0\0abcd"]
