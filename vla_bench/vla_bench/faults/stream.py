"""A stream of chunks that keeps the tool swinging sideways, in place of a policy where a fault needs precise chunks."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable

import numpy as np

from vla_contract.action_space import ActionSpace
from vla_contract.card import InterfaceCard
from vla_contract.chunk import ActionChunk
from vla_contract.ros.convert import chunk_to_msg
from vla_contract.ros.stamps import ns_to_stamp

AMPLITUDE = 0.12  # [m]
PERIOD = 2.4  # [s] of one swing out and back: 0.31 m/s at most
_AGE_NS = 30_000_000
_PHASES = 120


def swing(t: np.ndarray) -> np.ndarray:
    """How far out the tool is [m] at t [s] since the start, which is at rest."""
    return AMPLITUDE * (1.0 - np.cos(2.0 * np.pi / PERIOD * np.maximum(t, 0.0)))


class ChunkStream:
    """Publishes chunks of one run from a thread, until `stop`.

    Args:
        card: Its action space has to be EE_DELTA, as ValueError says otherwise.
        publish: Takes the messages.
        clock_ns: ROS time of the graph [ns].
        side: 1.0 or -1.0, the way along y that the swing goes first.
        alter: Makes another chunk of each.
    """

    def __init__(
        self, card: InterfaceCard, publish: Callable, clock_ns: Callable[[], int], side: float,
        alter: Callable[[ActionChunk], ActionChunk] | None = None,
    ) -> None:  # fmt: skip
        if card.action_space is not ActionSpace.EE_DELTA:
            raise ValueError(f"action space is {card.action.space}, the stream can do EE_DELTA only")
        self._card, self._publish, self._clock_ns, self._side = card, publish, clock_ns, side
        self.alter = alter
        self.run_id = uuid.uuid4().hex
        self.sequence = 0
        self.sent: list[ActionChunk] = []
        self._start_ns = clock_ns()
        self._prepared: list = []
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def chunk(self) -> ActionChunk:
        """The next one, of an observation made a moment ago."""
        stamp = self._clock_ns() - _AGE_NS
        chunk = self._of(stamp, (stamp - self._start_ns) * 1e-9)
        self.sequence += 1
        return chunk if self.alter is None else self.alter(chunk)

    def _of(self, stamp: int, since: float) -> ActionChunk:
        """since: where the swing is at that stamp, in time since its start [s]."""
        card, period = self._card, self._card.action.step_period
        actions = np.zeros((card.action.horizon, card.action_dim))
        out = swing(since + period * np.arange(card.action.horizon + 1))
        arm = card.arms[0]
        actions[:, card.action.names.index(f"{arm.name}.y")] = self._side * np.diff(out)
        if arm.gripper:
            actions[:, card.gripper_column(arm.name)] = arm.gripper.open_value
        return ActionChunk(
            stamp_ns=stamp, frame_id=arm.base_frame, image_stamps_ns=(stamp,) * len(card.cameras), state_stamp_ns=stamp,
            run_id=self.run_id, sequence=self.sequence, card_hash=card.card_hash, action_space=card.action_space,
            names=tuple(card.action.names), actions=actions, step_period_ns=card.step_period_ns,
            valid_for_ns=card.max_open_loop_ns,
        )  # fmt: skip

    def prepare(self) -> None:
        """Makes the messages of a whole swing, for `send_prepared`."""
        self._prepared = [chunk_to_msg(self._of(0, PERIOD * k / _PHASES)) for k in range(_PHASES)]

    def send_prepared(self) -> None:
        """One chunk, now, from those made before: a flood must not wait for its sender."""
        stamp = self._clock_ns() - _AGE_NS
        message = self._prepared[int((stamp - self._start_ns) * 1e-9 / PERIOD * _PHASES) % _PHASES]
        message.header.stamp = message.state_stamp = ns_to_stamp(stamp)
        message.image_stamps = [message.state_stamp] * len(message.image_stamps)
        message.sequence = self.sequence
        self.sequence += 1
        self._publish(message)

    def send(self) -> None:
        """One chunk, now."""
        chunk = self.chunk()
        self._publish(chunk_to_msg(chunk))
        self.sent.append(chunk)

    def start(self, rate: float = 10.0) -> None:
        """Chunks at this rate [Hz], from a thread."""

        def loop() -> None:
            due = time.monotonic()
            while not self._stopping.is_set():
                self.send()
                due += 1.0 / rate
                self._stopping.wait(max(0.0, due - time.monotonic()))

        self._thread = threading.Thread(target=loop, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No more chunks."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
