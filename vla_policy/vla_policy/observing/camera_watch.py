"""Is a camera's image worth deciding from? Tells black and frozen ones from a scene that merely stands still."""

from __future__ import annotations

import numpy as np

BLACK_SPREAD = 1.5
"""Largest standard deviation of an image without a scene, in grey levels of 0 to 255."""
FROZEN_FRAMES = 5
"""This many images in a row are the same to the byte ..."""
FROZEN_NS = 300_000_000
"""... over at least this time [ns] ..."""
FROZEN_MOTION = 0.05
"""... while the joints moved by at least this much in all [rad]. A simulated scene at rest repeats itself, and is no fault."""

_STRIDE = 8


class CameraWatch:
    """Follows one camera. ``fault`` is None, or ("black" | "frozen", words with numbers)."""

    def __init__(self) -> None:
        self._last: np.ndarray | None = None
        self._since_ns = 0
        self._repeats = 0
        self._joints: np.ndarray | None = None
        self._spread = np.inf
        self._span_ns = 0

    def see(self, image: np.ndarray, stamp_ns: int, joints: np.ndarray | None) -> None:
        """image: (H, W, 3) uint8; joints: (J,) positions now [rad], None where not known yet."""
        self._spread = float(image[::_STRIDE, ::_STRIDE].std())
        same = self._last is not None and self._last.shape == image.shape and np.array_equal(self._last, image)
        if same:
            self._repeats += 1
            self._span_ns = stamp_ns - self._since_ns
            if self._joints is None:
                self._joints = joints
        else:
            # Motion counts from the second image on: the first may have come before the joint state that belongs to it.
            self._repeats, self._since_ns, self._span_ns, self._joints = 0, stamp_ns, 0, None
        self._last = image

    def fault(self, joints: np.ndarray | None) -> tuple[str, str] | None:
        """What is wrong with the newest image, given where the joints are now."""
        if self._spread < BLACK_SPREAD:
            words = f"the image has no content: its values spread by {self._spread:.1f}, a scene by more than {BLACK_SPREAD}"
            return "black", words
        if (
            self._repeats + 1 >= FROZEN_FRAMES
            and self._span_ns >= FROZEN_NS
            and joints is not None
            and self._joints is not None
        ):
            motion = float(np.abs(joints - self._joints).sum())
            if motion >= FROZEN_MOTION:
                return "frozen", (
                    f"the same image {self._repeats + 1} times over {self._span_ns / 1e9:.2f} s, "
                    f"while the joints moved by {motion:.2f} rad"
                )
        return None
