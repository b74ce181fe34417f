"""Pages point at what is there: files, anchors, paths and modules; and each page of docs/ is in its index."""

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = sorted(path.parent.name for path in ROOT.glob("vla_*/package.xml"))
ANY_PACKAGE = "|".join(PACKAGES)
HISTORY = ("CHANGELOG.md", "docs/explanation/decisions.md")
"""Pages that may name what is gone."""


def tracked(pattern: str) -> list[Path]:
    """Files of the repository, those that are not committed yet too."""
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", pattern], cwd=ROOT, capture_output=True, text=True)
    if names.returncode:
        return sorted(path for path in ROOT.rglob(pattern.rpartition("/")[2]) if ".venv" not in path.parts)
    return [ROOT / name for name in names.stdout.split() if (ROOT / name).exists()]


PAGES = tracked("*.md")
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """What the heads of a page are called in links, as GitHub calls them."""
    heads = re.findall(r"^#+ (.*)$", without_code(page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@each_page
def test_links_lead_to_files_and_anchors_that_exist(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", without_code(page.read_text()))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link}: no such file"
        assert not anchor or anchor in anchors(target), f"{link}: no such head; there are: {', '.join(sorted(anchors(target)))}"


@each_page
def test_files_and_modules_that_are_named_exist(page):
    """`vla_x/...` is a file of the repository, or a topic; `vla_x.y.z` is a module, or a name in one."""
    if str(page.relative_to(ROOT)) in HISTORY:
        return
    text = page.read_text()
    for name in re.findall(rf"(?<![\w/.-])((?:{ANY_PACKAGE}|docs|tools|examples|test_support)/[\w./-]*\w\.\w+)", text):
        assert any((base / name).exists() for base in (ROOT, page.parent, *ROOT.glob("vla_*"))), f"{name}: no such file"
    for name in re.findall(rf"(?<![\w/.-])((?:{ANY_PACKAGE})(?:\.\w+)+)", text):
        assert is_module_or_name(name), f"{name}: no such module, and no such name in one"


def is_module_or_name(dotted: str) -> bool:
    if Path(dotted).suffix[1:] in ("yaml", "xml", "md", "py", "launch"):
        return True
    module = dotted
    while module:
        try:
            if importlib.util.find_spec(module) is not None:
                break
        except ModuleNotFoundError:
            pass
        module = module.rpartition(".")[0]
    rest = dotted[len(module) :].strip(".").partition(".")[0]
    return bool(module) and (not rest or hasattr(importlib.import_module(module), rest))


def test_the_package_that_is_gone_is_named_in_its_history_alone():
    """AllenAI's vla-eval imports under that name; ours is no more."""
    gone = "vla" + "_eval"
    for pattern in ("*.md", "*.py", "*.xml", "*.cfg", "*.toml", "*.yaml", ".importlinter", "Makefile"):
        for path in tracked(pattern):
            name = str(path.relative_to(ROOT))
            assert name in HISTORY or gone not in path.read_text(), name


def test_every_page_of_the_docs_is_in_their_index():
    index = (ROOT / "docs" / "README.md").read_text()
    pages = [str(path.relative_to(ROOT / "docs")) for path in PAGES if (ROOT / "docs") in path.parents]
    missing = [page for page in pages if page != "README.md" and f"({page})" not in index]
    assert not missing and len(pages) > 20


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_says_what_is_in_it_and_where_to_change_what(package):
    page = (ROOT / package / "README.md").read_text()
    assert page.startswith(f"# {package}")
    rows = [line for line in page.partition("## To change")[2].splitlines() if line.startswith("| ") and "`" in line]
    assert len(rows) >= 5, "five likely changes, each with the file to open"
