"""Imports between the chapters go one way, as the package's README says."""

import ast
from pathlib import Path

import vla_controller

ROOT = Path(vla_controller.__file__).parent
ORDER = ("planning", "intake", "books", "cut", "commanded_motion", "chunk_intake", "controller", "ros")
EVERYWHERE = ("refusal",)


def chapter(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[0]


def imported(path: Path) -> set[str]:
    """Chapters and root modules of this package that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "vla_controller":
            parts = node.module.split(".")[1:]
            found |= {parts[0]} if parts else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("vla_controller.")}
    return found


def test_chapters_import_what_stands_before_them_only():
    wrong = []
    for path in ROOT.rglob("*.py"):
        own = chapter(path)
        if own in ORDER:
            allowed = {*EVERYWHERE, *ORDER[: ORDER.index(own) + 1]}
            wrong += [f"{path.relative_to(ROOT)} imports {name}" for name in sorted(imported(path) - allowed)]
    assert not wrong


def test_every_chapter_has_its_place_in_the_order():
    assert {p.name for p in ROOT.iterdir() if p.is_dir() and list(p.glob("*.py"))} <= set(ORDER)
