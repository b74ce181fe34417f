"""Which suite a trial is run with: its version, and a hash over the source that results depend on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("vla_contract", "vla_controller", "vla_motion", "vla_policy_node", "vla_sim")
"""All files of these count."""
PARTS = ("cell.py", "expert_policy.py", "latency.py", "lockstep.py", "evidence", "trials")
"""Of `vla_eval` these files and folders do: the report's words change no result."""
SUFFIXES = (".py", ".xml")
UNKNOWN = "one that did not note its version"
"""Stands for the suite of a folder that was begun before suites were noted."""


@cache
def suite() -> str:
    """The suite that runs: version and 16 hex digits, as "0.1.0+0123456789abcdef". The same wherever it is installed.

    Other packages (NumPy, MuJoCo, torch) and the machine are not in it.
    """
    digest = hashlib.sha256()
    for name, path in sources():
        data = path.read_bytes()
        digest.update(f"{name}:{len(data)}:".encode() + data)
    return f"{_version()}+{digest.hexdigest()[:16]}"


def sources() -> Iterator[tuple[str, Path]]:
    """Files that count, in the order of their names, which begin with the package's."""
    for package in PACKAGES:
        root = _root(package)
        yield from _files(root, root)
    root = _root("vla_eval")
    for part in PARTS:
        yield from _files(root, root / part)


def _root(package: str) -> Path:
    return Path(next(iter(find_spec(package).submodule_search_locations)))


def _files(root: Path, part: Path) -> Iterator[tuple[str, Path]]:
    found = [part] if part.is_file() else part.rglob("*")
    named = {f"{root.name}/{path.relative_to(root).as_posix()}": path for path in found if path.suffix in SUFFIXES}
    yield from sorted(named.items())


def _version() -> str:
    try:
        return metadata.version("vla_eval")
    except metadata.PackageNotFoundError:
        return "0"
