"""How far apart two chunks are at equal due times. Pure functions: for replay of two policies and for shadow mode alike."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vla_contract.action_space import GRIPPER, POSE_AXES
from vla_contract.chunk import ActionChunk
from vla_motion.rotation import exp, log
from vla_replay.offline.errors import ReplayError

STILL = 1e-3
"""Net motion below this has no direction [m or rad]."""
GRIPPER_MIDDLE = 0.5
"""Between open and closed, where the card's own values are not given."""


@dataclass(frozen=True)
class Columns:
    """Which columns are what. translation and rotation per Cartesian arm, joints, grippers.

    is_delta: motion counts from the previous action. Where it does not, rotation vectors are poses: they wrap at half a turn,
    and the difference of two is the turn from one to the other.
    """

    translation: tuple[tuple[int, ...], ...]
    rotation: tuple[tuple[int, ...], ...]
    joints: tuple[int, ...]
    grippers: tuple[int, ...]
    is_delta: bool


def columns_of(chunk: ActionChunk) -> Columns:
    """By the chunk's action space and names."""
    grippers = tuple(i for i, name in enumerate(chunk.names) if name.endswith(f".{GRIPPER}"))
    motion = [i for i in range(len(chunk.names)) if i not in grippers]
    if not chunk.action_space.is_cartesian:
        return Columns((), (), tuple(motion), grippers, chunk.action_space.is_delta)
    arms: dict[str, dict[str, int]] = {}
    for i in motion:
        arm, _, axis = chunk.names[i].rpartition(".")
        arms.setdefault(arm, {})[axis] = i
    translation = tuple(tuple(axes[a] for a in POSE_AXES[:3] if a in axes) for axes in arms.values())
    rotation = tuple(tuple(axes[a] for a in POSE_AXES[3:] if a in axes) for axes in arms.values())
    return Columns(translation, rotation, (), grippers, chunk.action_space.is_delta)


@dataclass(frozen=True)
class Pairing:
    """Steps of two chunks that are due together.

    first, second (N, D): their actions, in one space. due_ns (N,): of the first chunk's steps. offset_ns: how much later
    the second one's are due, at most half a step. comparable: False where both count from different observed poses, which
    only a model of the arm could bring together; then only grippers can be compared.
    """

    first: np.ndarray
    second: np.ndarray
    due_ns: np.ndarray
    offset_ns: int
    comparable: bool

    def __len__(self) -> int:
        return len(self.due_ns)


def pair(first: ActionChunk, second: ActionChunk) -> Pairing:
    """Pairs the steps of two chunks by due time, without those that only repeat what was commanded before (committed steps).

    ReplayError where names, space or step period differ.
    """
    for field in ("names", "action_space", "step_period_ns"):
        a, b = getattr(first, field), getattr(second, field)
        if a != b:
            raise ReplayError(f"{field}: {said(a)} and {said(b)}; only chunks of one contract can be compared")
    period = max(first.step_period_ns, 1)
    shift = round((second.stamp_ns - first.stamp_ns) / period)  # second's row j is due with first's row j + shift
    begin, end = max(first.committed_steps, second.committed_steps + shift, 0), min(first.horizon, second.horizon + shift)
    rows = np.arange(begin, max(begin, end))
    a, b = first.actions[rows], second.actions[rows - shift]
    comparable = True
    if first.action_space.is_relative and not np.array_equal(first.reference_positions, second.reference_positions):
        motion = [i for i in range(len(first.names)) if i not in columns_of(first).grippers]
        references = first.reference_positions, second.reference_positions
        comparable = not first.action_space.is_cartesian and all(len(r) == len(motion) for r in references)
        if comparable:
            a, b = a.copy(), b.copy()
            a[:, motion] += references[0]
            b[:, motion] += references[1]
    offset = second.stamp_ns - first.stamp_ns - shift * period
    return Pairing(a, b, first.step_stamps_ns()[rows], int(offset), comparable)


def said(value: object) -> str:
    """A field of a chunk's contract in words."""
    return value.name if hasattr(value, "name") else ", ".join(value) if isinstance(value, tuple) else str(value)


def difference(first: np.ndarray, second: np.ndarray, columns: Columns) -> np.ndarray:
    """Of two sets of rows (N, D), in the units of the columns: second - first.

    Rotations of poses are composed: log(R_second R_first^T), in base axes, at most pi [rad]. A rotation that is not finite in
    one column is NaN in all three.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        off = second - first
    for arm in columns.rotation:
        if len(arm) == 3 and not columns.is_delta:
            off[:, list(arm)] = turns(first[:, list(arm)], second[:, list(arm)])
    return off


def turns(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Rotation vectors (N, 3) [rad] that turn the first ones (N, 3) into the second ones, from the left; NaN where not finite."""
    with np.errstate(invalid="ignore", over="ignore"):
        a, b = exp(first), exp(second)
    known = np.isfinite(a).all(axis=(1, 2)) & np.isfinite(b).all(axis=(1, 2))
    out = np.full(first.shape, np.nan)
    out[known] = log(b[known] @ np.swapaxes(a[known], 1, 2))
    out[known & (first == second).all(axis=1)] = 0.0  # equal to the bit is no turn, where composing leaves a rounding error
    return out


def net_motion(rows: np.ndarray, arm: tuple[int, ...], columns: Columns) -> np.ndarray:
    """Where rows (N, D) lead, in these columns of an arm: the sum of deltas, or from the first target to the last. Shape (C,)."""
    if columns.is_delta:
        return rows[:, list(arm)].sum(axis=0)
    return difference(rows[:1], rows[-1:], columns)[0, list(arm)]


def cosine(a: np.ndarray, b: np.ndarray) -> float | None:
    """Of the angle between two vectors; None where one of them is shorter than STILL, NaN where one is not finite."""
    lengths = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    if not np.isfinite(lengths).all():
        return math.nan
    if min(lengths) < STILL:
        return None
    return float(np.clip(a @ b / (lengths[0] * lengths[1]), -1.0, 1.0))


def direction_cosines(a: np.ndarray, b: np.ndarray, columns: Columns) -> dict[str, list[float]]:
    """Of the net motion of two sets of rows (N, D), by "translation", "rotation" and "joints"; empty: nothing moves."""
    groups = {"translation": columns.translation, "rotation": columns.rotation, "joints": (columns.joints,)}
    out: dict[str, list[float]] = {}
    for name, arms in groups.items():
        pairs = [(net_motion(a, arm, columns), net_motion(b, arm, columns)) for arm in arms if arm]
        if pairs:
            out[name] = [c for c in (cosine(*p) for p in pairs) if c is not None]
    return out


def grippers_agree(
    a: np.ndarray, b: np.ndarray, names: tuple[str, ...], columns: Columns, middles: Mapping[str, float] | None = None
) -> np.ndarray:
    """Whether both are on the same side of the middle between open and closed; NaN is on neither. Shape (N, G) bool."""
    chosen = list(columns.grippers)
    middle = np.array([(middles or {}).get(names[i], GRIPPER_MIDDLE) for i in chosen])
    known = ~(np.isnan(a[:, chosen]) | np.isnan(b[:, chosen]))
    return known & ((a[:, chosen] > middle) == (b[:, chosen] > middle))


def jump_of(pairing: Pairing, columns: Columns) -> dict[str, float]:
    """The discontinuity where the second chunk takes over, at the first step that both have.

    "jump": translation [m] or joint vector [rad]; "jump_rotation" [rad] for Cartesian spaces. Of delta spaces it is the
    difference of that one step's motion, of the others the distance between its two targets. Of several arms the largest;
    NaN where that of one arm is not finite.
    """
    if not len(pairing) or not pairing.comparable:
        return {}
    step = difference(pairing.first[:1], pairing.second[:1], columns)[0]
    groups = {"jump": (*columns.translation, columns.joints), "jump_rotation": columns.rotation}
    sizes = {name: [np.linalg.norm(step[list(arm)]) for arm in arms if arm] for name, arms in groups.items()}
    return {name: float(np.max(size)) for name, size in sizes.items() if size}  # the built-in max would lose a NaN


def divergence(
    chunk_a: ActionChunk, chunk_b: ActionChunk, gripper_middles: Mapping[str, float] | None = None
) -> dict:
    """What two chunks disagree about, at equal due times; brakes (horizon 0) have no steps to compare.

    Keys: ``steps`` that both have; ``offset_ms`` between their grids; ``columns``: for each name mean_abs and max of the
    difference b - a in the column's unit; ``cosine``: of the net motion, of "translation" and "rotation" or "joints";
    ``gripper_agreement``: share of steps with all grippers alike; ``jump`` (see ``jump_of``). What cannot be known is None.
    Figures of actions that are not finite are NaN or infinite; ``vla_contract.json_ready.json_ready`` makes JSON of them.

    Args:
        gripper_middles: By column name, the value between open and closed. Default: 0.5.

    Raises:
        ReplayError: Names, action space or step period differ.
    """
    pairing, columns = pair(chunk_a, chunk_b), columns_of(chunk_a)
    row: dict = {"steps": len(pairing), "offset_ms": pairing.offset_ns * 1e-6}
    row |= {"columns": {}, "cosine": {}, "gripper_agreement": None, "jump": None}
    if not len(pairing):
        return row
    if columns.grippers:
        agree = grippers_agree(pairing.first, pairing.second, chunk_a.names, columns, gripper_middles)
        row["gripper_agreement"] = float(agree.all(axis=1).mean())
    if not pairing.comparable:
        return row
    off = np.abs(difference(pairing.first, pairing.second, columns))
    row["columns"] = {
        name: {"mean_abs": float(off[:, i].mean()), "max": float(off[:, i].max())} for i, name in enumerate(chunk_a.names)
    }
    cosines = direction_cosines(pairing.first, pairing.second, columns)
    row["cosine"] = {name: (float(np.min(values)) if values else None) for name, values in cosines.items()}
    row |= jump_of(pairing, columns)
    return row
