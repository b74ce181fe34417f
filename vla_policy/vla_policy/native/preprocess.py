"""From an observation to what the model takes. Training and run time call the same code. numpy only.

Images stay uint8 until the model: a training cache holds exactly the bytes that the model sees at run time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vla_contract.camera_view import CameraView, resized
from vla_contract.card import InterfaceCard
from vla_contract.image_encodings import ImageError
from vla_contract.normalisation import Normaliser, Statistics
from vla_contract.observation import VLAObservation
from vla_policy.errors import PreprocessError

MODEL_SIZE = 112
"""Side of the square images inside the model [px]. A checkpoint says it as `image_size`."""
MIN_STATE_SCALE = 5e-3
"""Smallest divisor of a state field [rad, m, rad/s]: fields that hardly move are not blown up to full size."""


def fit_state(card: InterfaceCard, state: np.ndarray) -> Normaliser:
    """state: (N, S) in the card's units."""
    return Normaliser(Statistics.from_data(card.state.fields, state), "mean_std", min_scale=MIN_STATE_SCALE)


@dataclass(frozen=True)
class ModelInput:
    """One observation, ready for the model.

    images: camera -> (112, 112, 3) uint8 RGB. state: (S,) float32, normalised. instruction: text as it came.
    """

    images: dict[str, np.ndarray]
    state: np.ndarray
    instruction: str


def model_image(view: CameraView, image: np.ndarray) -> np.ndarray:
    """What the model sees of a camera's image: what the card leaves of it, stretched to the model's square.

    image: (height, width, 3) uint8 RGB as the camera sends it. Returns (112, 112, 3) uint8, each pixel the mean of the area that
    it covers. Raises PreprocessError for an image of another size or type than the card's.
    """
    try:
        return resized(view(image), MODEL_SIZE, MODEL_SIZE)
    except ImageError as error:
        raise PreprocessError(str(error)) from None


def model_words(view: CameraView) -> str:
    """What becomes of a camera's image, in words."""
    width, height = view.size
    ratio = "" if width == height else f", its sides stretched to {MODEL_SIZE / width:.3g} and {MODEL_SIZE / height:.3g}"
    return f"{view.camera} {view.words()}, seen by the model as {MODEL_SIZE}x{MODEL_SIZE}{ratio}"


class Preprocessor:
    """Fixed cameras, state fields and statistics; see ``ModelInput`` for what comes out."""

    def __init__(self, views: tuple[CameraView, ...], state_normaliser: Normaliser, state_names: tuple[str, ...]) -> None:
        self.cameras = tuple(view.camera for view in views)
        self._views = tuple(views)
        self.state_names = tuple(state_names)
        self._normaliser = state_normaliser

    def images(self, images: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """camera -> (112, 112, 3) uint8, in the model's order. Raises PreprocessError for a missing camera or a wrong size."""
        missing = [name for name in self.cameras if name not in images]
        if missing:
            raise PreprocessError(f"camera {missing[0]} is missing; the model takes {', '.join(self.cameras)}")
        return {view.camera: model_image(view, images[view.camera]) for view in self._views}

    def state(self, state: np.ndarray) -> np.ndarray:
        """Normalised state. Shape (..., S) in, (..., S) float32 out."""
        if state.shape[-1] != len(self.state_names):
            raise PreprocessError(f"state has {state.shape[-1]} values, the model takes {len(self.state_names)}")
        return np.clip(self._normaliser.normalise(state), -10.0, 10.0).astype(np.float32)

    def __call__(self, observation: VLAObservation) -> ModelInput:
        """The whole of it, at run time. Raises PreprocessError also where the state's names are not the model's."""
        if tuple(observation.state_names) != self.state_names:
            raise PreprocessError(f"state names {observation.state_names}, the model takes {self.state_names}")
        return ModelInput(self.images(observation.images), self.state(observation.state), observation.instruction)
