"""From an observation to what the model takes. Training and run time call the same code. numpy only.

Images stay uint8 until the model: a training cache holds exactly the bytes that the model sees at run time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vla_contract.normalisation import Normaliser
from vla_contract.observation import VLAObservation
from vla_policy_node.errors import PreprocessError

MODEL_SIZE = 112
"""Side of the square images inside the model [px]."""


@dataclass(frozen=True)
class ModelInput:
    """One observation, ready for the model.

    images: camera -> (112, 112, 3) uint8 RGB. state: (S,) float32, normalised. instruction: text as it came.
    """

    images: dict[str, np.ndarray]
    state: np.ndarray
    instruction: str


def shrink_image(image: np.ndarray, camera: str = "image") -> np.ndarray:
    """Mean of each block of 2x2 pixels, rounded half up.

    image: (224, 224, 3) uint8. Returns (112, 112, 3) uint8. Raises PreprocessError for any other shape or type.
    """
    side = 2 * MODEL_SIZE
    if image.shape != (side, side, 3) or image.dtype != np.uint8:
        raise PreprocessError(
            f"camera {camera}: image is {image.shape} {image.dtype}, the model takes ({side}, {side}, 3) uint8 RGB"
        )
    rows = image[0::2].astype(np.uint16)
    rows += image[1::2]
    rows += 1  # 2 in all for each block: the two columns below each bring one
    blocks = rows[:, 0::2] + rows[:, 1::2]
    blocks >>= 2
    return blocks.astype(np.uint8)


class Preprocessor:
    """Fixed cameras, state fields and statistics; see ``ModelInput`` for what comes out."""

    def __init__(self, cameras: tuple[str, ...], state_normaliser: Normaliser, state_names: tuple[str, ...]) -> None:
        self.cameras = tuple(cameras)
        self.state_names = tuple(state_names)
        self._normaliser = state_normaliser

    def images(self, images: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """camera -> (112, 112, 3) uint8, in the model's order. Raises PreprocessError for a missing camera or a wrong size."""
        missing = [name for name in self.cameras if name not in images]
        if missing:
            raise PreprocessError(f"camera {missing[0]} is missing; the model takes {', '.join(self.cameras)}")
        return {name: shrink_image(images[name], name) for name in self.cameras}

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
