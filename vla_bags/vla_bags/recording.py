"""From subscriptions to the disk: a bounded queue, and a thread that writes. Imports no rclpy."""

from __future__ import annotations

import errno
import json
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vla_bags.bag_folder import BagFolder
from vla_bags.image_packer import PACKED_TYPE, RAW_TYPE, ImagePacker
from vla_bags.offered_qos import Offered
from vla_contract.recording import free_on_disk

IMAGE_TYPES = frozenset({RAW_TYPE, PACKED_TYPE})
_MIB = 1 << 20


@dataclass(frozen=True)
class RecordingLimits:
    """How much is held, and for how long.

    Args:
        queue_bytes: What waits for the disk at most [bytes]; images are dropped from three quarters of it on.
        chunk_bytes: A chunk is written when it is this large [bytes],
        chunk_s: or this old [s]: what a kill of the recorder can cost.
        min_free_bytes: Recording ends when the disk has less left [bytes].
        note_s: Counts of what was dropped are written this often at most [s].
    """

    queue_bytes: int = 96 * _MIB
    chunk_bytes: int = 1 * _MIB
    chunk_s: float = 0.3
    min_free_bytes: int = 256 * _MIB
    note_s: float = 2.0


@dataclass(frozen=True, slots=True)
class _Item:
    topic: str
    stamp_ns: int
    publish_ns: int
    data: bytes
    number: int


class Recording:
    """Takes messages from any thread without ever waiting for the disk.

    Where the disk is slower than the messages, images go first, the oldest first; only when none is left to drop are others
    refused. All of it is counted by topic in `dropped` and in the bag's metadata. Images are packed by the thread that writes,
    when nothing else waits: an encoder that is too slow costs what a slow disk costs, but images only.

    Args:
        folder: The bag.
        limits: See there.
        free_bytes: Tells the free space of the bag's disk [bytes].
        packer: Of the topics that are added with a `packed_definition`, in front of the same folder.

    Attributes:
        failure: Why recording ended by itself, in a line; None while all is well.
        dropped: Messages that are not in the bag because of a slow or full disk, or could not be packed, by topic.
        written: Messages handed to the bag.
    """

    def __init__(
        self, folder: BagFolder, limits: RecordingLimits | None = None, free_bytes: Callable[[], float] | None = None,
        packer: ImagePacker | None = None,
    ) -> None:  # fmt: skip
        self._folder, self._packer = folder, packer
        self._limits = limits or RecordingLimits()
        self._free_bytes = free_bytes or (lambda: free_on_disk(folder.path))
        self.failure: str | None = None
        self.dropped: Counter[str] = Counter()
        self.written = 0
        self._images: deque[_Item] = deque()
        self._others: deque[_Item] = deque()
        self._image_topics: set[str] = set()
        self._new_topics: list[tuple] = []
        self._notes: dict[str, str] = {}
        self._bytes = 0
        self._number = 0
        self._ending = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="bag writer", daemon=True)
        self._thread.start()

    @property
    def queued_bytes(self) -> int:
        """What waits for the disk [bytes]."""
        return self._bytes

    @property
    def not_packed(self) -> dict[str, str]:
        """By topic, why an image was not packed."""
        return dict(self._packer.problems) if self._packer else {}

    def add_topic(
        self, topic: str, type_name: str, definition: str, offered: Sequence[Offered], type_hash: str = "",
        packed_definitions: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """Makes a topic known, before its first message.

        packed_definitions: Of the types that its images may become, by name, where the packer is to take this topic.
        """
        with self._changed:
            if type_name in IMAGE_TYPES:
                self._image_topics.add(topic)
            self._new_topics.append((topic, type_name, definition, tuple(offered), type_hash, packed_definitions))

    def note(self, metadata: dict[str, str]) -> None:
        """Adds to the bag's metadata."""
        with self._changed:
            self._notes.update(metadata)

    def offer(self, topic: str, stamp_ns: int, publish_ns: int, data: bytes) -> bool:
        """Takes a message for the bag.

        Args:
            topic: Absolute name, known by `add_topic`.
            stamp_ns: When it was received [ns].
            publish_ns: When it was published [ns].
            data: As it came (CDR).

        Returns:
            False where it was dropped.
        """
        with self._changed:
            if self._ending:
                return False
            is_image = topic in self._image_topics
            limit = self._limits.queue_bytes
            while self._images and self._bytes + len(data) > (limit * 3 // 4 if is_image else limit):
                self._drop(self._images.popleft())
            if self._bytes + len(data) > limit and self._bytes:
                self.dropped[topic] += 1
                return False
            self._number += 1
            (self._images if is_image else self._others).append(_Item(topic, stamp_ns, publish_ns, data, self._number))
            self._bytes += len(data)
            self._changed.notify()
            return True

    def _drop(self, item: _Item) -> None:
        self._bytes -= len(item.data)
        self.dropped[item.topic] += 1

    def close(self, timeout: float = 30.0) -> None:
        """Writes what waits, ends the bag. A second call does nothing more.

        Args:
            timeout: A disk that answers no more is left alone after this time [s]; `failure` says so.
        """
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join(timeout)
        if self._thread.is_alive() and self.failure is None:
            self.failure = f"{self._folder.path}: the disk did not take the rest in {timeout:g} s; the bag has no end"

    # The writer's thread

    def _run(self) -> None:
        try:
            self._write_all()
        except OSError as error:
            self._fail(_reason(error))
        except Exception as error:  # a fault of ours must end the recording aloud, not its thread in silence
            self._fail(f"{type(error).__name__}: {error}")
        finally:
            with self._changed:
                self._ending = True
                for item in (*self._images, *self._others):
                    self.dropped[item.topic] += 1
                self._images.clear()
                self._others.clear()
                self._bytes = 0
            self._end()

    def _fail(self, reason: str) -> None:
        if self.failure is None:
            self.failure = f"{self._folder.path}: recording ended: {reason}"

    def _end(self) -> None:
        self._folder.release_reserve()
        if self._packer:
            self._packer.end()
        for step in (self._flush, self._note_last, self._folder.close):
            try:
                step()
            except OSError as error:
                self._fail(_reason(error))

    def _note_last(self) -> None:
        self._folder.note({**self._notes, "dropped": json.dumps(dict(self.dropped))})

    def _write_all(self) -> None:
        last_flush = last_note = time.monotonic()
        last_look = -math.inf
        noted: dict[str, int] = {}
        while True:
            with self._changed:
                if not (self._images or self._others or self._ending):
                    self._changed.wait(self._limits.chunk_s / 3)
                ending = self._ending and not (self._images or self._others)
            self._take_batch()
            now = time.monotonic()
            if now - last_flush >= self._limits.chunk_s:
                self._flush()
                last_flush = now
            if now - last_look >= 1.0:
                self._look_at_disk()
                last_look = now
            if now - last_note >= self._limits.note_s and noted != (counts := dict(self.dropped)):
                self._folder.note({"dropped": json.dumps(counts)})
                last_note, noted = now, counts
            if ending:
                return

    def _take_batch(self) -> None:
        """Moves what waits into a chunk until it is full, or old: in the order of arrival, but images to be packed last."""
        with self._changed:
            topics, self._new_topics = self._new_topics, []
            notes, self._notes = self._notes, {}
        for topic, type_name, *more, packed_definitions in topics:
            if self._packer and packed_definitions:
                self._packer.add(topic, *more, packed_definitions)
            else:
                self._folder.add_topic(topic, type_name, *more)
        if notes:
            self._folder.note(notes)
        end = time.monotonic() + self._limits.chunk_s
        while self._folder.writer.pending_bytes < self._limits.chunk_bytes and time.monotonic() < end:
            with self._changed:
                if self._new_topics or not (self._images or self._others):
                    return  # a topic that has just been added comes before its messages
                item = (self._images if self._image_is_next() else self._others).popleft()
                self._bytes -= len(item.data)
            self._write(item)
        self._flush()

    def _image_is_next(self) -> bool:
        if not (self._images and self._others):
            return bool(self._images)
        waits = self._packer is not None and self._packer.takes(self._images[0].topic)
        return not waits and self._images[0].number < self._others[0].number

    def _write(self, item: _Item) -> None:
        packs = self._packer is not None and self._packer.takes(item.topic)
        write = self._packer.write if packs else self._folder.write
        if write(item.topic, item.stamp_ns, item.publish_ns, item.data) is False:
            self.dropped[item.topic] += 1
        else:
            self.written += 1

    def _flush(self) -> None:
        pending = self._folder.pending()
        try:
            self._folder.writer.flush()
        except OSError:
            self.dropped.update(pending)
            self.written -= sum(pending.values())
            raise

    def _look_at_disk(self) -> None:
        free = self._free_bytes()
        if free < self._limits.min_free_bytes:
            least = self._limits.min_free_bytes // _MIB
            raise OSError(f"the disk is nearly full: {free // _MIB} MiB are free, {least} MiB must stay")


def _reason(error: OSError) -> str:
    return f"the disk is full ({error.strerror})" if error.errno == errno.ENOSPC else (error.strerror or str(error))
