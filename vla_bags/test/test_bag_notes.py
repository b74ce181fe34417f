"""What a bag tells of itself that is not whole, where the data is: it is read, and said."""

import shutil
import zlib

import pytest
import yaml
from bag_samples import START_NS, foreign_bag, plain_mcap
from mcap.writer import CompressionType

from vla_bags.bag_folder import BagFolder
from vla_bags.mcap_file import McapFile
from vla_bags.reader import Bag


def _ours(path, files=1):
    """A bag of our recorder; with more files as `ros2 bag` splits one."""
    folder = BagFolder(path, {"card_name": "ours"})
    folder.add_topic("/text", "std_msgs/msg/String", "", [])
    for k in range(5):
        folder.write("/text", START_NS + k, 0, b"\0\1\0\0\2\0\0\0a\0")
    folder.close()
    content = yaml.safe_load((path / "metadata.yaml").read_text())
    told = content["rosbag2_bagfile_information"]
    for k in range(1, files):
        shutil.copy(path / told["relative_file_paths"][0], path / f"{path.name}_{k}.mcap")
        told["relative_file_paths"].append(f"{path.name}_{k}.mcap")
    told["message_count"] *= files
    (path / "metadata.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def _read(path):
    """Messages, and notes."""
    with Bag(path) as bag:
        return len(list(bag.entries())), bag.notes


def _without_checksums(path, chunks):
    """Takes those of the first chunks out; 0 stands for none."""
    file = McapFile(path)
    file.close()
    data = bytearray(path.read_bytes())
    for part in file.parts[:chunks]:
        at = part.offset - 16 - len(part.compression)
        assert int.from_bytes(data[at : at + 4], "little") == part.crc != 0
        data[at : at + 4] = bytes(4)
    path.write_bytes(data)
    return len(file.parts)


@pytest.mark.parametrize("recorder", ["ours", "sqlite3"])
def test_a_metadata_file_that_is_cut_anywhere_is_told_and_nothing_is_lost(tmp_path, recorder):
    folder = _ours(tmp_path / "bag", files=2) if recorder == "ours" else foreign_bag(tmp_path / "bag", recorder)
    whole, (count, notes) = (folder / "metadata.yaml").read_text(), _read(folder)
    always = ("bag.db3: a database carries no checksums: damage in its messages would not be noticed",)
    always = always if recorder == "sqlite3" else ()
    assert notes == always
    for end in range(0, whole.rstrip().rindex(":"), 5):
        (folder / "metadata.yaml").write_text(whole[:end])
        found, told = _read(folder)
        assert found == count, whole[:end]
        assert told[1:] == always and told[0].startswith("metadata.yaml ") and "cut short" in told[0], whole[end - 40 : end]
        with Bag(folder) as bag:
            assert bag.metadata.get("card_name", "") in ("", "ours", "theirs"), "half a word is no name"
    (folder / "metadata.yaml").unlink()
    found, told = _read(folder)
    assert found == count and told == always, "without one all files of the folder are read"
    with Bag(folder) as bag:
        assert bag.truncated == (recorder != "ours")


def test_what_metadata_contradicts_is_told(tmp_path):
    folder = _ours(tmp_path / "bag")
    shutil.copy(folder / "bag_0.mcap", folder / "other\x1b_1.mcap")
    assert _read(folder) == (5, ("other\\x1b_1.mcap is in the folder and not in metadata.yaml: it is not read",))
    (folder / "other\x1b_1.mcap").unlink()
    text = (folder / "metadata.yaml").read_text()
    (folder / "metadata.yaml").write_text(text.replace("message_count: 5", "message_count: 8", 1))
    assert _read(folder) == (5, ("metadata.yaml says that the bag has 8 messages, and 5 are found",))


@pytest.mark.parametrize("compression", [CompressionType.NONE, CompressionType.ZSTD])
def test_chunks_without_a_checksum_are_counted(tmp_path, compression):
    path = tmp_path / "a.mcap"
    written = plain_mcap(path, compression=compression)
    assert _read(path) == (len(written), ())
    chunks = _without_checksums(path, 2)
    assert chunks > 2
    words = f"a.mcap: 2 of {chunks} chunks carry no checksum: damage in them would not be noticed"
    assert _read(path) == (len(written), (words,))


def test_messages_outside_chunks_have_a_checksum_where_all_data_has_one(tmp_path):
    path = tmp_path / "a.mcap"
    written = plain_mcap(path, chunked=False)
    words = f"a.mcap: {len(written)} messages outside chunks carry no checksum: damage in them would not be noticed"
    assert _read(path) == (len(written), (words,))
    plain_mcap(path, chunked=False, data_crc=True)
    assert _read(path) == (len(written), ())
    plain_mcap(path, data_crc=True)
    _without_checksums(path, 2)
    data = bytearray(path.read_bytes())
    end = data.rindex(b"\x0f" + (4).to_bytes(8, "little"))
    data[end + 9 : end + 13] = zlib.crc32(bytes(data[:end])).to_bytes(4, "little")
    path.write_bytes(data)
    assert _read(path) == (len(written), ())
