"""Which policy made a result: the hash of its checkpoint, or of what names it, or the word for the expert."""

from __future__ import annotations

import hashlib

from vla_contract.files import sha256_of
from vla_contract.files.limits import CHECKPOINT
from vla_contract.policy_spec import NATIVE, package_of, split_spec

EXPERT = "expert"
"""Stands for the scripted expert where a checkpoint is asked for."""


class ProvenanceError(ValueError):
    """A checkpoint that cannot be read. The message names it."""


def checkpoint_hash(checkpoint: str) -> str:
    """SHA-256 of the file, or `EXPERT`. Of a policy that another package opens (`NAME:REST`): of these words, and of the
    package's name and version, which stand for its code and weights.

    Raises ProvenanceError where a file cannot be read, PolicySpecError for a NAME that nothing registers.
    """
    if checkpoint == EXPERT:
        return EXPERT
    name, rest = split_spec(checkpoint)
    try:
        if name == NATIVE:
            return sha256_of(rest, CHECKPOINT)
        return hashlib.sha256(f"{checkpoint}\n{package_of(checkpoint)}".encode()).hexdigest()
    except OSError as error:
        raise ProvenanceError(f"{checkpoint}: {error.strerror}; a checkpoint's file or '{EXPERT}' is needed") from None
