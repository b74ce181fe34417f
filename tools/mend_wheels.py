"""Replaces the build farm's Python paths in the CMake files of the ROS 2 wheels by this environment's own.

Runs inside the environment. Safe to run again.
"""

import re
import sys
import sysconfig
from pathlib import Path

import numpy

FARM = r"/opt/(?:python|_internal)/[^/;\"]+"
REPLACEMENTS = (
    (re.compile(FARM + r"/include/python3\.\d+"), sysconfig.get_path("include")),
    (re.compile(FARM + r"/lib/python3\.\d+/site-packages/numpy/(?:_core|core)/include"), numpy.get_include()),
)


def mend(text: str) -> str:
    """The text of a CMake file with this environment's folders in place of the build farm's."""
    for pattern, folder in REPLACEMENTS:
        text = pattern.sub(folder.replace("\\", r"\\"), text)
    return text


def main() -> None:
    changed = 0
    for path in (Path(sys.prefix) / "share").rglob("*.cmake"):
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
        mended = mend(text)
        if mended != text:
            path.write_text(mended, encoding="utf-8", errors="surrogateescape")
            changed += 1
    print(f"{changed} files changed")


if __name__ == "__main__":
    main()
