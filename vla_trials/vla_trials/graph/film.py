"""A film and a contact sheet of trials, redrawn from what the graph published."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import imageio.v2 as imageio
import numpy as np
from tqdm import tqdm

from vla_sim.view import SceneView

FRAME_RATE = 12
"""Images a second."""
SIZE = (480, 640)
"""Height and width of the main image [px]."""
INSET = 240
"""Edge of the two camera images at the side [px]."""


PEAK = 0.85
"""Share of a take after which the block is in the air."""


@dataclass
class Take:
    """One trial on film: states at `FRAME_RATE`.

    Attributes:
        caption: Instruction.
        states: (joint positions by name, object poses by name) of each image.
        success: How it ended; None where nobody knows.
    """

    caption: str
    states: list[tuple[dict[str, float], dict[str, np.ndarray]]] = field(default_factory=list)
    success: bool | None = None


def write_film(takes: list[Take], path: Path) -> None:
    """An mp4 with the scene, and beside it the front and the wrist camera."""
    main, eyes = SceneView(SIZE, detail="textured"), SceneView((INSET, INSET), detail="plain")
    with imageio.get_writer(path, fps=FRAME_RATE, codec="libx264", quality=7, macro_block_size=8) as film:
        for take in tqdm(takes, desc="film", unit="trial"):
            for k, (joints, objects) in enumerate(take.states):
                ending = k >= len(take.states) - FRAME_RATE
                image = _captioned(main.draw(joints, objects), take, ending=ending)
                side = np.vstack([eyes.draw(joints, objects, camera) for camera in ("front", "wrist")])
                film.append_data(np.hstack([image, side]))
    main.close()
    eyes.close()


def write_contact_sheet(takes: list[Take], path: Path, *, columns: int = 5) -> None:
    """An image of each trial near its end, with the block in the air."""
    view = SceneView((300, 400))
    tiles = []
    for take in takes:
        if take.states:
            joints, objects = take.states[int(PEAK * (len(take.states) - 1))]
            tiles.append(_captioned(view.draw(joints, objects), take, ending=True))
    view.close()
    if not tiles:
        return
    while len(tiles) % columns:
        tiles.append(np.full_like(tiles[0], 255))
    rows = [np.hstack(tiles[k : k + columns]) for k in range(0, len(tiles), columns)]
    cv2.imwrite(str(path), np.vstack(rows)[..., ::-1])


def write_portrait(take: Take, path: Path, size: tuple[int, int] = (640, 1120)) -> None:
    """One large image of a trial with the block in the hand, and what the two cameras see at that moment."""
    if not take.states:
        return
    joints, objects = take.states[int(PEAK * (len(take.states) - 1))]
    main, eyes = SceneView(size), SceneView((size[0] // 2, size[0] // 2), detail="plain")
    image = _captioned(main.draw(joints, objects), take, ending=False)
    side = np.vstack([eyes.draw(joints, objects, camera) for camera in ("front", "wrist")])
    main.close()
    eyes.close()
    cv2.imwrite(str(path), np.hstack([image, side])[..., ::-1])


def _captioned(image: np.ndarray, take: Take, *, ending: bool) -> np.ndarray:
    image = np.ascontiguousarray(image)
    scale = image.shape[1] / 640 * 0.6
    height = int(34 * scale / 0.6) + 8
    image[-height:] = image[-height:] // 3
    text, color = take.caption, (255, 255, 255)
    if ending and take.success is not None:
        color = (140, 255, 140) if take.success else (255, 140, 140)
        text += "  -  done" if take.success else "  -  not done"
    cv2.putText(
        image, text, (10, image.shape[0] - height // 3), cv2.FONT_HERSHEY_SIMPLEX, scale, color, 1, cv2.LINE_AA
    )
    return image
