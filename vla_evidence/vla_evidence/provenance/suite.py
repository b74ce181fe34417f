"""Which suite a trial is run with: its version, and a hash over the source that results depend on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

PARTS = {
    "vla_contract": ("",), "vla_controller": ("",), "vla_motion": ("",), "vla_policy": ("",), "vla_sim": ("",),
    "vla_evidence": ("labels", "provenance", "rows"), "vla_trials": ("lockstep", "trials"),
}  # fmt: skip
"""Files and folders that count, of each package; "" is all of it. The report's words change no result."""
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
    for package, parts in PARTS.items():
        root = _root(package)
        for part in parts:
            yield from _files(root, root / part)


def _root(package: str) -> Path:
    return Path(next(iter(find_spec(package).submodule_search_locations)))


def _files(root: Path, part: Path) -> Iterator[tuple[str, Path]]:
    found = {f"{root.name}/{path.relative_to(root).as_posix()}": path for path in part.rglob("*") if path.suffix in SUFFIXES}
    yield from sorted(found.items())


def _version() -> str:
    try:
        return metadata.version("vla_evidence")
    except metadata.PackageNotFoundError:
        return "0"
