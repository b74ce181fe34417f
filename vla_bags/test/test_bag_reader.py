"""Bags read again: order, selection, files cut short, files of others."""

import random
import shutil
import tracemalloc
from pathlib import Path

import pytest
from bag_samples import MS, START_NS, foreign_bag, plain_mcap, samples, type_of
from mcap.reader import make_reader
from mcap.writer import CompressionType

from vla_bags.bag_folder import BagFolder
from vla_bags.reader import Bag, BagError


def _seen(bag: Bag, **selection) -> list[tuple[str, int, bytes]]:
    return [(entry.topic, entry.stamp_ns, entry.data) for entry in bag.entries(**selection)]


@pytest.mark.parametrize("compression", [CompressionType.NONE, CompressionType.LZ4, CompressionType.ZSTD])
@pytest.mark.parametrize("chunked", [True, False])
def test_everything_comes_back_in_the_order_of_time(tmp_path, chunked, compression):
    written = plain_mcap(tmp_path / "a.mcap", chunked=chunked, compression=compression)
    with Bag(tmp_path / "a.mcap") as bag:
        assert _seen(bag) == written
        assert not bag.truncated and bag.metadata["card_name"] == "late"
        assert (bag.start_ns, bag.end_ns) == (START_NS, written[-1][1])
        assert {name: topic.type for name, topic in bag.topics.items()} == {
            topic: type_of(message) for topic, message in samples().items()
        }
        assert all(topic.count == 20 and topic.definition for topic in bag.topics.values())


def test_topics_and_times_select(tmp_path):
    written = plain_mcap(tmp_path / "a.mcap")
    low, high = START_NS + 100 * MS, START_NS + 200 * MS
    with Bag(tmp_path / "a.mcap") as bag:
        names = ["/vla/action_chunk", "/clock", "/nowhere"]
        few = [item for item in written if item[0] in names]
        assert _seen(bag, topics=names) == few
        inside = [item for item in few if low <= item[1] <= high]
        assert _seen(bag, topics=names, start_ns=low, end_ns=high) == inside and inside
        for topic, stamp, data in few:  # both ends are included
            assert (topic, stamp, data) in _seen(bag, topics=[topic], start_ns=stamp, end_ns=stamp)


def test_messages_are_what_was_sent(tmp_path):
    plain_mcap(tmp_path / "a.mcap", count=1)
    with Bag(tmp_path / "a.mcap") as bag:
        assert {entry.topic: message for entry, message in bag.messages()} == samples()


def test_a_file_cut_anywhere_gives_what_was_whole_and_nothing_else(tmp_path):
    written = plain_mcap(tmp_path / "whole.mcap", count=60, end=False)
    data = (tmp_path / "whole.mcap").read_bytes()
    first = data.index(b"rgb8")  # after the definitions, in the first chunk
    cut = tmp_path / "cut.mcap"
    rng, last = random.Random(4), 0
    for size in sorted(rng.randrange(len(data)) for _ in range(30)):
        cut.write_bytes(data[:size])
        with Bag(cut) as bag:
            seen = _seen(bag)
            assert bag.truncated
            assert sum(topic.count for topic in bag.topics.values()) == len(seen)
        assert set(seen) <= set(written) and len(set(seen)) == len(seen)
        assert len(seen) >= last
        # No more is lost than the chunk under way, of 4 kB and one message, and its index.
        assert len(seen) >= len(written) * (size - first - 7000) / (len(data) - first)
        last = len(seen)
    assert last > len(written) / 2


def test_a_damaged_chunk_in_the_middle_is_named(tmp_path):
    plain_mcap(tmp_path / "a.mcap")
    data = bytearray((tmp_path / "a.mcap").read_bytes())
    data[data.rindex(b"rgb8") + 20] ^= 0xFF
    (tmp_path / "a.mcap").write_bytes(data)
    with Bag(tmp_path / "a.mcap") as bag, pytest.raises(BagError, match="a.mcap: the chunk at byte .* damaged"):
        list(bag.entries())


def _few_among_many(path: Path, **settings) -> bytes:
    """A bag of which a reader may want the smaller half of each chunk alone; returns its bytes."""
    folder = BagFolder(path, **settings)
    for name in ("/image", "/small"):
        folder.add_topic(name, "std_msgs/msg/String", "", [])
    for k in range(60):
        for n in range(4):
            folder.write("/image", START_NS + 10 * k + n, 0, bytes(300))
        folder.write("/small", START_NS + 10 * k + 5, 0, b"small%03d" % k)
        if k % 10 == 9:
            folder.writer.flush()
    folder.close()
    return (path / f"{path.name}_0.mcap").read_bytes()


@pytest.mark.parametrize("topics", [None, ["/small"], ["/image"]])
@pytest.mark.parametrize("spoiled", [b"small035", b"small035" + bytes(60)], ids=["in a message", "beside it"])
def test_the_checksum_of_a_chunk_is_judged_whatever_is_read_of_it(tmp_path, topics, spoiled):
    whole = _few_among_many(tmp_path / "bag")
    at = whole.index(b"small035") + len(spoiled) - 1
    file = tmp_path / "bag" / "bag_0.mcap"
    file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    with Bag(tmp_path / "bag") as bag, pytest.raises(BagError, match="bag_0.mcap: the chunk at byte .* checksum is wrong"):
        list(bag.entries(topics))


@pytest.mark.parametrize("chunked", [True, False])
def test_checksums_of_data_and_summary_are_judged_at_opening(tmp_path, chunked):
    path = tmp_path / "a.mcap"
    plain_mcap(path, chunked=chunked, data_crc=True)
    whole = path.read_bytes()
    with Bag(path) as bag:
        assert len(list(bag.entries())) == 20 * len(bag.topics)
    for at, words in (
        (whole.index(b"rgb8") + 20, "the data up to byte [0-9]+ is damaged: its checksum is wrong"),
        (whole.index(b"early"), "the data up to byte [0-9]+ is damaged"),
        (whole.rindex(b"/clock") + 1, "the summary at byte [0-9]+ is damaged: its checksum is wrong"),
    ):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(BagError, match=f"a.mcap: {words}"):
            Bag(path)


def test_records_that_damage_hides_are_missed(tmp_path):
    path = tmp_path / "a.mcap"
    plain_mcap(path)
    whole = path.read_bytes()
    with open(path, "rb") as file:
        second = make_reader(file).get_summary().chunk_indexes[1]
    index = second.message_index_offsets[min(second.message_index_offsets)]
    for at, byte, words in (
        (second.chunk_start_offset, 200, "damaged: it says that it has 260 messages, and [0-9]+ are found"),
        (index, 200, "damaged: it says that it has 260 messages"),
        (second.chunk_start_offset, 0, "damaged at byte [0-9]+: no whole record, and the file has its end"),
        (second.chunk_start_offset + 7, 1, "damaged at byte [0-9]+: no whole record"),
    ):
        path.write_bytes(whole[:at] + bytes([byte]) + whole[at + 1 :])
        with pytest.raises(BagError, match=f"a.mcap: {words}"):
            Bag(path)


def test_names_are_found_in_any_namespace():
    class Topics(Bag):
        def __init__(self, names, namespace=None):
            self.path, self.topics, self.metadata, self._namespace = Path("b"), dict.fromkeys(names), {}, namespace

    assert Topics(["/vla/action_chunk", "/vla/shadow/action_chunk"]).find("vla/action_chunk") == "/vla/action_chunk"
    assert Topics(["/left/vla/action_chunk"]).find("vla/action_chunk") == "/left/vla/action_chunk"
    assert Topics(["/left/vla/action_chunk"]).find("vla/task_state") is None
    two = ["/left/vla/action_chunk", "/right/vla/action_chunk", "/clock"]
    with pytest.raises(BagError, match="/left/vla/action_chunk, /right/vla/action_chunk"):
        Topics(two).find("vla/action_chunk")
    assert Topics(two, "right").find("vla/action_chunk") == "/right/vla/action_chunk"
    assert Topics(two, "/right").find("/clock") == Topics(two, "right").find("clock") == "/clock"


class Topics(Bag):
    """A bag of names alone."""

    def __init__(self, names, namespace=None, recorded=""):
        self.path, self.topics, self._namespace = Path("b"), dict.fromkeys(names), namespace
        self.metadata = {"namespace": recorded}


def test_what_one_robot_lacks_is_not_taken_from_another():
    root, left = ["/vla/action_chunk", "/front/image_raw", "/joint_states"], ["/left/vla/action_chunk", "/left/wrist/image_raw"]
    assert Topics(root + left, "left").find("front/image_raw") is None
    assert Topics(root + left, recorded="left").find("joint_states") is None
    assert Topics(root + left).find("wrist/image_raw") is None, "the robot without a namespace is meant"
    assert Topics(root + left, "left").find("wrist/image_raw") == "/left/wrist/image_raw"
    assert Topics(["/front/image_raw", *left]).find("front/image_raw") is None
    assert Topics(["/front/image_raw", *left], "left").find("/front/image_raw") == "/front/image_raw"
    two = [*left, "/cell/right/vla/chunk_report"]
    with pytest.raises(BagError, match=r"/left/wrist/image_raw is of one of several robots \(/cell/right, /left\); name one"):
        Topics(two).find("wrist/image_raw")
    assert Topics(two, "cell/right").find("wrist/image_raw") is None


@pytest.mark.parametrize("namespace", ["nowhere", "/nowhere", "lef", "left/vla/action_chunk", "a b"])
def test_a_namespace_that_is_not_in_the_bag_is_named_with_those_that_are(tmp_path, namespace):
    folder = BagFolder(tmp_path / "bag", {"namespace": "left"})
    for name in ("/vla/chunk_report", "/left/vla/action_chunk", "/cell/right/joint_states", "/tf_static"):
        folder.add_topic(name, "std_msgs/msg/String", "", [])
    folder.close()
    words = f"bag: no namespace /{namespace.strip('/')} in this bag; it has /, /cell/right, /left$"
    with pytest.raises(BagError, match=words):
        Bag(tmp_path / "bag", namespace)
    for there in (None, "", "/", "left", "/left", "cell", "cell/right"):
        Bag(tmp_path / "bag", there).close()


def test_memory_does_not_grow_with_the_bag(tmp_path):
    folder = BagFolder(tmp_path / "bag")
    folder.add_topic("/image", "sensor_msgs/msg/Image", "", [])
    folder.add_topic("/small", "std_msgs/msg/String", "", [])
    for k in range(400):
        folder.write("/image", START_NS + k, 0, bytes(100_000))
        folder.write("/small", START_NS + k, 0, b"1234")
        if folder.writer.pending_bytes > 500_000:
            folder.writer.flush()
    folder.close()
    tracemalloc.start()
    try:
        with Bag(tmp_path / "bag") as bag:
            assert sum(len(entry.data) for entry in bag.entries()) == 400 * 100_004
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            assert sum(1 for _ in bag.entries(["/small"])) == 400
            _, peak_of_small = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4_000_000 and peak_of_small < 500_000


def test_what_is_no_bag_is_named(tmp_path):
    with pytest.raises(BagError, match="nowhere: no such bag"):
        Bag(tmp_path / "nowhere")
    with pytest.raises(BagError, match="no .mcap and no .db3"):
        Bag(tmp_path)
    (tmp_path / "text.mcap").write_text("not a bag, but long enough")
    with pytest.raises(BagError, match="text.mcap: not an MCAP file"):
        Bag(tmp_path / "text.mcap")
    plain_mcap(tmp_path / "a.mcap", count=1)
    with Bag(tmp_path / "a.mcap") as bag, pytest.raises(BagError, match="no card in this bag"):
        bag.card()
    (tmp_path / "empty.mcap").write_bytes(b"")
    with Bag(tmp_path / "empty.mcap") as bag:
        assert bag.truncated and not bag.topics and list(bag.entries()) == []


def _damaged_in_turn(path: Path, whole: bytes, count: int, seed: int):
    """Writes the file with one byte changed, so many times; yields where."""
    rng = random.Random(seed)
    for _ in range(count):
        data, at = bytearray(whole), rng.randrange(len(whole))
        data[at] ^= rng.randrange(1, 256)
        path.write_bytes(data)
        yield at


@pytest.mark.parametrize("compression", [CompressionType.NONE, CompressionType.LZ4, CompressionType.ZSTD])
@pytest.mark.parametrize(("chunked", "end"), [(True, True), (True, False), (False, True)])
def test_any_damaged_byte_leaves_a_bag_that_can_be_read_or_is_named(tmp_path, compression, chunked, end):
    path = tmp_path / "a.mcap"
    written = plain_mcap(path, count=3, chunked=chunked, compression=compression, end=end)
    known = {(stamp, data) for _, stamp, data in written}
    outcomes = {"read": 0, "refused": 0}
    for at in _damaged_in_turn(path, path.read_bytes(), 150, seed=5):
        try:
            with Bag(path) as bag:
                seen = _seen(bag)
                one = _seen(bag, topics=["/clock"])
        except BagError as error:
            outcomes["refused"] += 1
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error), at
            continue
        outcomes["read"] += 1
        if chunked:  # a chunk has a checksum, messages outside one have none
            assert {(stamp, data) for _, stamp, data in seen} <= known, at
            assert [stamp for _, stamp, _ in seen] == sorted(stamp for _, stamp, _ in seen), at
            assert {(stamp, data) for _, stamp, data in one} <= known, at
        if chunked and end:  # nothing is missing either
            assert (seen, one) == (written, [item for item in written if item[0] == "/clock"]), at
    assert (outcomes["read"] or (chunked and end)) and (outcomes["refused"] > 5 or not chunked), outcomes


@pytest.mark.parametrize("kind", ["sqlite3", "message", "file"])
def test_any_damaged_byte_of_anothers_bag_is_told_too(tmp_path, kind):
    folder = foreign_bag(tmp_path / "bag", kind)
    file = next(f for f in folder.iterdir() if f.name != "metadata.yaml")
    for name, count in ((file, 80), (folder / "metadata.yaml", 40)):
        whole = name.read_bytes()
        for at in _damaged_in_turn(name, whole, count, seed=6):
            try:
                with Bag(folder) as bag:
                    for entry in bag.entries():
                        assert isinstance(entry.data, bytes) and entry.topic in bag.topics, at
            except BagError as error:
                assert str(error).startswith(str(folder)), at
        name.write_bytes(whole)
    with Bag(folder) as bag:
        assert len(list(bag.entries())) == 5


def test_a_foreign_bag_of_nonsense_is_named(tmp_path):
    (tmp_path / "a.db3").write_bytes(b"SQLite format 3\0" + bytes(200))
    with pytest.raises(BagError, match="a.db3: "):
        Bag(tmp_path / "a.db3")
    folder = foreign_bag(tmp_path / "bag", "file")
    file = next(f for f in folder.iterdir() if f.name != "metadata.yaml")
    whole = file.read_bytes()
    file.write_bytes(whole[:40])
    with Bag(folder) as bag:  # cut short, as one that is not compressed
        assert bag.truncated and not list(bag.entries())
    file.write_bytes(whole[:20] + bytes(len(whole) - 20))
    with pytest.raises(BagError, match=f"{file.name}: damaged"):
        Bag(folder)


def test_what_damaged_lengths_say_is_not_believed(tmp_path):
    path = tmp_path / "a.mcap"
    plain_mcap(path)
    whole = path.read_bytes()
    with open(path, "rb") as file:
        head = make_reader(file).get_summary().chunk_indexes[0].chunk_start_offset + 9
    of_size, of_name, of_start = head + 23, head + 31, head + 7
    for at, words in ((of_size, "would have"), (of_name, "name of a chunk's compression"), (of_start, "time is outside")):
        path.write_bytes(whole[:at] + b"\x7f" + whole[at + 1 :])
        with pytest.raises(BagError, match=f"a.mcap: .*{words}"):
            with Bag(path) as bag:
                list(bag.entries())


def test_metadata_of_another_form_is_told(tmp_path):
    folder = foreign_bag(tmp_path / "bag", "sqlite3")
    text = (folder / "metadata.yaml").read_text()
    for old, new, words in (
        ("relative_file_paths:", "relative_file_paths: 3\n  other:", "relative_file_paths is not a list"),
        ("custom_data:", "custom_data: [1]\n  other:", "custom_data is not a mapping"),
    ):
        assert old in text
        (folder / "metadata.yaml").write_text(text.replace(old, new))
        with pytest.raises(BagError, match=f"metadata.yaml: {words}"):
            Bag(folder)
    shutil.rmtree(folder)
