"""Opens policies by what the user writes: the one place where a checkpoint, a server or a lab's own policy becomes a `Policy`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vla_contract import plugins
from vla_contract.card import CardError, InterfaceCard
from vla_contract.policy_spec import PolicySpecError, split_spec
from vla_contract.shipped import NotShippedError
from vla_policy import errors
from vla_policy.describing import described
from vla_policy.policy import DescribedPolicy

_IN_OUR_WORDS = (
    PolicySpecError, plugins.PluginError, CardError, NotShippedError, errors.CheckpointError, errors.PolicyError,
    errors.PreprocessError, errors.LanguageModelError, errors.EncoderError, errors.HeadError, errors.CodecError,
    errors.DeviceError,
)  # fmt: skip
"""Errors that tell a user what is wrong as they are."""
_METHODS = ("infer", "reset")
"""What every policy has."""


@dataclass(frozen=True)
class Opening:
    """How a policy is opened, whichever it is; each takes what concerns it."""

    seed: int = 0
    """Of a policy that draws random numbers."""
    threads: int | None = None
    """Of linear algebra on the CPU, for the whole process; None leaves them."""
    device: str = "cpu"
    """cpu, cuda, cuda:1, mps."""
    dtype: str = "float32"
    """float32 or bfloat16."""


def load_policy(spec: str | Path, card: InterfaceCard, how: Opening = Opening()) -> DescribedPolicy:
    """A policy for this card, from `native:FILE` (or just FILE), `scripted:NAME`, or the `NAME:...` of an entry point.

    An entry point of `vla.policies` is a function `(rest, card, how) -> Policy`.

    Raises:
        PolicySpecError: Nothing is registered under the name, what is registered cannot be loaded, its function raises an
            error that is none of ours, or gives something that is no policy.
        CheckpointError: A file that is no checkpoint, or was made under another contract; names the field.
        LanguageModelError, EncoderError, HeadError, CodecError, DeviceError: What a checkpoint needs is not here.
    """
    name, rest = split_spec(spec)
    try:
        opener = plugins.load(plugins.POLICIES, name)
    except plugins.PluginError as error:
        raise PolicySpecError(str(error)) from error
    try:
        policy = opener(rest, card, how)
    except _IN_OUR_WORDS:
        raise
    except (Exception, SystemExit) as error:  # whatever a client, a driver or a server's library may raise
        raise PolicySpecError(f"policy '{spec}' cannot be opened: {errors.in_words(error)}") from error
    missing = [method for method in _METHODS if not callable(getattr(policy, method, None))]
    if missing:
        given, lacks = "None" if policy is None else f"a {type(policy).__name__}", " and no ".join(missing)
        raise PolicySpecError(
            f"policy '{spec}': {plugins.registered(plugins.POLICIES)[name].value} gave {given}, which has no {lacks}; "
            f"a policy has {' and '.join(_METHODS)}"
        )
    return described(policy, card, name=name, spec=rest)
