"""Do the images have the card's format, and do they show a scene that changes?"""

from __future__ import annotations

import numpy as np

from vla_contract.card import CameraCard, InterfaceCard
from vla_contract.image_encodings import ENCODINGS, unknown_encoding
from vla_policy.observing.camera_watch import BLACK_SPREAD, FROZEN_FRAMES, FROZEN_MOTION, FROZEN_NS
from vla_replay.preflight.finding import Finding, error
from vla_replay.preflight.known import Known
from vla_replay.preflight.sample import CameraSample, Sample
from vla_replay.preflight.topics import COMPRESSED, IMAGE

BLACK_SHARE = 0.05
"""Share of images without content that is told."""


def check(card: InterfaceCard, sample: Sample, known: Known) -> list[Finding]:
    """Checks ``encoding``, ``size``, ``black`` and ``frozen``."""
    findings: list[Finding] = []
    for i, camera in enumerate(card.cameras):
        seen = sample.cameras.get(camera.name)
        if seen is None:
            continue
        field = f"cameras[{i}]"
        wrong = [encoding for encoding in seen.encodings if encoding != camera.encoding]
        if _is_of_another_type(camera, sample):  # which is told as that, and has encodings of its own
            wrong = []
        if wrong:
            todo = "set the driver's encoding; change the card only if the policy was trained on the other one"
            foreign = [encoding for encoding in wrong if encoding not in ENCODINGS]
            if foreign:
                todo = str(unknown_encoding(foreign[0]))
            findings.append(error(f"{field}.encoding", "encoding", ", ".join(wrong), camera.encoding, todo))
        if seen.problems and not wrong and not _is_of_another_type(camera, sample):
            reason, count = seen.problems.most_common(1)[0]
            todo = "repair the driver: the policy cannot read these"
            findings.append(error(f"{field}.encoding", "encoding", f"{count} unreadable: {reason}", camera.encoding, todo))
        sizes = [size for size in seen.sizes if size != (camera.width, camera.height)]
        if sizes:
            findings.append(
                error(f"{field}.width", "size", ", ".join(f"{w}x{h}" for w, h in sizes), f"{camera.width}x{camera.height}",
                      "set the driver's resolution; change the card only if the policy was trained on the other one")
            )  # fmt: skip
        findings += _content(seen, field, camera.name, card, sample)
    return findings


def _is_of_another_type(camera: CameraCard, sample: Sample) -> bool:
    stream = sample.streams.get(camera.image_topic)
    return stream is not None and set(stream.types) != {COMPRESSED if camera.compressed else IMAGE}


def _content(seen: CameraSample, field: str, name: str, card: InterfaceCard, sample: Sample) -> list[Finding]:
    if len(seen.spread) == 0:
        return []
    black = float((seen.spread < BLACK_SPREAD).mean())
    if black > BLACK_SHARE:
        return [
            error(f"{field}.topic", "black",
                  f"{black:.0%} of the images of {name} have no content (grey levels spread by {seen.spread.min():.1f})",
                  f"a scene, whose grey levels spread by more than {BLACK_SPREAD}",
                  "take the cap off, light the scene, set the exposure, look at the cable")
        ]  # fmt: skip
    worst = max(_frozen(seen, card, sample), default=None)
    if worst is None:
        return []
    count, seconds, motion = worst
    return [
        error(f"{field}.topic", "frozen",
              f"the same image of {name} {count} times over {seconds:.2f} s, while the joints moved by {motion:.2f} rad",
              "a new image each time", "restart the driver; an image that is sent again under new stamps misleads")
    ]  # fmt: skip


def _frozen(seen: CameraSample, card: InterfaceCard, sample: Sample) -> list[tuple[int, float, float]]:
    """Runs of equal images while the arm moves: (images, [s], [rad]). The rule of vla_policy.observing.camera_watch."""
    changes = np.flatnonzero(np.diff(seen.digest.astype(np.int64)) != 0) + 1
    joints = [sample.state[key] for key in _positions(card) if key in sample.state]
    runs = []
    for start, end in zip([0, *changes], [*changes, len(seen.digest)]):
        span = seen.shot_ns[end - 1] - seen.shot_ns[start]
        if end - start < FROZEN_FRAMES or span < FROZEN_NS:
            continue
        ends = seen.shot_ns[[start, end - 1]]
        moved = np.array([np.abs(np.diff(series.at(ends)))[0] for series in joints])
        motion = float(np.nansum(moved))
        if motion >= FROZEN_MOTION:
            runs.append((int(end - start), span / 1e9, motion))
    return runs


def _positions(card: InterfaceCard) -> list[str]:
    return [f"{joint}.position" for arm in card.arms for joint in arm.joints]
