"""The native model as a policy."""

from __future__ import annotations

import time

import numpy as np
import torch

from vla_contract.card import InterfaceCard
from vla_contract.observation import VLAObservation
from vla_policy.checkpoint import Checkpoint, check_contract, read_checkpoint
from vla_policy.describing import empty_observation, info_of_card
from vla_policy.errors import CheckpointError, PolicyError
from vla_policy.native.device import find_device, find_dtype, finish
from vla_policy.native.embodiment import Embodiment
from vla_policy.native.encoders.registry import build_language
from vla_policy.native.heads.base import FREE, HeadAsk
from vla_policy.native.preprocess import ModelInput, model_words
from vla_policy.native.trainable import stored_names
from vla_policy.native.vla import VlaModel
from vla_policy.opening import Opening
from vla_policy.policy import NOTHING_ASKED, Ask, Decision

WARM_UP_RUNS = 5
PLAINLY = Opening()
TRAINING_ONLY = ("goal.",)
"""Parts of the model that only a loss reads: a checkpoint may lack them."""


def open_policy(file: str, card: InterfaceCard, how: Opening) -> NativePolicy:
    """`native:FILE`.

    Raises CheckpointError naming the field that disagrees, DeviceError, LanguageModelError, or HeadError, CodecError or
    EncoderError for a part that another package registered where the checkpoint was made.
    """
    checkpoint = read_checkpoint(file)
    embodiment = check_contract(checkpoint, card)
    if how.threads is not None:
        torch.set_num_threads(how.threads)
    return NativePolicy(checkpoint, embodiment, card, how)


class NativePolicy:
    """See ``Policy``. A sampling head draws from a generator that ``reset`` seeds anew: the same run gives the same chunks."""

    def __init__(self, checkpoint: Checkpoint, embodiment: Embodiment, card: InterfaceCard, how: Opening = PLAINLY) -> None:
        """``embodiment``: the card's, see ``check_contract``. Raises CheckpointError where weights do not fit the sizes."""
        self._device, dtype = find_device(how.device), find_dtype(how.dtype)
        self._card, self._embodiment = card, embodiment
        self._language = build_language(checkpoint.model)
        self._model = VlaModel(checkpoint.model).eval()
        self._load(checkpoint)
        self._model.compute_in(dtype).to(self._device)
        self.sees = "; ".join(map(model_words, embodiment.views))
        """What becomes of each camera's images, in words."""
        self._seed = how.seed
        self._generator = torch.Generator().manual_seed(how.seed)
        self.info = info_of_card(
            card, policy="native", head=checkpoint.model.head, checkpoint=checkpoint.path,
            checkpoint_hash=checkpoint.sha256, parameter_count=self._model.parameter_count(), device=str(self._device),
        )  # fmt: skip

    def _load(self, checkpoint: Checkpoint) -> None:
        needed = set(stored_names(self._model))
        try:
            missing, unknown = self._model.load_state_dict(checkpoint.weights, strict=False)
        except RuntimeError as error:
            raise CheckpointError(f"{checkpoint.path}: weights do not fit model: {error}") from None
        wrong = [name for name in (*(m for m in missing if m in needed), *unknown) if not name.startswith(TRAINING_ONLY)]
        if wrong:
            which = "lacks" if wrong[0] in missing else "has unknown"
            raise CheckpointError(f"{checkpoint.path}: weights do not fit model: the file {which} {', '.join(wrong)}")

    def check_instruction(self, text: str) -> None:
        """Raises InstructionTooLongError for a sentence that the model would not see to its end. Encodes it, once."""
        self._language([text])

    def reset(self) -> None:
        """See ``Policy``."""
        self._generator.manual_seed(self._seed)

    def warm_up(self) -> int:
        """Median of a few inferences after the first ones [ns]."""
        observation, durations = empty_observation(self._card), []
        for _ in range(2 * WARM_UP_RUNS):
            start = time.perf_counter_ns()
            self._decide(self._embodiment.model_input(observation), FREE)
            durations.append(time.perf_counter_ns() - start)
        self.reset()
        return int(np.median(durations[WARM_UP_RUNS:]))

    def infer(self, observation: VLAObservation, ask: Ask = NOTHING_ASKED) -> Decision:
        """See ``Policy``. PreprocessError: an observation of another shape; PolicyError: a result that is not finite."""
        start = time.perf_counter_ns()
        given = self._embodiment.model_input(observation)
        ready = time.perf_counter_ns()
        encoded = self._decide(given, self._asked(ask))
        done = time.perf_counter_ns()
        actions = self._embodiment.decode(encoded)
        if not np.isfinite(actions).all():
            raise PolicyError("the model gave values that are not finite")
        tokens = encoded if self._embodiment.codec.vocabulary else None
        return Decision(actions, {"preprocess": ready - start, "model": done - ready}, tokens)

    def _asked(self, ask: Ask) -> HeadAsk:
        delay = ask.delay_ns / self._card.step_period_ns
        if ask.committed is None or not len(ask.committed) or self._embodiment.codec.vocabulary:
            return HeadAsk(None, delay)
        encoded = self._embodiment.encode(np.asarray(ask.committed, np.float64)).astype(np.float32)
        return HeadAsk(torch.from_numpy(encoded)[None].to(self._device), delay)

    def _decide(self, given: ModelInput, ask: HeadAsk) -> np.ndarray:
        """One chunk as the codec encodes it, on the CPU: whoever stops a clock after this knows that the device has finished."""
        words, mask = (t.to(self._device) for t in self._language([given.instruction]))
        images = {name: torch.from_numpy(image)[None].to(self._device) for name, image in given.images.items()}
        state = torch.from_numpy(given.state)[None].to(self._device)
        chunk = self._model.act(images, state, words, mask, self._generator, ask)[0]
        finish(self._device)
        chunk = chunk.cpu()
        return (chunk.double() if chunk.is_floating_point() else chunk).numpy()
