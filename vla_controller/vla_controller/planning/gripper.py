"""A gripper column becomes open and close commands, each at its time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from vla_contract.card import GripperCard
from vla_contract.chunk import ActionChunk
from vla_controller.planning.anchor import Schedule
from vla_controller.planning.arm import Arm
from vla_motion.trajectory import JointTrajectory

_HYSTERESIS = 0.1  # of the way from closed to open, on either side of the middle
_TRAVEL_NS = 300_000_000


@dataclass(frozen=True)
class GripperCommand:
    """A command for a gripper that no joint trajectory controller drives.

    topic: of the card, relative. interface: gripper_command or parallel_gripper_command (actions of control_msgs) or binary (a
    message with one number). joint: that moves. position: the card's open or closed one [m, or rad for a revolute joint].
    failed: to be called where the gripper did not get it or refused it; the next chunk then commands it again.
    """

    topic: str
    interface: str
    joint: str
    position: float
    failed: Callable[[], None] = field(default=lambda: None, compare=False, repr=False)


class Gripper:
    """Two states with hysteresis; a command goes out on the first wish, on each change, and again after one that failed."""

    def __init__(self, card: GripperCard) -> None:
        self._card = card
        self._open: bool | None = None
        self._sent: bool | None = None  # as _open, and None after a command that failed
        self._number = 0
        self._pending: list[tuple[int, bool]] = []

    @property
    def is_open(self) -> bool | None:
        """Last commanded state; None before the first command."""
        return self._open

    def schedule(self, values: np.ndarray, due_ns: np.ndarray, first: int, last: int, now_ns: int) -> None:
        """Replaces what was scheduled by a chunk's column: values (H,) in the policy's range, due_ns (H,).

        Steps first .. last - 1 are commanded when due. What the steps before ``first`` asked for last is commanded at once.
        """
        self._pending = []
        state, sent = self._open, self._sent
        if first > 0:
            state = self._decide(values[first - 1], state)
            if state is not sent:
                self._pending.append((now_ns, state))
                sent = state
        for i in range(first, last):
            state = self._decide(values[i], state)
            if state is not sent:
                self._pending.append((int(due_ns[i]), state))
                sent = state

    def hold(self) -> None:
        """Drops what was scheduled; the gripper stays as it is."""
        self._pending = []

    def forget(self) -> None:
        """As after start: the next wish is commanded whatever it is."""
        self._open, self._sent, self._pending = None, None, []

    def due(self, now_ns: int) -> list[JointTrajectory | GripperCommand]:
        """Commands whose time has come, the newest only: of the kind that the card's interface takes."""
        ready = [state for due, state in self._pending if due <= now_ns]
        if not ready:
            return []
        self._pending = self._pending[len(ready) :]
        if ready[-1] is self._sent:
            return []
        self._open = self._sent = ready[-1]
        self._number += 1
        return [self._command(self._open, partial(self._on_failed, self._number))]

    def _on_failed(self, number: int) -> None:
        if number == self._number:  # else a newer one has replaced it
            self._sent = None

    def _decide(self, value: float, state: bool | None) -> bool:
        card = self._card
        openness = (value - card.closed_value) / (card.open_value - card.closed_value)
        band = 0.0 if state is None else _HYSTERESIS if not state else -_HYSTERESIS
        return bool(openness > 0.5 + band)

    def _command(self, opened: bool, failed: Callable[[], None]) -> JointTrajectory | GripperCommand:
        position = self._card.open_position if opened else self._card.closed_position
        if self._card.interface != "jtc":
            return GripperCommand(self._card.topic, self._card.interface, self._card.joint, position, failed)
        return JointTrajectory(
            topic=self._card.topic,
            stamp_ns=0,
            joint_names=(self._card.joint,),
            times_ns=np.array([_TRAVEL_NS], dtype=np.int64),
            positions=np.array([[position]]),
            velocities=np.zeros((1, 1)),
        )


class Grippers:
    """The grippers of all arms; arms without one are passed over."""

    def __init__(self, arms: Sequence[Arm]) -> None:
        self._grippers = [(arm.gripper_column, Gripper(arm.card.gripper)) for arm in arms if arm.card.gripper]

    def schedule(self, chunk: ActionChunk, schedule: Schedule, now_ns: int) -> None:
        """As Gripper.schedule, each with its column of the chunk."""
        for column, gripper in self._grippers:
            # steps that are committed are executed as they were planned before, and still to come
            first = min(schedule.first, int(np.searchsorted(schedule.due_ns, now_ns, side="right")))
            gripper.schedule(chunk.actions[:, column], schedule.due_ns, first, schedule.last, now_ns)

    def hold(self) -> None:
        """As Gripper.hold."""
        for _, gripper in self._grippers:
            gripper.hold()

    def forget(self) -> None:
        """As Gripper.forget."""
        for _, gripper in self._grippers:
            gripper.forget()

    def ready(self, now_ns: int) -> tuple[list[JointTrajectory], list[GripperCommand]]:
        """As Gripper.due, parted: for joint trajectory controllers, and for grippers driven in another way."""
        commands = [command for _, gripper in self._grippers for command in gripper.due(now_ns)]
        return (
            [command for command in commands if isinstance(command, JointTrajectory)],
            [command for command in commands if isinstance(command, GripperCommand)],
        )
