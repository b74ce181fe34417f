"""Every example runs as it stands, says what it promises, and fits on a screen."""

import subprocess
import sys
from pathlib import Path

import pytest
from ledger_samples import write_bag

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SAYS = {
    "make_a_card": ["my_cell: policy_hash fe40e5471b5749ee", "arms[0].home: 2 values given, 7 joints need 7"],
    "plan_one_chunk": ["SCHEDULED: ACCEPTED", "step 15: tool_speed", "at the end: velocity 0.0e+00 rad/s"],
    "open_a_policy": ["native, head regression", "16 steps of arm.x"],
    "write_a_policy": ["steps executed, 0 clamped; refused: none", "the tool rose from 0.2"],
    "run_one_trial": ["'lift the red block': done after"],
    "read_a_ledger": ["differ by 0 ns", "100% of the chunks are accounted for"],
}


IN_A_GRAPH = {"demonstrate"}
"""Run by test_own_arm.py."""
SCREEN = {"demonstrate": 82}
"""Lines, 60 for all others."""


def test_all_are_here_and_fit_on_a_screen():
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names == set(SAYS) | IN_A_GRAPH
    page = (EXAMPLES / "README.md").read_text()
    assert all(f"`python examples/{name}.py" in page for name in names)
    for name in names:
        assert len((EXAMPLES / f"{name}.py").read_text().splitlines()) <= SCREEN.get(name, 60), name


@pytest.mark.parametrize("name", SAYS)
def test_it_runs(name, tmp_path, card):
    path = EXAMPLES / f"{name}.py"
    words = [tmp_path / "bag.mcap"] if name == "read_a_ledger" else []
    if words:
        write_bag(words[0], card)
    done = subprocess.run([sys.executable, path, *words], cwd=tmp_path, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    assert [says for says in SAYS[name] if says not in done.stdout] == [], done.stdout
