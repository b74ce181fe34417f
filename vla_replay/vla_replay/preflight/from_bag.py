"""A sample of a recorded bag."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from vla_bags.reader import Bag
from vla_bags.recorded_cameras import find_camera, packed_images
from vla_contract.card import InterfaceCard
from vla_contract.ros.stamps import stamp_to_ns
from vla_replay.preflight.finding import PreflightError
from vla_replay.preflight.from_ros import EventMaker, message_class
from vla_replay.preflight.sample import Sample
from vla_replay.preflight.sampler import Sampler
from vla_replay.preflight.topics import CHUNK_TOPIC, IMAGE, INFO_TOPIC, card_topics

NS = 1_000_000_000


def sample_of_bag(path: str | Path, card: InterfaceCard, *, namespace: str | None = None, seconds: float = 60.0) -> Sample:
    """The first ``seconds`` of a bag [s]; all of it where it has no more.

    Raises:
        BagError: No bag, or one that cannot be read.
        PreflightError: A bag without messages, or seconds that are not above 0.
    """
    if not seconds > 0.0:
        raise PreflightError(f"seconds is {seconds:g}, allowed are above 0")
    with Bag(path, namespace) as bag:
        if not any(topic.count for topic in bag.topics.values()):
            raise PreflightError(f"{path}: the bag has no messages, there is nothing to check")
        length = (bag.end_ns - bag.start_ns) / NS
        part = f" (the first {seconds:g} of {length:.0f} s)" if length > seconds else ""
        sampler = Sampler(card, f"bag {bag.path.name}{part}")
        sampler.sample.notes = tuple(f"the bag: {note}" for note in bag.notes)
        sampler.sample.card_text = bag.metadata.get("card", "")
        for name in ("card_hash", "policy_hash"):
            sampler.carries(name, bag.metadata.get(name, ""), "the bag's metadata")
        found = {bag.find(topic): topic for topic in (*(t.topic for t in card_topics(card)), CHUNK_TOPIC, INFO_TOPIC)}
        found.pop(None, None)
        packed = _packed_cameras(bag, card)
        found.update(packed)
        for name, topic in bag.topics.items():
            sampler.exists(found.get(name, name), IMAGE if name in packed else topic.type)
        end = bag.start_ns + int(seconds * NS) if seconds < length else None
        node_time = _node_time(bag, end)
        maker = EventMaker(card)
        readable = [name for name in found if message_class(bag.topics[name].type) is not None]
        for entry, message in bag.messages(readable, end_ns=end):
            event = maker.event(found[entry.topic], entry.type, message, node_time(entry.stamp_ns))
            sampler.add(replace(event, type=IMAGE) if entry.topic in packed else event)
    return sampler.finish()


def _packed_cameras(bag: Bag, card: InterfaceCard) -> dict[str, str]:
    """Topics onto which the recorder packed raw images, and the topic of the card that they had in the graph."""
    by_recorder, packed = packed_images(bag), {}
    for camera in card.cameras:
        topic, as_recorded = find_camera(bag, camera, any_type=True) or ("", camera)
        if as_recorded.compressed and not camera.compressed and topic in by_recorder:
            packed[topic] = camera.image_topic
    return packed


def _node_time(bag: Bag, end_ns: int | None):
    """From receive time to the node's clock, which is /clock where the bag has it: int -> int [ns]."""
    clock = bag.topics.get("/clock")
    if clock is None or not clock.count:
        return lambda stamp_ns: stamp_ns
    rows = [(entry.stamp_ns, stamp_to_ns(message.clock)) for entry, message in bag.messages(["/clock"], end_ns=end_ns)]
    if not rows:
        return lambda stamp_ns: stamp_ns
    received, shown = np.array(rows, np.int64).T
    origin = received[0]
    seconds = (received - origin).astype(float)
    offset = (shown - received).astype(float)
    shift = int(offset[0])
    return lambda stamp_ns: stamp_ns + shift + int(np.interp(stamp_ns - origin, seconds, offset - shift))
