"""The rules of the house that a program can check: files of a size to read, and a README where a reader looks for one."""

import re
from pathlib import Path

import pytest

from vla_contract.plugins import OWN

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = sorted(path.parent for path in ROOT.glob("vla_*/package.xml"))
LONGEST, MEDIAN = 350, 130
"""Lines of a file of code."""


def code() -> dict[Path, int]:
    """Files of code and their lines, without tests."""
    files = [path for package in PACKAGES for path in package.rglob("*.py") if "test" not in path.relative_to(package).parts]
    return {path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines()) for path in files}


def test_the_suite_knows_its_own_packages():
    """Their names win over those of other packages, see `vla_contract.plugins`."""
    assert sorted(OWN) == [package.name for package in PACKAGES if (package / "setup.py").exists()]


def test_no_file_is_longer_than_a_reader_keeps_in_mind():
    lengths = code()
    assert len(lengths) > 300
    assert {str(path): lines for path, lines in lengths.items() if lines > LONGEST} == {}
    written = sorted(lines for path, lines in lengths.items() if path.name not in ("__init__.py", "setup.py"))
    assert written[len(written) // 2] <= MEDIAN


def test_who_makes_an_executor_closes_it():
    """Left to the garbage collector, rclpy destroys its guard conditions twice now and then: a traceback after a clean end."""
    texts = {str(path): (ROOT / path).read_text(encoding="utf-8") for path in code()}
    made = {path: text.count("ThreadedExecutor(") for path, text in texts.items() if "ThreadedExecutor(" in text}
    assert len(made) >= 6
    assert [path for path, count in made.items() if texts[path].count("executor.shutdown(") < count] == []


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_a_package_says_which_file_to_open_for_likely_changes(package):
    """Of each of at least five the README names a file that is there, as seen from the package's folder or the repository's."""
    text = (package / "README.md").read_text(encoding="utf-8")
    rows = re.split(r"^#+ .*change.*$", text, maxsplit=1, flags=re.M | re.I)[-1]
    named = [name for name in re.findall(r"`([\w./-]+)`", rows) if "/" in name or "." in name]
    found = {name for name in named if any((base / name).exists() for base in (package, ROOT))}
    assert len(found) >= 5, f"names {sorted(found)}"
    paths = {name for name in named if "/" in name or name.endswith((".py", ".xml", ".json", ".yaml", ".txt", ".md"))}
    assert paths - found == set()
