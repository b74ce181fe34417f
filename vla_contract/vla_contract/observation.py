"""What a policy sees at one instant."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from vla_contract.json_ready import json_ready


class ObservationShapeError(ValueError):
    """An observation whose parts do not fit together. The message names the part and what fits."""


@dataclass(frozen=True, eq=False)
class VLAObservation:
    """Newest images, the state at their instant, and the instruction.

    Raises ObservationShapeError where an image is not (H, W, 3) uint8, or names and values do not match.
    """

    stamp_ns: int
    """Acquisition of the first camera of the card [ns]."""
    images: dict[str, np.ndarray]
    """By camera name: (H, W, 3) uint8, RGB. Whole, as the camera sends them; what a card's `crop` and `resize` leave of them
    is made on the way into a policy, for those of other packages by ``load_policy``."""
    image_stamps_ns: dict[str, int]
    """Acquisition of each image [ns], by the same names."""
    state: np.ndarray
    """Shape (S,), float64, in card order. Units as the fields: [rad], [m], [rad/s]."""
    state_names: tuple[str, ...]
    """Shape (S,)."""
    state_stamp_ns: int
    """Instant that the state holds for [ns]: interpolated to, or of the message that is nearest."""
    instruction: str
    state_apart_ns: int = 0
    """How far the nearest joint state really measured lies from ``stamp_ns`` [ns], of the field with the furthest one."""

    def __post_init__(self) -> None:
        for name, image in self.images.items():
            if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
                raise ObservationShapeError(
                    f"image {name}: {image.dtype} of shape {image.shape}, allowed is uint8 of shape (H, W, 3)"
                )
        if set(self.images) != set(self.image_stamps_ns):
            raise ObservationShapeError(
                f"image_stamps_ns: stamps of {sorted(self.image_stamps_ns)}, images of {sorted(self.images)}"
            )
        state = np.array(self.state, dtype=np.float64)
        names = tuple(self.state_names)
        if state.shape != (len(names),):
            raise ObservationShapeError(f"state: shape {state.shape}, {len(names)} names need ({len(names)},)")
        state.flags.writeable = False
        object.__setattr__(self, "state", state)
        object.__setattr__(self, "state_names", names)

    def as_row(self) -> dict:
        """The evidence of this observation, ready for JSON: stamps, values, and a digest of each image instead of pixels."""
        return {
            "kind": "observation",
            "stamp_ns": int(self.stamp_ns),
            "instruction": self.instruction,
            "images": {
                name: {
                    "stamp_ns": int(self.image_stamps_ns[name]),
                    "height": int(image.shape[0]),
                    "width": int(image.shape[1]),
                    "sha256": hashlib.sha256(np.ascontiguousarray(image)).hexdigest(),
                }
                for name, image in self.images.items()
            },
            "state_stamp_ns": int(self.state_stamp_ns),
            "state": dict(zip(self.state_names, json_ready(self.state))),
        }
