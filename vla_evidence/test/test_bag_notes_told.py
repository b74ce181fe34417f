"""`vla evidence`, `vla ledger` and `vla report` say what a bag says of itself: figures of what may be damaged are no figures of a
whole bag."""

import json
import re

import pytest
from evidence_samples import RUNS, START, BagDraft

from vla_bringup import cli

CUT = "metadata.yaml is cut short or damaged, and not used"


@pytest.fixture
def folder(card, tmp_path):
    """A run folder whose bag has a metadata.yaml that was cut in two."""
    (tmp_path / "run" / "bag").mkdir(parents=True)
    draft = BagDraft(card)
    draft.run(RUNS[0], "pick up the red block", START, 2.0)
    draft.write(tmp_path / "run" / "bag" / "bag_0.mcap")
    (tmp_path / "run" / "bag" / "metadata.yaml").write_text('rosbag2_bagfile_information:\n  storage_identifier: "mc')
    return tmp_path / "run"


@pytest.mark.parametrize("verb", ["evidence", "ledger"])
def test_a_note_of_the_bag_is_shown_and_written(verb, folder, tmp_path, capsys):
    assert cli.main([verb, str(folder / "bag"), "--json", str(tmp_path / "a.json")]) == 0
    assert f"note: {CUT}" in " ".join(capsys.readouterr().out.split())
    assert CUT in json.loads((tmp_path / "a.json").read_text())["notes"]


def test_a_note_of_the_bag_is_on_the_page(folder, capsys):
    assert cli.main(["evidence", str(folder / "bag"), "--out", str(folder)]) == 0
    capsys.readouterr()
    assert cli.main(["report", str(folder)]) == 0
    assert CUT in re.sub(r"\s+", " ", (folder / "report.html").read_text())
