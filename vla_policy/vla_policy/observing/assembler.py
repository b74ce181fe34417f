"""From streams of images and joint states to one observation, or an error that says what is wrong with them. No ROS, no torch."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from vla_contract.arrivals import Arrivals
from vla_contract.card import InterfaceCard, seconds_to_ns
from vla_contract.observation import VLAObservation
from vla_contract.state_history import StateAt, StateHistory
from vla_policy.errors import ObservationError, ObservationKind
from vla_policy.observing.camera_watch import CameraWatch
from vla_policy.observing.state_checks import check_state_age, check_state_arrived, check_state_skew

KEPT_IMAGES = 16
"""Of each camera: enough to find one near the first camera's while that one grows stale."""


class _Image(NamedTuple):
    stamp_ns: int
    pixels: np.ndarray
    receipt_steady_ns: int


class ObservationAssembler:
    """Newest images, the joint state interpolated to the first camera's stamp, age and skew checked against the card.

    Fed from one thread and read from another. ``wait`` sleeps until a new image of the first camera comes.

    Args:
        card: What is to be assembled, and how old and how far apart its parts may be.
        kept_images: Of each camera. Replay keeps more, because it looks for those of a chunk that comes later.
    """

    def __init__(self, card: InterfaceCard, *, kept_images: int = KEPT_IMAGES) -> None:
        self._card = card
        self._kept_images = kept_images
        self._cameras = {camera.name: camera for camera in card.cameras}
        self._first = card.cameras[0].name
        self._max_skew_ns = seconds_to_ns(card.state.max_skew)
        self._motion = [
            i for i, f in enumerate(card.state.fields) if f.endswith(".position") and _is_arm_joint(card, f)
        ]
        self._condition = threading.Condition()
        self._state = StateHistory.of_card(card)
        self._clear()

    def _clear(self) -> None:
        self._arrivals = {name: Arrivals[_Image](self._kept_images) for name in self._cameras}
        self._images = {name: arrivals.kept for name, arrivals in self._arrivals.items()}
        self._watches = {name: CameraWatch() for name in self._cameras}
        self._invalid: dict[str, tuple[str, int]] = {}
        self._state.clear()

    def reset(self) -> None:
        """Forgets everything: a new episode."""
        with self._condition:
            self._clear()

    def add_image(self, name: str, stamp_ns: int, pixels: np.ndarray, receipt_steady_ns: int = 0) -> None:
        """pixels: (H, W, 3) uint8 RGB, kept without a copy. KeyError for a camera that the card does not have."""
        camera = self._cameras[name]
        with self._condition:
            kept = self._images[name]
            before_ns = kept[-1].stamp_ns if kept else stamp_ns
            if pixels.shape != (camera.height, camera.width, 3) or pixels.dtype != np.uint8:
                if stamp_ns > before_ns or not kept:
                    self._invalid[name] = f"image of {_size(pixels)}, the card has {camera.width}x{camera.height}", stamp_ns
                return
            if not self._arrivals[name].add(_Image(stamp_ns, pixels, receipt_steady_ns)):
                return
            self._invalid.pop(name, None)
            if stamp_ns < before_ns:
                self._watches[name] = CameraWatch()
            self._watches[name].see(pixels, stamp_ns, self._joints())
            if name == self._first:
                self._condition.notify_all()

    def add_invalid_image(self, name: str, reason: str, stamp_ns: int = 0) -> None:
        """An image came that could not be read at all; ``assemble`` will say why until a good one comes, or this one is old.

        stamp_ns: 0: not known; then it grows never old.
        """
        with self._condition:
            self._invalid[name] = reason, stamp_ns

    def add_joint_state(
        self, stamp_ns: int, names: Sequence[str], positions: Sequence[float],
        velocities: Sequence[float] = (), efforts: Sequence[float] = (), received_ns: int | None = None,
    ) -> None:  # fmt: skip
        """Any of the joints, in any order; those that the card does not read are ignored.

        received_ns: What the clock of the stamps showed when it came [ns]; None: not known, ``assemble`` will tell.
        """
        with self._condition:
            self._state.add(stamp_ns, names, positions, velocities, efforts, received_ns)

    def wait(self, newer_than_ns: int, timeout_s: float) -> bool:
        """Sleeps until the first camera has an image stamped after ``newer_than_ns``, at most ``timeout_s`` [s]."""
        with self._condition:
            return self._condition.wait_for(lambda: self._newest_ns() > newer_than_ns, timeout_s)

    def newest_ns(self) -> int:
        """Stamp of the first camera's newest image [ns]; 0: none."""
        with self._condition:
            return self._newest_ns()

    def receipt_steady_ns(self, stamp_ns: int) -> int:
        """When the first camera's image of that stamp arrived, steady clock [ns]; 0: not known."""
        with self._condition:
            return next((i.receipt_steady_ns for i in self._images[self._first] if i.stamp_ns == stamp_ns), 0)

    def assemble(self, now_ns: int, instruction: str) -> VLAObservation:
        """The newest observation. Raises ObservationError for what is missing, stale, askew, black, frozen or invalid."""
        with self._condition:
            self._settle(now_ns)
            self._check_arrivals(now_ns)
            images = self._pick()
            state = self._state.at(images[self._first].stamp_ns)
            self._check_ages(images, now_ns)
            self._check_skew(images, state)
            self._check_images()
        return self._observation(images, state, instruction)

    def absent(self, image_stamps_ns: Mapping[str, int], state_stamp_ns: int) -> list[tuple[str, int]]:
        """What ``assemble_at`` would need of these stamps and is not here: (camera or state topic, stamp [ns])."""
        with self._condition:
            return self._absent(image_stamps_ns, state_stamp_ns)

    def assemble_at(
        self, image_stamps_ns: Mapping[str, int], state_stamp_ns: int, instruction: str
    ) -> VLAObservation:
        """The observation of exactly these stamps, from what is kept: what ``assemble`` gave when it gave them.

        Ages, skew and images are not judged again. Raises ObservationError for the first part that is absent.
        """
        with self._condition:
            for what, stamp_ns in self._absent(image_stamps_ns, state_stamp_ns):
                raise ObservationError(ObservationKind.MISSING, what, f"nothing is kept of stamp {stamp_ns} ns")
            images = {
                name: next(i for i in reversed(kept) if i.stamp_ns == image_stamps_ns[name])
                for name, kept in self._images.items()
            }
            state = self._state.at(images[self._first].stamp_ns, held_ns=state_stamp_ns)
        return self._observation(images, state._replace(stamp_ns=state_stamp_ns), instruction)

    def _absent(self, image_stamps_ns: Mapping[str, int], state_stamp_ns: int) -> list[tuple[str, int]]:
        absent = [
            (name, image_stamps_ns.get(name, 0))
            for name, kept in self._images.items()
            if not any(image.stamp_ns == image_stamps_ns.get(name) for image in kept)
        ]
        if self._state.missing() or not self._state.covers(image_stamps_ns.get(self._first, 0), state_stamp_ns):
            absent.append((self._card.state.topic, state_stamp_ns))
        return absent

    def _observation(self, images: dict[str, _Image], state: StateAt, instruction: str) -> VLAObservation:
        return VLAObservation(
            stamp_ns=images[self._first].stamp_ns,
            images={name: image.pixels for name, image in images.items()},
            image_stamps_ns={name: image.stamp_ns for name, image in images.items()},
            state=state.values,
            state_names=self._state.fields,
            state_stamp_ns=state.stamp_ns,
            instruction=instruction,
            state_apart_ns=state.apart_ns,
        )

    def _newest_ns(self) -> int:
        kept = self._images[self._first]
        return kept[-1].stamp_ns if kept else 0

    def _settle(self, now_ns: int) -> None:
        """Where the clock was set back, what is stamped after now is of before."""
        self._state.settle(now_ns)
        for name, camera in self._cameras.items():
            if self._arrivals[name].settle(now_ns + seconds_to_ns(camera.max_age)):
                self._watches[name] = CameraWatch()
                newest = self._images[name][-1]
                self._watches[name].see(newest.pixels, newest.stamp_ns, self._joints())

    def _joints(self) -> np.ndarray | None:
        joints = self._state.newest()[self._motion]
        return joints if len(joints) and np.isfinite(joints).all() else None

    def _pick(self) -> dict[str, _Image]:
        """The first camera's newest image; of the others the one nearest to it in time."""
        stamp_ns = self._newest_ns()
        return {
            name: min(reversed(kept), key=lambda image: abs(image.stamp_ns - stamp_ns))
            for name, kept in self._images.items()
        }

    def _check_arrivals(self, now_ns: int) -> None:
        for name, camera in self._cameras.items():
            if name in self._invalid:
                reason, stamp_ns = self._invalid[name]
                age = (now_ns - stamp_ns) / 1e9
                if stamp_ns > 0 and age > camera.max_age:  # the camera sends nothing any more, which is the fault of now
                    words = f"{age:.3f} s old, the card allows {camera.max_age:g} s; that last image was not fit: {reason}"
                    raise ObservationError(ObservationKind.STALE, name, words)
                raise ObservationError(ObservationKind.INVALID, name, reason)
            if not self._images[name]:
                raise ObservationError(ObservationKind.MISSING, name, f"no image has arrived on {camera.topic}")
        check_state_arrived(self._card, self._state)

    def _check_ages(self, images: dict[str, _Image], now_ns: int) -> None:
        for name, image in images.items():
            age, max_age = (now_ns - image.stamp_ns) / 1e9, self._cameras[name].max_age
            if age > max_age:
                raise ObservationError(ObservationKind.STALE, name, f"{age:.3f} s old, the card allows {max_age:g} s")
            if age < -max_age:
                words = f"stamped {-age:.3f} s ahead of this node's clock: the clocks disagree"
                raise ObservationError(ObservationKind.INVALID, name, words)
        check_state_age(self._card, self._state, now_ns)

    def _check_skew(self, images: dict[str, _Image], state: StateAt) -> None:
        stamp_ns = images[self._first].stamp_ns
        for name, image in images.items():
            apart_ns = image.stamp_ns - stamp_ns
            if abs(apart_ns) > self._max_skew_ns:
                raise ObservationError(
                    ObservationKind.SKEW, name,
                    f"{abs(apart_ns) / 1e9:.3f} s {'after' if apart_ns > 0 else 'before'} camera {self._first}, "
                    f"the card allows {self._max_skew_ns / 1e9:g} s",
                )  # fmt: skip
        check_state_skew(self._card, state, stamp_ns)

    def _check_images(self) -> None:
        joints = self._joints()
        for name, watch in self._watches.items():
            fault = watch.fault(joints)
            if fault:
                raise ObservationError(ObservationKind(fault[0]), name, fault[1])


def observation_skew_ns(observation: VLAObservation) -> int:
    """Largest distance in time between any two inputs, the joint states that were really measured among them [ns]."""
    stamps = [*observation.image_stamps_ns.values(), observation.state_stamp_ns]
    return max(max(stamps) - min(stamps), observation.state_apart_ns)


def _is_arm_joint(card: InterfaceCard, field: str) -> bool:
    return any(field.rsplit(".", 1)[0] in arm.joints for arm in card.arms)


def _size(pixels: np.ndarray) -> str:
    """Width and height in words; what is no RGB image, by its array."""
    if pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.dtype == np.uint8:
        return f"{pixels.shape[1]}x{pixels.shape[0]}"
    return f"{pixels.dtype} {pixels.shape}"
