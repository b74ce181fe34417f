"""Hostile training data, against `vla train`; and descriptions of robots, against `vla replay --model`."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vla_bench.hostile.case import KINDS, Build, Case, victim_folder
from vla_bench.hostile.mcap import folder
from vla_bench.hostile.messages import good_run
from vla_bench.hostile.runs import DEEP, png
from vla_contract.card import load_card
from vla_contract.demonstration import DatasetInfo, Demonstration
from vla_contract.shipped import find_card, find_model


def good_data(at: Path, episodes: int = 1) -> Path:
    """A folder of demonstrations in which nothing is wrong."""
    card = load_card(find_card("panda_tabletop"))
    data = at / "data"
    DatasetInfo(
        card.name,
        card.policy_hash,
        tuple(card.state.fields),
        card.action.space,
        tuple(card.action.names),
        tuple(card.camera_names),
        card.action.horizon,
        card.step_period_ns,
        "",
        "none",
    ).save(data)
    for number in range(episodes):
        demonstration(number).save(data / f"e{number}.npz")
    return data


def demonstration(seed: int = 0) -> Demonstration:
    """Three frames."""
    card = load_card(find_card("panda_tabletop"))
    images = {camera.name: [png(camera.width, camera.height)] * 3 for camera in card.cameras}
    return Demonstration(
        images,
        np.zeros((3, card.state_dim)),
        np.zeros((3, card.action.horizon, card.action_dim)),
        np.ones(3, bool),
        "pick up the red block",
        "pick",
        seed,
        True,
        card.step_period_ns,
    )


def npz(path: Path, parts: dict[str, bytes], packed: int = zipfile.ZIP_DEFLATED) -> None:
    """A zip file of these bytes."""
    with zipfile.ZipFile(path, "w", packed) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def npy(shape: str, kind: str = "<f4", data: bytes = b"") -> bytes:
    """An array that says that it has this shape."""
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def _parts() -> dict[str, bytes]:
    """Of a good file."""
    buffer = io.BytesIO()
    one = demonstration()
    header = {
        "cameras": list(one.images),
        "instruction": one.instruction,
        "task": one.task,
        "seed": 0,
        "success": True,
        "step_period_ns": one.step_period_ns,
        "meta": {},
    }
    arrays = {
        "header": np.frombuffer(json.dumps(header).encode(), np.uint8),
        "state": one.state,
        "actions": one.actions,
        "mask": one.mask,
    }
    for index, images in enumerate(one.images.values()):
        arrays[f"png_{index}"] = np.frombuffer(b"".join(images), np.uint8)
        arrays[f"offsets_{index}"] = np.cumsum([0, *map(len, images)], dtype=np.int64)
    np.savez(buffer, **arrays)
    with zipfile.ZipFile(buffer) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _header(**changes: object) -> bytes:
    header = {
        "cameras": ["front", "wrist"],
        "instruction": "x",
        "task": "pick",
        "seed": 0,
        "success": True,
        "step_period_ns": 100_000_000,
        "meta": {},
        **changes,
    }
    text = json.dumps(header).encode()
    return npy(f"({len(text)},)", "|u1", text)


def _episodes() -> dict[str, Build]:
    def file(**changes: bytes | None) -> Build:
        def build(at: Path) -> None:
            parts = {**_parts(), **{f"{name}.npy": data for name, data in changes.items()}}
            npz(good_data(at, 0) / "e0.npz", {name: data for name, data in parts.items() if data is not None})

        return build

    image = png(50_000, 50_000, data=b"")
    half = b"\x93NUMPY\x01\x00" + struct.pack("<H", 60_000) + b"(" * 60_000
    return {
        "an array of two gigabytes of zeros": file(png_0=npy(f"({1 << 29},)", "|u1", bytes(1 << 29))),
        "an array of 10^15 numbers": file(state=npy("(1000000000000000,)")),
        "an array of objects": file(state=npy("(1,)", "|O", b"cos\nsystem\n(S'touch pwned'\ntR.")),
        "an array nested without end": file(state=half),
        "an array of negative size": file(state=npy("(-1, 8)")),
        "an array cut short": file(state=npy("(3, 8)", "<f4", bytes(10))),
        "no state": file(state=None),
        "twenty million frames": file(
            state=npy("(20000000, 0)"),
            actions=npy("(20000000, 0, 7)"),
            mask=npy("(20000000,)", "|b1", bytes(20_000_000)),
        ),
        "images that overlap": file(
            offsets_0=npy("(9,)", "<i8", struct.pack("<9q", 0, 600, 0, 600, 0, 600, 0, 600, 600))
        ),
        "images of 50000 x 50000": file(
            png_0=npy(f"({3 * len(image)},)", "|u1", image * 3),
            offsets_0=npy("(4,)", "<i8", struct.pack("<4q", *(k * len(image) for k in range(4)))),
        ),
        "images that are none": file(
            png_0=npy("(3,)", "|u1", b"abc"), offsets_0=npy("(4,)", "<i8", struct.pack("<4q", 0, 1, 2, 3))
        ),
        "a header nested without end": file(header=npy(f"({len(DEEP)},)", "|u1", DEEP.encode())),
        "a header of numbers": file(header=_header(instruction=7, task=None, seed="x")),
        "a header with more": file(header=_header(images={}, state=3)),
        "cameras that are numbers": file(header=_header(cameras=[1, 2])),
        "a state that is no number": file(state=npy("(3, 8)", "<f4", b"\xff" * 96)),
        "sixty thousand arrays": lambda at: npz(good_data(at, 0) / "e0.npz", {f"a{k}.npy": b"" for k in range(60_000)}),
        **{
            f"an episode that is {what}": lambda at, make=make: make(good_data(at, 0) / "e0.npz")
            for what, make in KINDS.items()
        },
    }


def _data() -> dict[str, Build]:
    def info(text: str) -> Build:
        return lambda at: (good_data(at) / "dataset.json").write_text(text)

    def kind(make: Build) -> Build:
        def build(at: Path) -> None:
            path = good_data(at) / "dataset.json"
            path.unlink()
            make(path)

        return build

    return {
        **{
            f"dataset.json is {what}": kind(make)
            for what, make in KINDS.items()
            if what in ("a named pipe", "a device without end", "a hole of a terabyte")
        },
        "dataset.json nested without end": info(DEEP),
        "dataset.json of numbers": info(
            '{"card_name": 1, "state_names": [1], "action_names": "x", "camera_names": null}'
        ),
        "dataset.json of escapes": info(json.dumps({"\x1b[31m": 1})),
        "the cache is a link to a folder of the user": lambda at: victim_folder(good_data(at, 2) / ".cache112"),
        "the cache of an episode is a link": _linked_cache,
    }


def _linked_cache(at: Path) -> None:
    data = good_data(at, 2)
    (data / ".cache112").mkdir()
    victim_folder(data / ".cache112" / "e0")


_FEW = (
    "an array of two gigabytes of zeros",
    "an array of objects",
    "images of 50000 x 50000",
    "dataset.json nested without end",
    "the cache is a link to a folder of the user",
    "an episode that is a named pipe",
)


def cases() -> Iterator[Case]:
    """All of them."""
    train = (
        "train",
        "--data",
        "data",
        "--steps",
        "1",
        "--out",
        "out.safetensors",
        "--work",
        "work",
        "--processes",
        "1",
    )
    for what, build in {**_episodes(), **_data()}.items():
        yield Case(f"data: {what}", train, build, what in _FEW, codes=(2,))
    replay = ("replay", "bag", "--no-policy", "--model", "robot.urdf")
    for what, make in KINDS.items():
        yield Case(f"model: {what}", replay, _model_case(make), what == "a named pipe", codes=(2,))
    for what, text in models().items():
        few = what in ("entities", "lower above upper")
        yield Case(f"model: {what}", replay, _model_case(_text(text)), few, codes=(2,))


def models() -> dict[str, str]:
    """Descriptions of robots that are wrong."""
    from vla_bench.hostile.bag_contents import ENTITIES, MJCF_FIELD, MJCF_PIPE

    urdf = find_model("panda_tabletop").read_text(encoding="utf-8")
    return {
        "entities": ENTITIES,
        "elements without end": "<robot name='r'>" + "<link>" * 100_000,
        "a film": "GIF89a",
        "MuJoCo with a device": MJCF_PIPE,
        "MuJoCo of 10^10 points": MJCF_FIELD,
        "another root": "<sdf version='1.7'/>",
        "lower above upper": urdf.replace('lower="-2.', 'lower="12.'),
        "limits in words": urdf.replace('lower="-', 'lower="x'),
        "xacro": '<robot name="r" xmlns:xacro="http://www.ros.org/wiki/xacro"><xacro:include filename="/etc/passwd"/></robot>',
    }


def _text(text: str) -> Build:
    return lambda path: path.write_text(text)


def _model_case(make: Build) -> Build:
    def build(at: Path) -> None:
        folder(at, list(good_run()))
        make(at / "robot.urdf")

    return build
