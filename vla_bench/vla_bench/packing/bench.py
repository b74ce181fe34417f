"""The same runs with raw and with packed images: how much smaller, how far off the pixels are, and how far off the actions.

The runs are recorded raw, in the simulator, by the policy that is asked again: on the raw images it gives its chunks again to the
bit, so that what is left on the packed ones is the packing's. Nothing but the images differs between the bags.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vla_bags.image_packer import ImageKeeping, packed_topic, video_topic
from vla_bags.reader import Bag
from vla_bags.recorded_cameras import find_camera
from vla_bench.packing.run_bag import packed_copy, record_runs
from vla_contract.card import CameraCard, InterfaceCard, load_card
from vla_contract.ros.images import pixels_of
from vla_evidence.figures.replay import ComparisonFigures
from vla_policy.policy import Policy
from vla_replay.offline.replay import Replay
from vla_trials.lockstep.simulated_cell import SimulatedCell

KEEPINGS = (
    ImageKeeping("raw"), ImageKeeping("png"), ImageKeeping("jpeg", 95), ImageKeeping("jpeg"), ImageKeeping("jpeg", 80),
    ImageKeeping("h264"),
)  # fmt: skip
TRIALS = tuple((task, 3000) for task in ("pick", "place_in_bowl", "cup_on_coaster", "stack"))
NOISE = 3.0
"""About what a real camera adds to each channel, a standard deviation [grey levels of 255]; drawn images have none."""
MINUTES = 2.0
"""Of cameras at the card's rates, for the size of their images."""


@dataclass(frozen=True)
class Actions:
    """Distance between the actions on packed and on raw images, over all steps of all chunks.

    position_mm, rotation_mrad: 95th percentile and maximum, of the worst column [mm, mrad]. gripper: share of steps on the same
    side; equal: share of chunks that are the same to the bit.
    """

    chunks: int
    equal: float
    position_mm: tuple[float, float]
    rotation_mrad: tuple[float, float]
    gripper: float


def packing_bench(
    card_path: str | Path, checkpoint: str, *, trials: Sequence[tuple[str, int]] = TRIALS, seconds: float = 6.0,
    noise: float = 0.0, keepings: tuple[ImageKeeping, ...] = KEEPINGS, folder: Path | None = None,
) -> dict[str, dict]:
    """By how images are kept, in words: figures.

    Args:
        trials: By task and seed.
        seconds: Of each trial, at most [s].
        noise: Of the cameras, see NOISE.
        folder: Where the bags lie for as long as it takes; by default a temporary folder.

    Returns:
        image_kb: mean size of an image [kB]; two_minutes_mb: of all cameras at the card's rates [MB]; smaller: times smaller
        than raw; pixel_mean, pixel_p95, pixel_max: distance of a channel [grey levels of 255]; and the fields of ``Actions``.
    """
    card = load_card(card_path)
    cell = SimulatedCell(card)
    policy = cell.load_policy(checkpoint)
    policy.warm_up()
    with tempfile.TemporaryDirectory(dir=folder) as space:
        raw_path = Path(space) / "run"
        record_runs(raw_path, cell, policy, trials, seconds, noise)
        cell.world.close()
        return {keeping.words: _measured(raw_path, Path(space), card, policy, keeping) for keeping in keepings}


def _measured(raw_path: Path, space: Path, card: InterfaceCard, policy: Policy, keeping: ImageKeeping) -> dict:
    path = space / f"{keeping.kind}_{keeping.quality}"
    with Bag(raw_path) as raw:
        stored = packed_copy(raw, path, keeping)
        with Bag(path) as bag:
            off = _images_off(raw, bag, card)
            actions = actions_off(Replay(bag, card, {"policy": policy}, ()).run().policies["policy"].against_recorded)
    sizes = {camera.name: _stored_size(raw, camera, stored) for camera in card.cameras}
    raw_mb = sum(c.width * c.height * 3 * c.rate for c in card.cameras) * MINUTES * 60 / 1e6
    two_minutes_mb = sum(c.rate * sizes[c.name] for c in card.cameras) * MINUTES * 60 / 1e6
    return {
        "image_kb": round(float(np.mean(list(sizes.values()))) / 1e3, 2),
        "two_minutes_mb": round(two_minutes_mb, 1),
        "smaller": round(raw_mb / two_minutes_mb, 1),
        "pixel_mean": round(float(off.mean()), 2),
        "pixel_p95": float(np.percentile(off, 95)),
        "pixel_max": int(off.max()),
        **vars(actions),
    }


def _stored_size(raw: Bag, camera: CameraCard, stored: dict[str, float]) -> float:
    """Mean size of a camera's messages, on whichever topic they are stored [bytes]."""
    topic = find_camera(raw, camera)[0]
    return next(stored[place] for place in (topic, packed_topic(topic), video_topic(topic)) if place in stored)


def _images_off(raw: Bag, bag: Bag, card: InterfaceCard) -> np.ndarray:
    """How far the channels of all images are from the raw ones' (n,) [grey levels]."""
    off = []
    for camera in card.cameras:
        before, after = (find_camera(one, camera) for one in (raw, bag))
        for (_, plain), (_, packed) in zip(raw.messages([before[0]]), bag.messages([after[0]]), strict=True):
            off.append(np.abs(pixels_of(before[1], plain).astype(np.int16) - pixels_of(after[1], packed)).ravel())
    return np.concatenate(off)


def actions_off(figures: ComparisonFigures) -> Actions:
    """The largest figures of the columns of each unit."""

    def worst(unit: str, scale: float) -> tuple[float, float]:
        columns = [column for column in figures.columns.values() if column.unit == unit]
        return tuple(round(scale * max((getattr(c, key) or 0.0 for c in columns), default=0.0), 3) for key in ("p95", "max"))

    return Actions(
        chunks=figures.chunks, equal=round(figures.equal_chunks / max(figures.chunks, 1), 3), position_mm=worst("m", 1e3),
        rotation_mrad=worst("rad", 1e3), gripper=round(min(figures.gripper_accuracy.values(), default=1.0), 4),
    )  # fmt: skip
