"""Finds what ships with the suite by its name: cards, checkpoints, launch files."""

from __future__ import annotations

from pathlib import Path

from vla_bringup.launch_runner.substitutions import SubstitutionError, package_prefix


class NotShippedError(ValueError):
    """Nothing of that name ships with the suite, and no file of that name exists."""


def share(package: str) -> Path:
    """Folder of a package's shared files, from the ament index. Raises NotShippedError."""
    try:
        return package_prefix(package) / "share" / package
    except SubstitutionError as error:
        raise NotShippedError(str(error)) from None


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
    return _find("checkpoint", name_or_path, share("vla_policy_node") / "checkpoints", ".safetensors")


def find_model(name_or_path: str | Path) -> Path:
    """A robot description by path, or by the name of one that ships with the suite. Raises NotShippedError."""
    folder = share("vla_bringup") / "robots"
    return _find("model", name_or_path, folder, ".xml" if str(name_or_path).endswith(".xml") else ".urdf")


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
