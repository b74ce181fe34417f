"""Files that others made are opened with bounds, written without following links, and told without being obeyed."""

import os
import socket
import stat

import pytest

from vla_contract.card import CardError, load_card
from vla_contract.evidence import EvidenceWriter
from vla_contract.files import (
    FileError,
    fresh,
    limits,
    open_append,
    open_file,
    own_folder,
    read_bytes,
    read_text,
    write_bytes,
    write_text,
)
from vla_contract.files.limits import MIB, in_words, scaled
from vla_contract.printing import kind_of, printable, tell
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
    with open(tmp_path / "hole", "wb") as file:  # a 32nd of 128 MiB is on the disk, and less of what is larger
        file.write(os.urandom(4 * MIB))
        file.truncate(128 * MIB)
        file.flush()
        os.fsync(file.fileno())
        open_file(tmp_path / "hole").close()
        file.truncate(130 * MIB)
        with pytest.raises(FileError, match="hole: 130 MiB, of which 4 MiB are on the disk: a hole"):
            open_file(tmp_path / "hole")
    with pytest.raises(FileError, match="/proc/self/maps"):
        read_bytes("/proc/self/maps", 64)  # says that it has no bytes


def test_bounds_are_those_that_are_published(monkeypatch):
    """docs/explanation/untrusted_files.md"""
    published = {
        "CARD": (262_144, "256 KiB"), "METADATA": (4_194_304, "4 MiB"), "FIGURES": (67_108_864, "64 MiB"),
        "ROW": (1_048_576, "1 MiB"), "ROWS": (134_217_728, "128 MiB"), "CHUNK": (100_663_296, "96 MiB"),
        "WAITING": (201_326_592, "192 MiB"), "DEMONSTRATION": (1_073_741_824, "1 GiB"),
    }  # fmt: skip
    for name, (size, words) in published.items():
        assert (getattr(limits, name), in_words(size)) == (size, words), name
    assert limits.MOST_PIXELS == 36_000_000
    assert (in_words(1023), in_words(1024), in_words(1792)) == ("1023 bytes", "1 KiB", "1.75 KiB")
    monkeypatch.setenv("VLA_READ_LIMITS", " 2.5 ")
    assert scaled(limits.CARD) == 655_360


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


def test_what_a_file_holds_is_told_in_its_own_words():
    told = {"null": None, "true or false": True, "a number": 1.5, "text": "", "a list": [], "a mapping": {}}
    assert {words: kind_of(value) for words, value in told.items()} == {words: words for words in told}
    assert kind_of(7) == "a number" and kind_of(()) == "a tuple"
