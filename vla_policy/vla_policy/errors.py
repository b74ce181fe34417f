"""Errors of this package. Each message names the offender and what is allowed."""

from __future__ import annotations

from enum import Enum

from vla_contract.policy_spec import PolicySpecError as PolicySpecError


class PolicyError(RuntimeError):
    """A policy cannot go on: inference failed or gave a result of the wrong shape."""


class CheckpointError(ValueError):
    """A checkpoint that cannot be used with this card. The message names the field that disagrees."""


class PreprocessError(ValueError):
    """An image or a state vector of a shape that the model was not built for."""


class InstructionTooLongError(PreprocessError):
    """A sentence that the language encoder cannot read to its end. The message says how long it may be."""


class LanguageModelError(RuntimeError):
    """The pretrained sentence encoder is not installed."""


class EncoderError(ValueError):
    """A vision or language encoder that nothing registers, or that does not fit the model. The message says what there is."""


class HeadError(ValueError):
    """No such action head, or one that cannot be built with these options. The message says what there is."""


class CodecError(ValueError):
    """No such codec, or one that cannot be fitted with these options or data. The message says what there is."""


class DeviceError(ValueError):
    """A device that this machine does not have, or a type of number that nothing computes in. The message says what there is."""


class DatasetError(ValueError):
    """Demonstrations that do not fit the card, or none at all."""


class TrainingError(ValueError):
    """A training that cannot be done as it was asked for. The message names the option and what is allowed."""


def in_words(error: BaseException) -> str:
    """An error of somebody else's code in one line, with its type: "TimeoutError: no answer within 5 s"."""
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


class ObservationKind(Enum):
    """Why no observation can be made now."""

    MISSING = "missing"
    """An input has never arrived (or not since the reset)."""
    STALE = "stale"
    """The newest input is older than the card allows."""
    SKEW = "skew"
    """Inputs are further apart in time than the card allows."""
    BLACK = "black"
    """A camera delivers (nearly) one single colour."""
    FROZEN = "frozen"
    """A camera delivers the same image again and again, under new stamps."""
    INVALID = "invalid"
    """Wrong size, type or names, or values that are not finite."""


class ObservationError(ValueError):
    """No observation can be made. ``field`` is the camera's name or the state topic; the message carries the numbers."""

    def __init__(self, kind: ObservationKind, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.kind = kind
        self.field = field
        self.message = message
