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
