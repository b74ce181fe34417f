"""How users name a policy: `NAME:REST` of an entry point of `vla.policies`, a file, or the name of a checkpoint that ships."""

from __future__ import annotations

from pathlib import Path

from vla_contract import plugins
from vla_contract.shipped import NotShippedError, find_checkpoint

NATIVE = "native"
"""Opens our own checkpoints, and what has no NAME before it."""


class PolicySpecError(ValueError):
    """A policy that nothing is registered for, or that cannot be opened. The message says what there is."""


def split_spec(spec: str | Path) -> tuple[str, str]:
    """`NAME:REST` as (NAME, REST) where NAME is registered or looks like one; a path as (`native`, path).

    Raises PolicySpecError for a NAME that nothing registers.
    """
    text = str(spec)
    name, colon, rest = text.partition(":")
    if not colon or "/" in name or Path(text).exists():
        return NATIVE, text
    known = plugins.registered(plugins.POLICIES)
    if name not in known:
        raise PolicySpecError(f"policy '{text}': no '{name}' is registered, there are: {', '.join(known)}; or give a file")
    return name, rest


def find_policy(spec: str | Path) -> str | Path:
    """The file of one of our own checkpoints, by path or by the name of a shipped one; the `NAME:REST` of any other as it is.

    Raises NotShippedError or PolicySpecError.
    """
    name, rest = split_spec(spec)
    if name != NATIVE:
        return str(spec)
    try:
        return find_checkpoint(rest)
    except NotShippedError as error:
        if rest in plugins.registered(plugins.POLICIES):
            raise NotShippedError(f"{error}; or '{rest}:' and what it needs, for the registered policy '{rest}'") from None
        raise


def package_of(spec: str | Path) -> str:
    """Name and version of the package that opens it, as "lab-vla 0.1.0"; empty where it does not say."""
    package = plugins.registered(plugins.POLICIES)[split_spec(spec)[0]].dist
    return f"{package.name} {package.version}" if package else ""
