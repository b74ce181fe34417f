"""A chunk of actions: the policy's plan from one observation."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vla_contract.action_space import ActionSpace


class ChunkError(ValueError):
    """A chunk whose parts do not fit together. The message names the part and what fits."""


def frozen_array(values, what: str) -> np.ndarray:
    """A read-only float64 copy of ``values``; ChunkError names ``what`` where they are no rectangle of numbers."""
    try:
        array = np.array(values, dtype=np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise ChunkError(f"{what}: not a rectangular array of numbers ({error})") from None
    array.flags.writeable = False
    return array


@dataclass(frozen=True, eq=False)
class ActionChunk:
    """H steps of D columns, in the card's action space. Field by field what ActionChunk.msg carries.

    Target i (from 0) is due at ``stamp_ns + (i + 1) * step_period_ns``. A horizon of 0 means: brake now, without latching.
    Only shapes are checked here. Values that are not finite pass, because the controller has to see, refuse and report them.

    Raises ChunkError where ``actions`` is not (H, len(names)) or ``reference_positions`` is not a vector.
    """

    stamp_ns: int
    """Acquisition of the first camera of the card [ns], never the time of publishing."""
    frame_id: str
    """Base frame of Cartesian values."""
    image_stamps_ns: tuple[int, ...]
    """Acquisition of each camera, in card order [ns]."""
    state_stamp_ns: int
    """Instant for which the state was taken [ns]."""
    run_id: str
    """UUID of the run, 32 hex digits. Chunks of an older run are refused."""
    sequence: int
    """Counts up within a run. A gap is reported LOST."""
    card_hash: str
    """Of the card that the policy node runs with."""
    action_space: ActionSpace
    names: tuple[str, ...]
    """One name for each column. Shape (D,)."""
    actions: np.ndarray
    """Shape (H, D), float64, read-only. Units: [m] and [rad], grippers in the policy's polarity."""
    step_period_ns: int
    valid_for_ns: int
    """Counted from ``stamp_ns``; motion after it is the stop [ns]."""
    committed_steps: int = 0
    """Leading steps that repeat what was already planned, and must not change."""
    reference_positions: np.ndarray = field(default_factory=lambda: np.empty(0))
    """Observed positions that RELATIVE actions count from. Shape (R,)."""
    inference_start_ns: int = 0
    """ROS time [ns], as the three below on their own clocks."""
    inference_end_ns: int = 0
    inference_start_steady_ns: int = 0
    inference_end_steady_ns: int = 0
    image_receipt_steady_ns: int = 0
    """When the first camera's image reached the policy node, steady clock [ns]."""

    def __post_init__(self) -> None:
        names = tuple(self.names)
        actions = frozen_array(self.actions, "actions")
        if actions.size == 0:
            actions = actions.reshape(0, len(names))
            actions.flags.writeable = False
        if actions.ndim != 2:
            raise ChunkError(f"actions: shape {actions.shape}, allowed is (horizon, {len(names)})")
        if actions.shape[1] != len(names):
            raise ChunkError(f"actions: {actions.shape[1]} columns, {len(names)} names need {len(names)}")
        reference = frozen_array(self.reference_positions, "reference_positions")
        if reference.ndim != 1:
            raise ChunkError(f"reference_positions: shape {reference.shape}, allowed is one vector")
        try:
            space = ActionSpace(self.action_space)
        except ValueError:
            allowed = ", ".join(f"{s.value} {s.name}" for s in ActionSpace)
            raise ChunkError(f"action_space: {self.action_space!r}, allowed are {allowed}") from None
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "actions", actions)
        object.__setattr__(self, "reference_positions", reference)
        object.__setattr__(self, "action_space", space)
        object.__setattr__(self, "image_stamps_ns", tuple(self.image_stamps_ns))

    @property
    def horizon(self) -> int:
        """Number of steps H; 0 means brake now."""
        return self.actions.shape[0]

    def step_stamps_ns(self) -> np.ndarray:
        """When each target is due [ns]. Shape (H,), int64."""
        return self.stamp_ns + self.step_period_ns * np.arange(1, self.horizon + 1, dtype=np.int64)
