"""Are colours and cameras the right way round? Images tell: of the training, from the checkpoint, or of a good run."""

from __future__ import annotations

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.image_encodings import GREYS
from vla_replay.preflight.finding import Finding, error
from vla_replay.preflight.known import Known
from vla_replay.preflight.sample import Sample

GRID = 4
"""Cells of the profile along each side."""
CLEARLY = 0.6
"""The corrected images must lie nearer to the reference than this share of the distance of the images as they are."""
APART = 6.0
"""And the images as they are at least this far from it, in grey levels."""


def check(card: InterfaceCard, sample: Sample, known: Known) -> list[Finding]:
    """Checks ``colours`` (red and blue exchanged) and ``cameras`` (two cameras exchanged)."""
    if not known.images:
        return []
    seen = {name: profile(camera.thumbnails) for name, camera in sample.cameras.items() if len(camera.thumbnails)}
    reference = {name: profile(images) for name, images in known.images.items() if len(images)}
    return _cameras(card, seen, reference, known) or _colours(card, seen, reference, known)


def profile(thumbnails: np.ndarray) -> np.ndarray:
    """Median colour of each cell of a coarse grid. (k, 32, 32, 3) to (4, 4, 3) [grey levels]."""
    cell = thumbnails.shape[1] // GRID
    return np.median(thumbnails.reshape(len(thumbnails), GRID, cell, GRID, cell, 3).mean((2, 4)), axis=0)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Root mean square [grey levels]."""
    return float(np.sqrt(np.mean((a - b) ** 2)))


def tint(cells: np.ndarray) -> np.ndarray:
    """Red minus blue of each cell, which brightness hardly changes. (4, 4) [grey levels]."""
    return cells[..., 0] - cells[..., 2]


def _colours(card: InterfaceCard, seen: dict, reference: dict, known: Known) -> list[Finding]:
    findings = []
    for i, camera in enumerate(card.cameras):
        if camera.name not in seen or camera.name not in reference or camera.encoding in GREYS:
            continue
        own, wanted = tint(seen[camera.name]), tint(reference[camera.name])
        as_is, exchanged = distance(own, wanted), distance(-own, wanted)
        if as_is > APART and exchanged < CLEARLY * as_is:
            findings.append(
                error(f"cameras[{i}].encoding", "colours",
                      f"red minus blue of {camera.name} is {own.mean():+.0f}, in {known.reference} {wanted.mean():+.0f}",
                      "colours as in the reference [grey levels]",
                      "red and blue are exchanged: correct the encoding that the driver writes into the message")
            )  # fmt: skip
    return findings


def _cameras(card: InterfaceCard, seen: dict, reference: dict, known: Known) -> list[Finding]:
    names = [name for name in card.camera_names if name in seen and name in reference]
    for a in range(len(names)):
        for b in range(a + 1, len(names)):
            one, two = names[a], names[b]
            as_is = distance(seen[one], reference[one]) + distance(seen[two], reference[two])
            crossed = distance(seen[one], reference[two]) + distance(seen[two], reference[one])
            if as_is > 2 * APART and crossed < CLEARLY * as_is:
                where = ", ".join(f"cameras[{card.camera_names.index(name)}].topic" for name in (one, two))
                return [
                    error(where, "cameras",
                          f"the images of {one} look like those of {two} in {known.reference}, and the other way round",
                          "each camera on its own topic", "exchange the two topics, in the driver's launch file or the card")
                ]  # fmt: skip
    return []
