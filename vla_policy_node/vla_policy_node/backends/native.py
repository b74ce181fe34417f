"""The native model as a policy."""

from __future__ import annotations

import time

import numpy as np
import torch

from vla_contract.card import InterfaceCard
from vla_contract.observation import VLAObservation
from vla_contract.policy_info import PolicyInfo
from vla_policy_node.checkpoint import Checkpoint
from vla_policy_node.errors import CheckpointError, PolicyError
from vla_policy_node.model.language import SentenceEncoder, model_folder
from vla_policy_node.model.vla import VlaModel
from vla_policy_node.preprocess import ModelInput, Preprocessor

WARM_UP_RUNS = 5
TRAINING_ONLY = ("goal.",)
"""Parts of the model that only a loss reads: a checkpoint may lack them."""


class NativePolicy:
    """See ``Policy``. A sampling head draws from a generator that ``reset`` seeds anew: the same run gives the same chunks."""

    def __init__(self, checkpoint: Checkpoint, card: InterfaceCard, *, seed: int = 0) -> None:
        """``checkpoint`` must have been matched against ``card``. Raises CheckpointError where weights do not fit the sizes."""
        model_folder()
        self._card = card
        self._codec = checkpoint.codec
        self._preprocess = Preprocessor(checkpoint.model.cameras, checkpoint.state_normaliser, tuple(card.state.fields))
        self._encoder = SentenceEncoder()
        self._model = VlaModel(checkpoint.model).eval()
        self._load(checkpoint)
        self._seed = seed
        self._generator = torch.Generator().manual_seed(seed)
        self.info = PolicyInfo(
            policy="native",
            head=checkpoint.model.head,
            checkpoint=checkpoint.path,
            checkpoint_hash=checkpoint.sha256,
            card_name=card.name,
            policy_hash=card.policy_hash,
            card_hash=card.card_hash,
            camera_names=tuple(card.camera_names),
            state_names=tuple(card.state.fields),
            action_space=card.action_space,
            action_names=tuple(card.action.names),
            step_period_ns=card.step_period_ns,
            horizon=card.action.horizon,
            parameter_count=self._model.parameter_count(),
        )

    def _load(self, checkpoint: Checkpoint) -> None:
        try:
            missing, unknown = self._model.load_state_dict(checkpoint.weights, strict=False)
        except RuntimeError as error:
            raise CheckpointError(f"{checkpoint.path}: weights do not fit model: {error}") from None
        wrong = [name for name in (*missing, *unknown) if not name.startswith(TRAINING_ONLY)]
        if wrong:
            which = "lacks" if wrong[0] in missing else "has unknown"
            raise CheckpointError(f"{checkpoint.path}: weights do not fit model: the file {which} {', '.join(wrong)}")

    def reset(self) -> None:
        """See ``Policy``."""
        self._generator.manual_seed(self._seed)

    def warm_up(self) -> int:
        """Median of a few inferences after the first ones [ns]."""
        images = {c.name: np.zeros((c.height, c.width, 3), np.uint8) for c in self._card.cameras}
        text = self._card.tasks[0].instructions()[0]
        state = np.zeros(self._card.state_dim)
        durations = []
        for _ in range(2 * WARM_UP_RUNS):
            start = time.perf_counter_ns()
            self._decide(ModelInput(self._preprocess.images(images), self._preprocess.state(state), text))
            durations.append(time.perf_counter_ns() - start)
        self.reset()
        return int(np.median(durations[WARM_UP_RUNS:]))

    def infer(self, observation: VLAObservation) -> np.ndarray:
        """See ``Policy``. PreprocessError: an observation of another shape; PolicyError: a result that is not finite."""
        actions = self._decide(self._preprocess(observation))
        if not np.isfinite(actions).all():
            raise PolicyError("the model gave values that are not finite")
        return actions

    def _decide(self, given: ModelInput) -> np.ndarray:
        words, mask = self._encoder.batch([given.instruction])
        images = {name: torch.from_numpy(image)[None] for name, image in given.images.items()}
        encoded = self._model.act(images, torch.from_numpy(given.state)[None], words, mask, self._generator)
        return self._codec.decode(encoded[0].double().numpy())
