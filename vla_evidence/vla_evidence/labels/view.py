"""Whether a camera looks from where it did: the shift between the edges of its image and those of reference images.

Edges averaged over several reference images keep what stands still (table, wall, the robot's foot) and lose what lies
elsewhere each time. The shift is where the correlation with them is greatest. Measured on the simulator's front camera:
up to 2.5 % of the width for untouched views, 4.8 % for a camera moved sideways by 5 cm, 6.4 % for one turned by 3 degrees.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

VIEW_SHIFT = 0.04
"""Shift, as share of the image's width, from which the view is another one."""
MIN_REFERENCES = 4
"""Images that a reference needs: with fewer, an object that moved looks like a camera that did."""
_SIZE = 128
_REACH = 24
"""Largest shift that is looked for, of `_SIZE` pixels."""


class ViewError(ValueError):
    """Reference images that cannot serve. The message names the camera."""


class ReferenceView:
    """How a camera saw in reference episodes.

    Args:
        camera: Its name, for errors.
        images: First image of each episode. Each (H, W, 3) uint8, RGB.

    Raises:
        ViewError: Fewer than `MIN_REFERENCES` images.

    Attributes:
        spread: Largest shift of one of the images against the others, as share of the width.
        steady: Whether the spread leaves room for a verdict. A camera on the hand sees something else each time.
    """

    def __init__(self, camera: str, images: Sequence[np.ndarray]) -> None:
        if len(images) < MIN_REFERENCES:
            raise ViewError(f"camera {camera}: {len(images)} reference images, at least {MIN_REFERENCES} are needed")
        edges = np.array([_edges(image) for image in images])
        total = edges.sum(axis=0)
        others = (total - edges) / (len(edges) - 1)
        self._mean = total / len(edges)
        self.spread = max(_shift(rest, one) for rest, one in zip(others, edges, strict=True))
        self.steady = self.spread < VIEW_SHIFT

    def shift(self, image: np.ndarray) -> float:
        """Shift of an image (H, W, 3) uint8 against the reference, as share of the width."""
        return _shift(self._mean, _edges(image))


def _edges(image: np.ndarray) -> np.ndarray:
    import cv2  # here, because labels without images do without it

    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY).astype(np.float32)
    small = cv2.GaussianBlur(cv2.resize(grey, (_SIZE, _SIZE), interpolation=cv2.INTER_AREA), (0, 0), 1.0)
    size = np.hypot(cv2.Sobel(small, cv2.CV_32F, 1, 0), cv2.Sobel(small, cv2.CV_32F, 0, 1))
    return np.minimum(size, np.percentile(size, 90))  # or the strongest edge would outweigh all others


def _shift(reference: np.ndarray, edges: np.ndarray) -> float:
    import cv2

    inner = np.ascontiguousarray(edges[_REACH:-_REACH, _REACH:-_REACH], dtype=np.float32)
    scores = cv2.matchTemplate(reference.astype(np.float32), inner, cv2.TM_CCOEFF_NORMED)
    _, _, _, (x, y) = cv2.minMaxLoc(scores)
    return float(np.hypot(x - _REACH, y - _REACH)) / _SIZE
