"""The reference pages are what the sources say, and nothing is missing from them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from vla_contract.card_sections import LimitsCard
from vla_contract.plugins import VERBS, registered
from vla_contract.shipped import find_launch_file
from vla_evidence.labels.finding import Label
from vla_graph.launch import arguments_of

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"


def check(*folder: Path) -> subprocess.CompletedProcess:
    program = [sys.executable, ROOT / "tools" / "reference", "--check", *folder]
    return subprocess.run(program, capture_output=True, text=True, timeout=110)


def first_column(page: str) -> set[str]:
    """What stands as code at the begin of the rows of a page's tables."""
    return set(re.findall(r"^\| `([^`]+)` \|", (REFERENCE / page).read_text(), re.MULTILINE))


def test_the_pages_are_those_that_the_command_writes():
    done = check()
    assert done.returncode == 0, done.stderr


def test_a_page_that_has_drifted_is_named(tmp_path):
    folder = tmp_path / "reference"
    shutil.copytree(REFERENCE, folder)
    (folder / "card.md").write_text((folder / "card.md").read_text().replace("[rad/s]", "[deg/s]"))
    (folder / "labels.md").unlink()
    done = check(folder)
    assert done.returncode == 1 and "card.md, labels.md: not what the sources say" in done.stderr, done.stderr


def test_nothing_is_missing():
    assert first_column("card.md") >= set(LimitsCard.model_fields)
    arguments = {argument.name for name in ("sim", "real") for argument in arguments_of(find_launch_file(name))}
    assert arguments == first_column("launch.md")
    assert first_column("labels.md") >= {label.value for label in Label}
    heads = set(re.findall(r"^## vla (\S+)$", (REFERENCE / "verbs.md").read_text(), re.MULTILINE))
    assert heads == {name for name, point in registered(VERBS).items() if (ROOT / point.module.partition(".")[0]).is_dir()}
    assert {"speed_scale", "checkpoint", "min_free_mib", "publish_clock", "state_rate", "nice"} <= first_column("parameters.md")
    parts = [path.stem for path in (ROOT / "vla_msgs").rglob("*.*") if path.suffix in (".msg", ".srv", ".action")]
    assert parts and all(f"\n## {part}\n" in (REFERENCE / "messages.md").read_text() for part in parts)


def test_a_parameter_without_a_description_is_refused():
    program = (
        "import sys, ast; sys.path.insert(0, sys.argv[1]); import parameters\n"
        "call = ast.parse('declare(self, \"depth\", 3)').body[0].value\n"
        "parameters._read('vla_contract.card', call.args[1:])\n"
    )
    words = [sys.executable, "-c", program, ROOT / "tools" / "reference"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert "UnknownParameterError: vla_contract.card: parameter 'depth' has no description" in done.stderr
