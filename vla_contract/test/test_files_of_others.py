"""Files that others made are opened with bounds, written without following links, and told without being obeyed."""

import io
import json
import os
import socket
import stat
import struct
import zipfile
import zlib

import numpy as np
import pytest

from vla_contract.card import CardError, load_card, parse_card
from vla_contract.demonstration import DatasetInfo, Demonstration, DemonstrationError
from vla_contract.evidence import EvidenceError, EvidenceWriter, read_rows
from vla_contract.files import (
    FileError,
    fresh,
    open_append,
    open_file,
    own_folder,
    read_bytes,
    read_text,
    write_bytes,
    write_text,
)
from vla_contract.files.arrays import open_npz
from vla_contract.files.images import PixelsError, image_size
from vla_contract.files.json_text import JsonError, parse_json
from vla_contract.files.limits import MIB
from vla_contract.files.yaml_text import YamlError, check_yaml, parse_yaml
from vla_contract.printing import printable, tell
from vla_contract.shipped import find_card


def test_only_regular_files_are_opened_and_none_hangs(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    here = os.getcwd()
    os.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("sock")
    os.chdir(here)
    for name, words in (("pipe", "a named pipe"), ("zero", "a device"), ("folder", "a folder"), ("sock", "a socket")):
        with pytest.raises(FileError, match=f"{name}: {words}; a file is needed"):
            open_file(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        open_file(tmp_path / "nothing")


def test_sizes_are_bounded_by_what_the_file_says_and_by_what_comes(tmp_path, monkeypatch):
    path = tmp_path / "large"
    path.write_bytes(b"x" * (MIB + 1))
    with pytest.raises(FileError, match="large: 1 MiB, at most 1 MiB are read; VLA_READ_LIMITS=FACTOR"):
        read_bytes(path, MIB)
    monkeypatch.setenv("VLA_READ_LIMITS", "2")
    assert len(read_bytes(path, MIB)) == MIB + 1
    monkeypatch.setenv("VLA_READ_LIMITS", "-3")
    with pytest.raises(FileError, match="VLA_READ_LIMITS is '-3', allowed is a number above 0"):
        read_bytes(path, MIB)
    monkeypatch.delenv("VLA_READ_LIMITS")
    with open(tmp_path / "hole", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(FileError, match="hole: 1.02e\\+03 GiB, of which 0 bytes are on the disk: a hole"):
        open_file(tmp_path / "hole")
    with pytest.raises(FileError, match="/proc/self/maps"):
        read_bytes("/proc/self/maps", 64)  # says that it has no bytes


def test_byte_order_marks_are_told_by_name(tmp_path):
    path = tmp_path / "card.yaml"
    text = find_card("panda_tabletop").read_text()
    for encoding, words in (("utf-16", "UTF-16"), ("utf-32", "UTF-32")):
        path.write_bytes(text.encode(encoding))
        with pytest.raises(CardError, match=f"begins with the byte-order mark of {words}; save it as UTF-8"):
            load_card(path)
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert load_card(path).card_hash == load_card(find_card("panda_tabletop")).card_hash
    path.write_bytes(b"abc\xe4")
    with pytest.raises(FileError, match="not UTF-8 text \\(byte 3 is 0xe4\\)"):
        read_text(path, MIB)


# Writing


def test_a_link_is_replaced_and_what_it_leads_to_is_left_alone(tmp_path):
    own = tmp_path / "bashrc"
    own.write_text("mine")
    link = tmp_path / "run.json"
    link.symlink_to(own)
    write_text(link, "new")
    assert own.read_text() == "mine" and link.read_text() == "new" and not link.is_symlink()
    assert stat.S_IMODE(link.stat().st_mode) == 0o666 & ~_umask()
    link.unlink()
    link.symlink_to(tmp_path / "nowhere")
    write_bytes(link, b"more")
    assert link.read_bytes() == b"more" and not (tmp_path / "nowhere").exists()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_drafts_have_names_that_nobody_can_foresee_and_go_where_writing_fails(tmp_path):
    names = set()
    for _ in range(2):
        with fresh(tmp_path / "page.html") as draft:
            names.add(draft.name)
            assert draft.parent == tmp_path and draft.suffix == ".html" and draft.stat().st_size == 0
            draft.write_text("page")
    assert len(names) == 2 and [path.name for path in tmp_path.iterdir()] == ["page.html"]
    with pytest.raises(RuntimeError), fresh(tmp_path / "page.html") as draft:
        draft.write_text("half")
        raise RuntimeError
    assert (tmp_path / "page.html").read_text() == "page" and len(list(tmp_path.iterdir())) == 1


def test_what_is_no_file_is_not_written_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileError, match="pipe: a named pipe; a file is needed"):
        write_text(tmp_path / "pipe", "x")
    with pytest.raises(IsADirectoryError):
        write_text(tmp_path, "x")
    with pytest.raises(OSError, match="No space left.*/dev/full"):
        write_text("/dev/full", "x" * 10)
    write_text("/dev/null", "x")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_nothing_is_added_through_a_link(tmp_path):
    own, link, hard, pipe = (tmp_path / name for name in ("own", "link", "hard", "pipe"))
    own.write_text("mine\n")
    link.symlink_to(own)
    os.link(own, hard)
    os.mkfifo(pipe)
    for path, words in (
        (link, "a symbolic link; nothing is written through it"),
        (hard, "has 2 names"),
        (pipe, "a named pipe"),
    ):
        with pytest.raises(FileError, match=f"{path.name}: {words}"):
            open_append(path)
        with pytest.raises(FileError, match=words):
            EvidenceWriter(path)
    assert own.read_text() == "mine\n"
    hard.unlink()
    with EvidenceWriter(own) as writer:
        writer.write({"a": 1})
    assert own.read_text() == 'mine\n{"a":1}\n'


def test_a_folder_of_ours_is_no_link(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "frames").symlink_to(tmp_path)
    with pytest.raises(FileError, match="frames: a symbolic link"):
        own_folder(tmp_path / "run", "frames")
    assert own_folder(tmp_path / "run", "against").is_dir()


# JSON and YAML


def test_json_is_no_deeper_than_what_walks_through_it():
    assert parse_json("[" * 64 + "]" * 64) is not None
    for text in ("[" * 65 + "]" * 65, "[" * 100_000 + "]" * 100_000, '{"a":' * 70 + "1" + "}" * 70):
        with pytest.raises(JsonError, match="nested more than 64 deep"):
            parse_json(text)
    assert parse_json(json.dumps([[1]] * 1000)) == [[1]] * 1000
    for text in ("{", "9" * 5000, b"\xff"):
        with pytest.raises(JsonError, match="not JSON"):
            parse_json(text)


def test_yaml_is_counted_before_it_is_made():
    bomb = "a0: &a0 [x, x]\n" + "\n".join(f"a{k}: &a{k} [*a{k - 1}, *a{k - 1}]" for k in range(1, 40))
    merges = "a0: &a0 {x: 1}\n" + "\n".join(f"a{k}: &a{k} {{<<: [*a{k - 1}, *a{k - 1}]}}" for k in range(1, 40))
    for text, words in (
        (bomb, "line 1[67]: more than 200000 values, those of aliases counted"),
        (merges, "more than 200000 values"),
        ("a: &a [*a]", r"line 1: \*a contains itself"),
        ("- " * 40 + "x", "line 1: nested more than 32 deep"),
        ("[" * 90_000, "not YAML|nested"),
        ("a: 2024-13-45", "a value cannot be read .ValueError: month"),
        ("a: !!bool perhaps", "a value cannot be read"),
        ("a: !!python/object/apply:os.getcwd []", "not YAML"),
    ):
        with pytest.raises(YamlError, match=words):
            parse_yaml(text)
    check_yaml("base: &b {x: 1}\nmore: {<<: *b, y: [*b, *b]}")
    assert parse_yaml("a: &a 1\nb: [*a, *a]") == {"a": 1, "b": [1, 1]}


def card_with(old: str, new: str) -> str:
    text = find_card("panda_tabletop").read_text()
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("joints: [016]", "line 1: 016 is octal for YAML, 14; write 16 for the number, or '016' in quotes for text"),
        ("home: [-0_17]", "-0_17 is octal for YAML, -15; write 17"),
        ("max_open_loop: 1:30", "1:30 is a number to the base of 60 for YAML"),
        ("max_open_loop: 1:30.5", "1:30.5 is a number to the base of 60"),
        ("horizon: 0x" + "f" * 90_000, "line 1: a number of 90002 digits"),
    ],
)
def test_numbers_that_are_not_what_they_look_like_are_told(text, words):
    with pytest.raises(CardError) as caught:
        parse_card(text, "c.yaml")
    assert f"c.yaml: {'line 1: ' if 'line' not in words else ''}{words}" in str(caught.value)


def test_numbers_that_are_what_they_look_like_and_dates_are_read():
    card = parse_card(card_with("description:", "description: 2024-02-30 #"))
    assert card.description == "2024-02-30"
    assert parse_card(card_with("horizon: 16", "horizon: 0x10")).action.horizon == 16


@pytest.mark.parametrize(
    ("wording", "slots", "words"),
    [
        (["{x:>1000000000}"], {"x": ["a"]}, "holds more than a name"),
        (["{x.__class__}"], {"x": ["a"]}, "holds more than a name"),
        (["{x!r}"], {"x": ["a"]}, "holds more than a name"),
        (["{0}"], {"0": ["a"]}, "holds more than a name"),
        (["{}"], {"x": ["a"]}, "has no name"),
        (
            [" ".join(f"{{s{k}}}" for k in range(12))],
            {f"s{k}": [f"v{k}{j}" for j in range(9)] for k in range(12)},
            "makes more than 10000 sentences",
        ),
    ],
)
def test_wordings_stand_for_a_bounded_number_of_sentences(card, wording, slots, words):
    content = card.to_dict()
    content["tasks"][0] |= {"wording": wording, "slots": slots}
    with pytest.raises(CardError, match=words):
        parse_card(content, "c.yaml")


def test_a_card_has_a_bounded_number_of_parts(card):
    content = card.to_dict()
    content["action"]["names"] = [f"arm.c{k}" for k in range(2000)]
    with pytest.raises(CardError, match="2000 values given, at most 1024 needed"):
        parse_card(content)
    content = card.to_dict()
    content["state"]["fields"] = [f"nobody{k}.position" for k in range(500)]
    with pytest.raises(CardError) as caught:
        parse_card(content)
    assert len(caught.value.problems) == 100
    with pytest.raises(CardError, match="a card has at most"):
        parse_card("#" * 300_000)


# Rows


def test_a_line_is_no_longer_than_any_row(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n{"b": "' + b"x" * (2 * MIB) + b'"}\n')
    with pytest.raises(EvidenceError, match="rows.jsonl: line 2: longer than 1 MiB"):
        list(read_rows(path))
    path.write_text('{"a": ' + "[" * 70 + "]" * 70 + "}\n")
    with pytest.raises(EvidenceError, match="rows.jsonl: line 1: nested more than 64 deep"):
        list(read_rows(path))


# Arrays and images


def demonstration() -> Demonstration:
    return Demonstration(
        {"front": [b"one", b"two22"]},
        np.ones((2, 3)),
        np.full((2, 4, 5), 0.5),
        np.array([True, False]),
        "pick",
        "pick",
        7,
        True,
        100,
    )


def test_a_demonstration_comes_back(tmp_path):
    path = demonstration().save(tmp_path / "e.npz")
    read = Demonstration.load(path)
    assert read.images == {"front": [b"one", b"two22"]} and read.seed == 7 and read.mask.tolist() == [True, False]
    assert read.actions.shape == (2, 4, 5) and read.actions.flags.writeable


def rewritten(path, name: str, data: bytes, method: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    with zipfile.ZipFile(path, "w", method) as archive:
        for part, content in {**parts, f"{name}.npy": data}.items():
            archive.writestr(part, content)


def npy(shape: str, kind: str, data: bytes = b"") -> bytes:
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("state", npy("(1000000000000000,)", "<f4"), "state: an array of shape"),
        ("state", npy("(-1, 3)", "<f4"), "state: an array of shape"),
        ("state", npy("(2, 3)", "<f4", bytes(23)), "state: an array of shape"),
        ("state", npy("(1,)", "|O", b"cos\nsystem\n(S'true'\ntR."), "state: an array of shape"),
        ("png_0", npy(f"({128 * MIB},)", "|u1", bytes(128 * MIB)), "that would be 128 MiB when unpacked"),
        ("offsets_0", npy("(3,)", "<i8", struct.pack("<3q", 0, 8, 0)), "offsets do not divide 8 bytes"),
        ("offsets_0", npy("(4,)", "<i8", struct.pack("<4q", 0, 3, 3, 9)), "offsets do not divide 8 bytes"),
        ("header", npy("(2,)", "|u1", b"[]"), "header: a list, allowed is a mapping"),
    ],
)
def test_arrays_are_what_their_bytes_can_be(tmp_path, name, data, words):
    path = demonstration().save(tmp_path / "e.npz")
    rewritten(path, name, data)
    with pytest.raises(DemonstrationError, match=f"e.npz: not a demonstration .*{words}"):
        Demonstration.load(path)


def test_a_header_of_another_kind_is_told(tmp_path):
    path = demonstration().save(tmp_path / "e.npz")
    for key, value in (("instruction", 7), ("seed", True), ("success", "yes"), ("cameras", [1]), ("meta", [])):
        with open_npz(path, MIB) as file:
            header = {**parse_json(file.read("header").tobytes()), key: value}
        text = json.dumps(header).encode()
        bad = tmp_path / "bad.npz"
        bad.write_bytes(path.read_bytes())
        rewritten(bad, "header", npy(f"({len(text)},)", "|u1", text))
        with pytest.raises(DemonstrationError, match=f"header: {key}"):
            Demonstration.load(bad)


def test_a_list_of_too_many_arrays_is_not_read(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for k in range(2000):
            archive.writestr(f"a{k}.npy", b"")
    (tmp_path / "e.npz").write_bytes(buffer.getvalue())
    with pytest.raises(FileError, match="no .npz file .a list of too many parts"), open_npz(tmp_path / "e.npz", MIB):
        pass


def test_a_data_set_of_another_form_is_told(tmp_path):
    for text in (
        '{"state_names": "abc", "action_names": [], "camera_names": []}',
        "[" * 90_000,
        "[]",
        '{"state_names": [3]}',
    ):
        (tmp_path / "dataset.json").write_text(text)
        with pytest.raises(DemonstrationError, match="dataset.json: not the description of a data set"):
            DatasetInfo.load(tmp_path)


def png(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))


def test_an_image_tells_its_size_before_it_is_unpacked():
    assert image_size(png(640, 480)) == (640, 480)
    jpeg = (
        b"\xff\xd8\xff\xe0"
        + struct.pack(">H", 4)
        + b"ab"
        + b"\xff\xc2"
        + struct.pack(">HBHHB", 17, 8, 480, 848, 3)
        + bytes(9)
    )
    assert image_size(jpeg) == (848, 480)
    assert image_size(np.frombuffer(jpeg, np.uint8)) == (848, 480)
    for data, words in (
        (png(60_000, 60_000), "60000 x 60000 pixels, at most 36 million"),
        (png(0, 9), "an image of 0 x 9"),
        (b"BM" + bytes(60), "62 bytes are no JPEG or PNG image"),
        (b"", "0 bytes are no"),
        (jpeg[:9], "does not tell its size"),
        (b"\xff\xd8\xff" + b"\xff" * 90, "does not tell its size"),
    ):
        with pytest.raises(PixelsError, match=words):
            image_size(data)


# Telling


def test_what_moves_the_terminal_is_shown(capsys):
    shown = {
        "\x1b[31mred": r"\x1b[31mred",
        "a\rb": r"a\rb",
        "a\nb": r"a\nb",
        "\x9b2J": r"\x9b2J",
        "\u202egnp": r"\u202egnp",
        "\ud800": r"\ud800",
        "a\u200bb": r"a\u200bb",
        "\U000e0041": r"\U000e0041",
        "\x7f\0": r"\x7f\x00",
        "päckchen 箱 \u0928\u094d\u200d": "päckchen 箱 \u0928\u094d\u200d",
    }
    for text, words in shown.items():
        assert printable(text) == words
    tell("one\ntwo\tthree", "\x1b[2J", 3)
    assert capsys.readouterr().out == "one\ntwo\tthree \\x1b[2J 3\n"
