"""Figures of a recording that was cut short say so where they stand: in the headings."""

import json

import pytest
from evidence_samples import RUNS, START, BagDraft
from ledger_samples import write_bag
from report_pages import Page
from report_samples import ledger, replay

from vla_bringup import cli
from vla_evidence.ledger.chart import draw

WORDS = "of a recording that was cut short"


def whole_and_cut(card, folder, verb):
    """A bag, and one whose recorder was killed."""
    if verb == "ledger":
        whole = write_bag(folder / "whole.mcap", card)
    else:
        draft = BagDraft(card)
        draft.run(RUNS[0], "pick up the red block", START, 2.0)
        whole = draft.write(folder / "whole.mcap")
    (folder / "cut.mcap").write_bytes(whole.read_bytes()[:-20])
    return {"whole": whole, "cut": folder / "cut.mcap"}


@pytest.mark.parametrize(
    ("verb", "headings"), [("ledger", ("Timing of ", "Cadence")), ("evidence", ("Episodes",))], ids=["ledger", "evidence"]
)
def test_each_heading_of_a_cut_recording_says_so(card, verb, headings, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    for name, path in whole_and_cut(card, tmp_path, verb).items():
        assert cli.main([verb, str(path), "--json", str(tmp_path / f"{name}.json")]) == 0
        lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
        titles = [line for line in lines if line.startswith(headings) and WORDS in line]
        assert len(titles) == (len(headings) if name == "cut" else 0), lines
    if verb == "ledger":
        assert json.loads((tmp_path / "cut.json").read_text())["cut_short"] is True
        assert not json.loads((tmp_path / "whole.json").read_text()).get("cut_short")


def test_the_chart_and_the_page_say_so(card, tmp_path, monkeypatch, capsys):
    import matplotlib.pyplot as plt

    drawn = []
    monkeypatch.setattr(plt, "close", drawn.append)
    for cut in (False, True):
        content = {**ledger(card), "cut_short": cut}
        draw(content, tmp_path / "p.png")
        assert (WORDS in drawn[-1].get_suptitle()) == cut
        (tmp_path / "ledger.json").write_text(json.dumps(content))
        (tmp_path / "replay.json").write_text(json.dumps({**replay(card), "truncated": cut}))
        assert cli.main(["report", str(tmp_path)]) == 0
        text = Page((tmp_path / "report.html").read_text()).text
        assert (f"Timing {WORDS}" in text, f"Replay {WORDS}" in text) == (cut, cut)
