"""Arrays and images that others stored are no more than their bytes can be."""

import io
import json
import struct
import zipfile
import zlib

import numpy as np
import pytest

from vla_contract.demonstration import DatasetInfo, Demonstration, DemonstrationError
from vla_contract.files import (
    FileError,
)
from vla_contract.files.arrays import open_npz
from vla_contract.files.images import PixelsError, image_size
from vla_contract.files.json_text import parse_json
from vla_contract.files.limits import MIB
from vla_contract.files.tensors import check_tensors


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
    for key, value, told in (
        ("instruction", 7, "instruction is '7', allowed is text"),
        ("instruction", ["z" * 90], "instruction is \"['" + "z" * 58 + "\", allowed is text"),
        ("task", None, "task is 'None', allowed is text"),
        ("seed", True, "seed is 'True', allowed is a whole number"),
        ("step_period_ns", 0.5, "step_period_ns is '0.5', allowed is a whole number"),
        ("success", "yes", "success is 'yes', allowed is true or false"),
        ("cameras", "front", "cameras is 'front', allowed is a list"),
        ("cameras", [1], "cameras are no texts"),
        ("meta", [], "meta is '[]', allowed is a mapping"),
    ):
        with open_npz(path, MIB) as file:
            header = {**parse_json(file.read("header").tobytes()), key: value}
        text = json.dumps(header).encode()
        bad = tmp_path / "bad.npz"
        bad.write_bytes(path.read_bytes())
        rewritten(bad, "header", npy(f"({len(text)},)", "|u1", text))
        with pytest.raises(DemonstrationError) as error:
            Demonstration.load(bad)
        assert str(error.value) == f"{bad}: not a demonstration (header: {told})"


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


def jpeg_size(width: int, height: int, marker: int = 0xC0) -> bytes:
    """What tells a JPEG's size, up to its width: no byte more is needed."""
    return struct.pack(">BBHBHH", 0xFF, marker, 17, 8, height, width)


def test_what_stands_before_the_size_of_a_jpeg_is_passed_over():
    begin, size = b"\xff\xd8", jpeg_size(648, 486)
    for marker in (0x01, 0xD0, 0xD1, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8):  # ITU-T T.81, table B.1: TEM, RST, SOI
        assert image_size(begin + bytes([0xFF, marker]) + size) == (648, 486), f"{marker:#x} has no length"
    for marker in (0xC4, 0xC8, 0xCC, 0xDA, 0xDB, 0xE1, 0xFE):
        segment = bytes([0xFF, marker]) + struct.pack(">H", 11) + jpeg_size(33, 44)
        assert image_size(begin + segment + size) == (648, 486), f"{marker:#x} is as long as it says"
    assert image_size(begin + b"\xff\xff\xff" + size) == (648, 486), "fill bytes"
    assert image_size(begin + b"\xff\xe0\x00\x00" + size) == (648, 486), "a length that does not count itself"


def test_every_start_of_frame_tells_the_size_of_a_jpeg():
    for marker in {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}:
        assert image_size(b"\xff\xd8" + jpeg_size(320, 65, marker)) == (320, 65)
    for data in (jpeg_size(320, 65)[:-1], b"\xff\xe0\x00\x04ab\x00" + jpeg_size(320, 65)):
        with pytest.raises(PixelsError, match="does not tell its size"):
            image_size(b"\xff\xd8" + data)


def test_an_image_of_thirty_six_million_pixels_is_unpacked_and_none_of_more(monkeypatch):
    assert image_size(png(6000, 6000)) == (6000, 6000) and image_size(png(1, 1)[:24]) == (1, 1)
    for data, words in (
        (png(6000, 6001), "6000 x 6001 pixels, at most 36 million are unpacked"),
        (png(7, 0), "an image of 7 x 0 pixels"),
        (png(9, 8)[:23], "23 bytes are no JPEG or PNG image"),
    ):
        with pytest.raises(PixelsError, match=f"^{words}$"):
            image_size(data)
    monkeypatch.setenv("VLA_READ_LIMITS", "1.5")
    assert image_size(png(6000, 9000)) == (6000, 9000)
    with pytest.raises(PixelsError, match="at most 54 million"):
        image_size(png(6000, 9001))


def test_what_tensors_say_of_themselves_is_bounded(tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"

    def file_of(header: int, rest: int):
        path.write_bytes(struct.pack("<Q", header) + bytes(rest))
        return path

    monkeypatch.setenv("VLA_READ_LIMITS", str(1 / 1024))
    check_tensors(file_of(32 * 1024, 32 * 1024))
    check_tensors(file_of(0, 0))
    with pytest.raises(FileError, match="a header of 32 KiB, at most 32 KiB are read"):
        check_tensors(file_of(32 * 1024 + 1, 40 * 1024))
    with pytest.raises(FileError, match="model.safetensors: not a safetensors file"):
        check_tensors(file_of(101, 100))
    path.write_bytes(bytes(7))
    with pytest.raises(FileError, match="model.safetensors: not a safetensors file"):
        check_tensors(path)
