"""Finds what ships with the suite by its name: cards, checkpoints, robot descriptions, launch files."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path


class NotShippedError(ValueError):
    """Nothing of that name ships with the suite, and no file of that name exists."""


def _prefixes() -> Iterator[Path]:
    """Where packages may be installed: the ament index, then, for libraries that pip put there, Python's own prefix."""
    yield from (Path(prefix) for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix)
    yield Path(sys.prefix)


def package_prefix(package: str) -> Path:
    """Install prefix of a package. Raises NotShippedError."""
    for prefix in _prefixes():
        if (prefix / "share" / "ament_index" / "resource_index" / "packages" / package).exists():
            return prefix
    raise NotShippedError(f"package '{package}' not found in AMENT_PREFIX_PATH; build it and source the workspace")


def share(package: str) -> Path:
    """Folder of a package's shared files. Raises NotShippedError."""
    return package_prefix(package) / "share" / package


def _find(kind: str, given: str | Path, folder: Path, suffix: str) -> Path:
    path = Path(given)
    if path.exists() or path.suffix == suffix or len(path.parts) > 1:
        if not path.exists():
            raise NotShippedError(f"{kind} file {given} does not exist")
        return path
    shipped = {p.name.removesuffix(suffix): p for p in sorted(folder.glob(f"*{suffix}"))}
    if str(given) not in shipped:
        raise NotShippedError(f"no {kind} '{given}': give a file, or one of: {', '.join(shipped) or 'none'}")
    return shipped[str(given)]


def find_card(name_or_path: str | Path) -> Path:
    """A card by path, or by the name of one that ships with the suite. Raises NotShippedError."""
    return _find("card", name_or_path, share("vla_bringup") / "cards", ".yaml")


def find_checkpoint(name_or_path: str | Path) -> Path:
    """A checkpoint by path, or by the name of one that ships with the suite. Raises NotShippedError."""
    return _find("checkpoint", name_or_path, share("vla_policy") / "checkpoints", ".safetensors")


def find_model(name_or_path: str | Path) -> Path:
    """A robot description by path, or by the name of one that ships with the suite. Raises NotShippedError."""
    folder = share("vla_bringup") / "robots"
    return _find("model", name_or_path, folder, ".xml" if str(name_or_path).endswith(".xml") else ".urdf")


def shipped_models() -> list[Path]:
    """Every robot description that ships with the suite, sorted by name; none where its package is not installed."""
    try:
        return sorted((share("vla_bringup") / "robots").glob("*.urdf"))
    except NotShippedError:
        return []


def model_of_card(card: str | Path) -> Path | None:
    """The description that ships beside a shipped card; None for another card, or one without. Raises NotShippedError."""
    shipped, model = (share("vla_bringup") / folder / Path(card).stem for folder in ("cards", "robots"))
    shipped, model = shipped.with_suffix(".yaml"), model.with_suffix(".urdf")
    return model if shipped.exists() and model.exists() and shipped.samefile(card) else None


def find_launch_file(name_or_path: str | Path) -> Path:
    """A launch file by path, or by the name of one that ships with the suite ("sim"). Raises NotShippedError."""
    if str(name_or_path).endswith(".xml"):
        return _find("launch", name_or_path, share("vla_bringup") / "launch", ".xml")
    return _find("launch", name_or_path, share("vla_bringup") / "launch", ".launch.xml")
