"""Writes the pages of docs/reference/ that the sources tell by themselves: tools/run python tools/reference [--check] [FOLDER]"""

from __future__ import annotations

import sys
from pathlib import Path

import card
import labels
import launch
import messages
import parameters
import verbs

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "reference"
PACKAGES = frozenset(path.parent.name for path in ROOT.glob("vla_*/package.xml"))


def pages() -> dict[str, str]:
    """Text of each page by its file name."""
    return {
        "card.md": card.render(), "messages.md": messages.render(ROOT), "parameters.md": parameters.render(ROOT),
        "verbs.md": verbs.render(PACKAGES), "launch.md": launch.render(ROOT), "labels.md": labels.render(ROOT),
    }  # fmt: skip


def main() -> int:
    """Writes the pages; with --check writes nothing, names those that differ, and returns 1 where any does."""
    words = [word for word in sys.argv[1:] if word != "--check"]
    check, folder = "--check" in sys.argv, Path(words[0]) if words else FOLDER
    different = []
    for name, text in pages().items():
        path = folder / name
        if check:
            different += [name] if not path.exists() or path.read_text() != text else []
        else:
            path.write_text(text)
    if different:
        print(f"{folder}: {', '.join(different)}: not what the sources say; `make reference` writes them", file=sys.stderr)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
