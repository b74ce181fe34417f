"""Hostile checkpoints, against `vla checkpoint` and `vla card check --checkpoint`."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from vla_bench.hostile.case import KINDS, TEXTS, Case, hole
from vla_bench.hostile.runs import DEEP
from vla_contract.shipped import find_checkpoint

Build = Callable[[Path], None]


@cache
def good_metadata() -> dict[str, str]:
    """Of the checkpoint that ships."""
    with open(find_checkpoint("panda_tabletop"), "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        return json.loads(file.read(size))["__metadata__"]


def tensors(path: Path, metadata: dict[str, str], parts: dict[str, object] | None = None, data: bytes = b"") -> None:
    """A safetensors file with this header, sound or not."""
    header = json.dumps({"__metadata__": metadata, **(parts or {})}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)


def _with(**changes: str) -> Build:
    return lambda at: tensors(at / "c.safetensors", {**good_metadata(), **changes})


def _second(change: dict) -> Build:
    """Of the newer format, one embodiment with other parts."""
    old = good_metadata()
    one = {
        "card_name": old["card_name"],
        "policy_hash": old["policy_hash"],
        "contract": json.loads(old["contract"]),
        "horizon": 16,
        "state_normaliser": json.loads(old["state_normaliser"]),
        "codec": {"name": "normalised", "values": json.loads(old["action_codec"])},
        **change,
    }
    metadata = {
        "format": "vla_policy checkpoint 2",
        "image_size": old["image_size"],
        "model": old["model"],
        "training": old["training"],
        "embodiments": json.dumps([one]),
    }
    return lambda at: tensors(at / "c.safetensors", metadata)


def _model(**changes: object) -> Build:
    return _with(model=json.dumps({**json.loads(good_metadata()["model"]), **changes}))


def checkpoints() -> dict[str, Build]:
    """By what is wrong with them."""
    name = "c.safetensors"
    made: dict[str, Build] = {what: lambda at, make=make: make(at / name) for what, make in KINDS.items()}
    made |= {
        "a header of 2^60 bytes": lambda at: (at / name).write_bytes(struct.pack("<Q", 1 << 60) + b"{}"),
        "a header nested without end": lambda at: (at / name).write_bytes(struct.pack("<Q", len(DEEP)) + DEEP.encode()),
        "a header of a hole": lambda at: hole(at / name, 1 << 33, struct.pack("<Q", 1 << 32)),
        "tensors beyond the end": lambda at: tensors(
            at / name, good_metadata(), {"w": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}
        ),
        "a contract of null": _with(contract="null"),
        "a contract of null, newer": _second({"contract": None}),
        "a contract of a list": _second({"contract": []}),
        "a contract nested without end": _with(contract=DEEP),
        "a contract that is no JSON": _with(contract="{"),
        "a contract of texts": _second({"contract": {"cameras": "x", "state": "y", "action": 3, "arms": {}}}),
        "statistics of null": _with(state_normaliser="null"),
        "statistics of words": _second(
            {"state_normaliser": {"mode": "mean_std", "identity_columns": [], "statistics": {"names": 3}}}
        ),
        "a codec of null": _second({"codec": None}),
        "a codec of a number": _second({"codec": {"name": 7, "values": []}}),
        "a vector of 10^12": _second({"state": {"columns": [0], "size": 10**12}}),
        "a horizon in words": _second({"horizon": "long"}),
        "a model of null": _with(model="null"),
        "a model of 10^15 weights": _model(width=900_000, layers=900_000),
        "a model of words": _model(width="wide"),
        "a format in escapes": _with(format="\x1b[31mmine"),
        "a training nested without end": _with(training=DEEP),
        "images of another shape": lambda at: tensors(
            at / name,
            good_metadata(),
            {"pictures.front": {"dtype": "U8", "shape": [1, 2, 2, 3], "data_offsets": [0, 12]}},
            bytes(12),
        ),
    }
    made |= {
        f"{what} for the names": _second({"card_name": text, "policy_hash": text})
        for what, text in TEXTS.items()
        if what != "half of a pair"
    }
    return made


_FEW = (
    "a named pipe",
    "a device without end",
    "a contract of null",
    "a contract of null, newer",
    "a contract nested without end",
    "a model of 10^15 weights",
    "a header of a hole",
)


def cases() -> Iterator[Case]:
    """Each meets two verbs."""
    verbs = (("checkpoint", "c.safetensors"), ("card", "check", "panda_tabletop", "--checkpoint", "c.safetensors"))
    for what, build in checkpoints().items():
        harmless = "for the names" in what
        for argv in verbs:
            codes = (0, 1, 2) if harmless or argv[0] == "card" else (2,)
            yield Case(f"checkpoint: {what} ({argv[0]})", argv, build, what in _FEW, codes)
