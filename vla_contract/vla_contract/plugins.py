"""What packages register by name, as entry points: a verb, a policy, a head, a codec or an encoder is found without a list.

A package of a lab takes part in the same way as ours do: `entry_points={"vla.heads": ["mine = my_package.my_head:MyHead"]}`.
A name of ours stays ours, whoever else claims it: no package that happens to be installed can take `vla stop` away.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import cache
from importlib import metadata
from typing import Any

from vla_contract.printing import tell

VERBS = "vla.verbs"
POLICIES = "vla.policies"
HEADS = "vla.heads"
CODECS = "vla.codecs"
ENCODERS = "vla.encoders"
GROUPS = (VERBS, POLICIES, HEADS, CODECS, ENCODERS)
OWN = (
    "vla_bags", "vla_bench", "vla_bringup", "vla_contract", "vla_controller", "vla_evidence", "vla_graph", "vla_motion",
    "vla_policy", "vla_policy_node", "vla_replay", "vla_sim", "vla_trials",
)  # fmt: skip
"""The suite's packages: an entry point is ours where its distribution and its module are both of these."""


class PluginError(ValueError):
    """A name that nothing registers, that two packages register, or that cannot be loaded. The message says which there are."""


@cache
def claims(group: str) -> dict[str, list[metadata.EntryPoint]]:
    """Who claims each name of a group, sorted by name: ours alone where we do. One that is found built and installed is one."""
    return {name: _different(_ours(points) or points) for name, points in _found(group).items()}


@cache
def registered(group: str) -> dict[str, metadata.EntryPoint]:
    """Everything in a group, by name, sorted. One that two packages of others claim is among them; only ``load`` of it fails."""
    return {name: points[0] for name, points in claims(group).items()}


@cache
def _found(group: str) -> dict[str, list[metadata.EntryPoint]]:
    found: dict[str, list[metadata.EntryPoint]] = {}
    for point in sorted(_installed(group), key=lambda p: (p.name, p.value)):
        found.setdefault(point.name, []).append(point)
    return found


def _installed(group: str) -> list[metadata.EntryPoint]:
    try:
        return list(metadata.entry_points(group=group))
    except Exception:  # of one package whose files are damaged, Python says nothing but that; the others go on
        found = []
        for package in metadata.distributions():
            try:
                found += package.entry_points.select(group=group)
            except Exception:
                _warn(f"the entry points of {_name(package) or package.locate_file('')} cannot be read, and are left out")
        return found


def _different(points: list[metadata.EntryPoint]) -> list[metadata.EntryPoint]:
    return list({point.value: point for point in reversed(points)}.values())[::-1]


def _ours(points: list[metadata.EntryPoint]) -> list[metadata.EntryPoint]:
    if len(_different(points)) < 2:  # the rule; names of distributions are read from files, which takes time
        return []
    return [p for p in points if _top(p) in OWN and _distribution(p).replace("-", "_") in OWN]


def _top(point: metadata.EntryPoint) -> str:
    return point.value.partition(":")[0].partition(".")[0].strip()


def _distribution(point: metadata.EntryPoint) -> str:
    """Name of the package as it was installed; empty where its files do not say."""
    return _name(point.dist) if point.dist else ""


def _name(package: metadata.Distribution) -> str:
    try:
        return package.name or ""
    except Exception:
        return ""


@cache
def _warn(words: str) -> None:
    """Once, a line on stderr. Never fails: what was asked for has to go on."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            tell(f"warning: {words}", file=sys.stderr)


def _warn_of_rivals(group: str, name: str) -> None:
    points = _found(group).get(name, [])
    kept = [point.value for point in claims(group).get(name, [])]
    others = [f"{p.value} of {_distribution(p) or _top(p)}" for p in _different(points) if p.value not in kept]
    if others:
        _warn(f"{group}: '{name}' stays ours; {' and '.join(others)} is not used")


def load(group: str, name: str) -> Any:
    """What is registered under a name. Raises PluginError, with the words of whatever went wrong in a package of others."""
    points = registered(group)
    if name not in points:
        raise PluginError(f"{group}: nothing is registered as '{name}', there are: {', '.join(points) or 'none'}")
    rivals = claims(group).get(name, [])
    if len(rivals) > 1:
        raise PluginError(f"{group}: '{name}' is registered by {' and by '.join(p.value for p in rivals)}; rename one")
    _warn_of_rivals(group, name)
    try:
        return points[name].load()
    except (Exception, SystemExit) as error:  # whatever a module does while it is imported, the others go on
        words = str(error).strip().partition("\n")[0]
        told = words if isinstance(error, (ImportError, AttributeError)) else f"{type(error).__name__}: {words}"
        raise PluginError(f"{group}: '{name}' ({points[name].value}) cannot be loaded: {told}") from error


@cache
def packages() -> frozenset[str]:
    """Top-level packages that register anything: ours, and those that labs have added."""
    return frozenset(_top(p) for group in GROUPS for points in claims(group).values() for p in points)
