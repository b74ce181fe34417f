"""Bags whose messages and notes are hostile."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from vla_bench.hostile.cards import BOMBS, changed
from vla_bench.hostile.case import TEXTS, Build, noise
from vla_bench.hostile.mcap import folder, word
from vla_bench.hostile.messages import cdr, good_run


def contents() -> dict[str, Build]:
    run = good_run()

    def instead(topic: str, data: bytes, kind: str | None = None) -> Build:
        def build(at: Path) -> None:
            folder(at, [one._replace(data=data, type=kind or one.type) if one.topic == topic else one for one in run])

        return build

    long = struct.pack("<I", 0x7FFFFFFF)
    return {
        "a list of two thousand million points": instead(
            "/panda_arm_controller/joint_trajectory", cdr(bytes(8), word(b"\0"), bytes(3), struct.pack("<I", 0), long)
        ),
        "a chunk of two thousand million actions": instead(
            "/vla/action_chunk", b"\0\1\0\0" + bytes(8) + long + b"x" * 64
        ),
        "a megabyte of nothing for points": instead(
            "/panda_arm_controller/joint_trajectory",
            cdr(bytes(8), word(b"\0"), bytes(3), struct.pack("<I", 0), struct.pack("<I", 1 << 19), bytes(1 << 20)),
        ),
        "a joint state cut short": instead("/joint_states", b"\0\1\0\0\1"),
        "an empty message": instead("/joint_states", b""),
        "an image of another type": instead("/vla/action_chunk", run[0].data, "sensor_msgs/msg/Image"),
        "a chunk for a joint state": instead("/joint_states", run[0].data, "std_msgs/msg/String"),
        "a robot that is an entity bomb": instead("/robot_description", cdr(word(ENTITIES.encode() + b"\0"))),
        "a robot nested without end": instead(
            "/robot_description", cdr(word(b"<robot name='r'>" + b"<link>" * 200_000 + b"\0"))
        ),
        "a robot of MuJoCo that reads a pipe": instead("/robot_description", cdr(word(MJCF_PIPE.encode() + b"\0"))),
        "a robot of MuJoCo of ten million points": instead(
            "/robot_description", cdr(word(MJCF_FIELD.encode() + b"\0"))
        ),
        "noise for every message": lambda at: folder(
            at, [one._replace(data=b"\0\1\0\0" + noise(len(one.data))) for one in run]
        ),
    }


ENTITIES = (
    '<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "xxxxxxxxxx">'
    + "".join(f'<!ENTITY a{k} "{f"&a{k - 1};" * 10 if k > 0 else "&a;" * 10}">' for k in range(12))
    + "]><robot name='r'>&a11;</robot>"
)
MJCF_PIPE = '<mujoco><asset><mesh name="m" file="/dev/zero"/></asset><worldbody/></mujoco>'
MJCF_FIELD = '<mujoco><asset><hfield name="h" nrow="100000" ncol="100000" size="1 1 1 1"/></asset><worldbody/></mujoco>'


def notes() -> dict[str, Build]:
    run = good_run()
    made = {f"{what} for the card's text": {"card": text} for what, text in BOMBS.items()}
    made |= {
        f"{what} as the card's name": {"card": changed(name=text)}
        for what, text in TEXTS.items()
        if what != "half of a pair"
    }
    made |= {
        f"{what} for every note": dict.fromkeys(
            ("namespace", "checkpoint", "checkpoint_hash", "policy", "command"), text
        )
        for what, text in TEXTS.items()
        if what in ("escapes", "directional marks", "a script", "a hundred thousand letters")
    }
    made |= {
        "a pipe for the checkpoint": {"checkpoint": "pipe", "checkpoint_hash": "00"},
        "a device for the checkpoint": {"checkpoint": "/dev/zero", "checkpoint_hash": "00"},
    }

    def build(at: Path, notes: dict[str, str]) -> None:
        os.mkfifo(at / "pipe")
        folder(at, run, notes)

    return {what: lambda at, notes=notes: build(at, notes) for what, notes in made.items()}
