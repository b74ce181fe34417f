"""Faults to plant in a clean run, each with the check and the field that must tell it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from vla_contract.card import InterfaceCard
from vla_replay.preflight.events import Event, HashEvent, ImageEvent, JointEvent
from vla_replay.preflight.topics import COMPRESSED

Alter = Callable[[Event], Event | None]


@dataclass(frozen=True)
class Fault:
    """A fault of the simulated panda cell.

    Attributes:
        check, field: What the finding must name.
        make: From the card to a function that alters each event, or drops it with None.
        alter_metadata: Alters the metadata of the checkpoint instead.
    """

    name: str
    check: str
    field: str
    make: Callable[[InterfaceCard], Alter] = lambda card: lambda event: event
    alter_metadata: Callable[[dict[str, str]], dict[str, str]] = lambda metadata: metadata


def plant(fault: Fault, card: InterfaceCard, events: Iterable[Event]) -> Iterator[Event]:
    """The events with the fault."""
    alter = fault.make(card)
    for event in events:
        altered = alter(event)
        if altered is not None:
            yield altered


def _image(index: int, change: Callable[[ImageEvent, int], Event | None]) -> Callable[[InterfaceCard], Alter]:
    """Changes the images of one camera; ``change`` gets the number of the image, too."""

    def make(card: InterfaceCard) -> Alter:
        count = -1

        def alter(event: Event) -> Event | None:
            nonlocal count
            if not isinstance(event, ImageEvent) or event.topic != card.cameras[index].topic:
                return event
            count += 1
            return change(event, count)

        return alter

    return make


def _joints(change: Callable[[JointEvent], JointEvent]) -> Callable[[InterfaceCard], Alter]:
    return lambda card: lambda event: change(event) if isinstance(event, JointEvent) else event


def _frozen(card: InterfaceCard) -> Alter:
    kept: list[np.ndarray] = []

    def change(event: ImageEvent, number: int) -> Event:
        if number == 30:
            kept.append(event.pixels)
        return replace(event, pixels=kept[0]) if kept else event

    return _image(0, change)(card)


def _smaller(event: ImageEvent, _: int) -> Event:
    return replace(event, width=event.width // 2, height=event.height // 2, pixels=np.ascontiguousarray(event.pixels[::2, ::2]))


def _renamed(event: JointEvent) -> JointEvent:
    return replace(event, names=tuple(name.replace("panda_joint4", "joint4") for name in event.names))


def _positions(event: JointEvent, change: Callable[[np.ndarray], np.ndarray]) -> JointEvent:
    return replace(event, values={**event.values, "position": change(event.values["position"].copy())})


def _degrees(event: JointEvent) -> JointEvent:
    return _positions(event, lambda q: np.concatenate((np.degrees(q[:7]), q[7:])))


def _swapped_joints(event: JointEvent) -> JointEvent:
    return _positions(event, lambda q: q[[0, 3, 2, 1, 4, 5, 6, 7]])


def _reversed_fingers(event: JointEvent) -> JointEvent:
    return _positions(event, lambda q: np.concatenate((q[:7], 0.04 - q[7:])))


def _exchanged_colours(event: ImageEvent, _: int) -> Event:
    return replace(event, pixels=np.ascontiguousarray(event.pixels[..., ::-1]))


def _without_q01(metadata: dict[str, str]) -> dict[str, str]:
    normaliser = json.loads(metadata["state_normaliser"])
    del normaliser["statistics"]["q01"]
    return {**metadata, "state_normaliser": json.dumps(normaliser)}


TWELVE = (
    Fault("the wrist camera is not there", "presence", "cameras[1].topic", _image(1, lambda e, n: None)),
    Fault("compressed images on the raw topic", "type", "cameras[0].topic",
          _image(0, lambda e, n: replace(e, type=COMPRESSED, encoding="jpeg"))),
    Fault("one image in three arrives", "rate", "cameras[0].rate", _image(0, lambda e, n: e if n % 3 == 0 else None)),
    Fault("images are bgr8", "encoding", "cameras[1].encoding", _image(1, lambda e, n: replace(e, encoding="bgr8"))),
    Fault("images of half the size", "size", "cameras[0].width", _image(0, _smaller)),
    Fault("a joint under another name", "joints", "arms[0].joints[3]", _joints(_renamed)),
    Fault("joint states in degrees", "units", "state.fields[3]", _joints(_degrees)),
    Fault("two joints swapped", "permutation", "arms[0].joints[1]", _joints(_swapped_joints)),
    Fault("a frozen camera", "frozen", "cameras[0].topic", _frozen),
    Fault("red and blue exchanged", "colours", "cameras[1].encoding", _image(1, _exchanged_colours)),
    Fault("fingers that close when told to open", "gripper", "arms[0].gripper.open_position", _joints(_reversed_fingers)),
    Fault("statistics without q01", "statistics", "checkpoint.state_normaliser.statistics", alter_metadata=_without_q01),
)  # fmt: skip
"""The twelve that `vla bench` counts."""


def _exchanged_cameras(card: InterfaceCard) -> Alter:
    other = {card.cameras[0].topic: card.cameras[1].topic, card.cameras[1].topic: card.cameras[0].topic}
    return lambda event: replace(event, topic=other[event.topic]) if isinstance(event, ImageEvent) else event


def _other_contract(metadata: dict[str, str]) -> dict[str, str]:
    contract = json.loads(metadata["contract"])
    contract["arms"][0]["gripper"] = {"open_value": 0.0, "closed_value": 1.0}
    return {**metadata, "contract": json.dumps(contract)}


def _without_a_column(metadata: dict[str, str]) -> dict[str, str]:
    codec = json.loads(metadata["action_codec"])
    statistics = codec["normaliser"]["statistics"]
    for key, value in statistics.items():
        if isinstance(value, list):
            statistics[key] = value[1:]
    return {**metadata, "action_codec": json.dumps(codec)}


def _other_hash(event: Event) -> Event:
    return replace(event, hashes={"card_hash": "0123456789abcdef"}) if isinstance(event, HashEvent) else event


def _far_posture(event: JointEvent) -> JointEvent:
    return _positions(event, lambda q: q + np.array([0, 0, 0.9, 0, 0, 0, 0, 0]))


MORE = (
    Fault("a lens cap", "black", "cameras[0].topic", _image(0, lambda e, n: replace(e, pixels=np.zeros_like(e.pixels)))),
    Fault("cameras exchanged", "cameras", "cameras[0].topic", _exchanged_cameras),
    Fault("stamps of zero", "stamps", "cameras[0].topic", _image(0, lambda e, n: replace(e, stamp_ns=0))),
    Fault("stamps in the future", "stamps", "cameras[1].topic",
          _image(1, lambda e, n: replace(e, stamp_ns=e.stamp_ns + 400_000_000))),
    Fault("stamps that stand still", "stamps", "cameras[0].topic",
          _image(0, lambda e, n: replace(e, stamp_ns=e.stamp_ns - n % 5 * 33_333_333))),
    Fault("a camera that lags behind", "skew", "state.max_skew",
          _image(1, lambda e, n: replace(e, receive_ns=e.receive_ns + 150_000_000))),
    Fault("a gap in the joint states", "rate", "state.max_age",
          lambda card: lambda e: None if isinstance(e, JointEvent) and e.stamp_ns % 2_000_000_000 < 300_000_000 else e),
    Fault("images that come in bursts", "jitter", "cameras[0].rate",
          _image(0, lambda e, n: None if n % 30 in (10, 11, 12) else e)),
    Fault("another card in the policy", "hashes", "card_hash", lambda card: _other_hash),
    Fault("trained for another polarity", "checkpoint", "arms[0].gripper.open_value", alter_metadata=_other_contract),
    Fault("statistics without a column", "statistics", "checkpoint.action_codec.normaliser.statistics",
          alter_metadata=_without_a_column),
    Fault("fingers in millimetres", "units", "state.fields[7]",
          _joints(lambda e: _positions(e, lambda q: np.concatenate((q[:7], q[7:] * 1e3))))),
    Fault("a posture far from training", "state", "state.fields[2]", _joints(_far_posture)),
)  # fmt: skip
"""Further ones, which tests plant too."""
