"""Builds a sample from events, message by message. Memory is bounded by the number of messages, not by images."""

from __future__ import annotations

import zlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import numpy as np

from vla_contract.card import InterfaceCard
from vla_policy.training.reference_images import thumbnail
from vla_replay.preflight.events import CommandEvent, Event, HashEvent, ImageEvent, JointEvent
from vla_replay.preflight.sample import MAX_THUMBNAILS, CameraSample, Sample, Series, Stream
from vla_replay.preflight.topics import CHUNK

_STRIDE = 8
"""As in vla_policy.observing.camera_watch, which judges black images by the same pixels."""


@dataclass
class _Shots:
    sample: CameraSample = field(default_factory=CameraSample)
    shots: list[tuple[int, int, float]] = field(default_factory=list)
    thumbnails: list[np.ndarray] = field(default_factory=list)
    every: int = 1


class Sampler:
    """Takes events in the order of their arrival, and makes the sample at the end."""

    def __init__(self, card: InterfaceCard, source: str) -> None:
        self.sample = Sample(source)
        self._cameras = {camera.image_topic: camera.name for camera in card.cameras}
        self._times: dict[str, list[int]] = defaultdict(list)
        self._stamps: dict[str, list[int]] = defaultdict(list)
        self._types: dict[str, Counter[str]] = defaultdict(Counter)
        self._shots: dict[str, _Shots] = {camera.name: _Shots() for camera in card.cameras}
        self._state: dict[str, list[tuple[int, float]]] = defaultdict(list)
        self._commands: dict[tuple[str, ...], list[CommandEvent]] = defaultdict(list)

    def exists(self, topic: str, kind: str, publishers: int | None = None, subscribers: int | None = None) -> None:
        """A topic that the source knows, whether or not anything arrives on it."""
        self._types[topic][kind] += 0
        stream = self.sample.streams.setdefault(topic, Stream(topic))
        stream.publishers, stream.subscribers = publishers, subscribers

    def carries(self, hash_name: str, value: str, carrier: str) -> None:
        """Something says under which hash it runs."""
        if value:
            self.sample.hashes.setdefault(hash_name, {}).setdefault(value, set()).add(carrier)

    def add(self, event: Event) -> None:
        """The next message."""
        self._types[event.topic][event.type] += 1
        self._times[event.topic].append(event.receive_ns)
        if event.stamp_ns is not None:
            self._stamps[event.topic].append(event.stamp_ns)
        if isinstance(event, ImageEvent) and event.topic in self._cameras:
            self._add_image(self._shots[self._cameras[event.topic]], event)
        elif isinstance(event, JointEvent):
            at = event.stamp_ns or event.receive_ns
            for quantity, values in event.values.items():
                if len(values) == len(event.names):
                    for name, value in zip(event.names, values):
                        if name:
                            self._state[f"{name}.{quantity}" if quantity else name].append((at, float(value)))
        elif isinstance(event, CommandEvent) and len(event.times_ns):
            self._commands[event.names].append(event)
        elif isinstance(event, HashEvent):
            self.sample.chunks += event.type == CHUNK and event.horizon > 0
            for name, value in event.hashes.items():
                self.carries(name, value, event.topic)

    def _add_image(self, camera: _Shots, event: ImageEvent) -> None:
        if event.encoding:  # one that nothing tells is a problem of its own
            camera.sample.encodings[event.encoding] += 1
        if event.width:
            camera.sample.sizes[event.width, event.height] += 1
        if event.pixels is None:
            camera.sample.problems[event.problem] += 1
            return
        pixels = event.pixels
        number = len(camera.shots)
        camera.shots.append((
            event.stamp_ns or event.receive_ns, zlib.crc32(pixels), float(pixels[::_STRIDE, ::_STRIDE].std()),
        ))  # fmt: skip
        if number % camera.every == 0:
            camera.thumbnails.append(thumbnail(pixels))
            if len(camera.thumbnails) > MAX_THUMBNAILS:
                camera.thumbnails = camera.thumbnails[::2]
                camera.every *= 2

    def finish(self) -> Sample:
        """The sample of all that was added."""
        sample = self.sample
        for topic, kinds in self._types.items():
            stream = sample.streams.setdefault(topic, Stream(topic))
            stream.types = kinds
            stream.receive_ns = np.array(self._times[topic], np.int64)
            stream.stamp_ns = np.array(self._stamps[topic], np.int64)
        for name, camera in self._shots.items():
            shots = camera.sample
            shots.shot_ns = np.array([shot[0] for shot in camera.shots], np.int64)
            shots.digest = np.array([shot[1] for shot in camera.shots], np.uint32)
            shots.spread = np.array([shot[2] for shot in camera.shots])
            if camera.thumbnails:
                shots.thumbnails = np.stack(camera.thumbnails)
            sample.cameras[name] = shots
        for name, rows in self._state.items():
            sample.state[name] = _series(np.array([r[0] for r in rows], np.int64), np.array([r[1] for r in rows]))
        for names, events in self._commands.items():
            at, positions = flatten(events)
            for column, name in enumerate(names):
                sample.commands[name] = Series(at, positions[:, column])
                rows = np.array([event.receive_ns for event in events], np.int64)
                sample.targets[name] = Series(rows, np.array([event.positions[-1, column] for event in events]))
        everything = [stream.receive_ns for stream in sample.streams.values() if stream.count]
        if everything:
            sample.seconds = (max(t.max() for t in everything) - min(t.min() for t in everything)) / 1e9
        return sample


def _series(at: np.ndarray, values: np.ndarray) -> Series:
    order = np.argsort(at, kind="stable")
    return Series(at[order], values[order])


def flatten(events: list[CommandEvent]) -> tuple[np.ndarray, np.ndarray]:
    """The positions that were commanded, each trajectory until the next one begins: (n,) [ns] and (n, J)."""
    times, rows = [], []
    for event, following in zip(events, [*events[1:], None]):
        end = np.iinfo(np.int64).max if following is None else max(following.times_ns[0], following.receive_ns)
        keep = event.times_ns < end
        times.append(event.times_ns[keep])
        rows.append(event.positions[keep])
    at, positions = np.concatenate(times), np.concatenate(rows)
    order = np.argsort(at, kind="stable")
    return at[order], positions[order]
