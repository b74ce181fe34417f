"""The ledger of a bag, through the `vla ledger` command: figures, table, chart, and mistakes in one line."""

import json
import math

import pytest
from ledger_samples import MS, T0, write_bag
from rich.console import Console

from vla_bags.reader import Bag
from vla_bringup.cli import main
from vla_evidence.ledger.chart import draw
from vla_evidence.ledger.ledger import LedgerError, build_ledger
from vla_evidence.ledger.table import render


@pytest.fixture(scope="module")
def bag_file(tmp_path_factory, card):
    return write_bag(tmp_path_factory.mktemp("ledger") / "run.mcap", card)


@pytest.fixture(scope="module")
def ledger(bag_file):
    with Bag(bag_file) as bag:
        return build_ledger(bag)


def test_a_bag_gives_a_whole_ledger(ledger, card, bag_file):
    content = ledger.as_dict()
    overall = content["overall"]
    assert (overall["sent"], overall["complete"], overall["told_by_verdict"]) == (40, 39, 1)
    assert overall["ledger_share"] == 1.0 and overall["identity"] == {"rows": 39, "largest_error_ns": 0}
    assert overall["verdicts"] == {"ACCEPTED": 39, "STALE": 1}
    assert content["card"] == {"name": card.name, "card_hash": card.card_hash} and content["source"] == str(bag_file)
    assert content["seconds"] == pytest.approx(16.0, abs=0.01)
    cadence = content["cadence"]
    for camera in card.cameras:
        assert cadence[camera.name]["messages"] == 478 and cadence[camera.name]["absent"] == 2
        assert cadence[camera.name]["rate_hz"] == pytest.approx(30.0, rel=0.01)
    assert cadence["joint_states"]["messages"] == 1600 and cadence["joint_states"]["rate_hz"] == pytest.approx(100.0)
    assert cadence["chunks"]["interval"]["p50_ms"] == 400.0
    assert content["unreadable"] == {"/cell/vla/action_chunk": 1}
    assert any("is no ActionChunk" in note for note in content["notes"])


def test_rows_are_there_for_whoever_wants_them(ledger):
    lines = list(ledger.lines())
    assert [line.sequence for line in lines] == list(range(40)) and lines[0].stamp_ns == T0
    assert {line.row.wholes["camera_to_actuation"] // MS for line in lines if line.row.is_complete} == {200, 300}


def test_json_has_no_number_that_json_lacks(ledger):
    def walk(value):
        if isinstance(value, dict):
            return all(isinstance(k, str) and walk(v) for k, v in value.items())
        if isinstance(value, list):
            return all(walk(v) for v in value)
        return not isinstance(value, float) or math.isfinite(value)

    content = ledger.as_dict()
    assert walk(content) and json.loads(json.dumps(content)) == content


def test_the_command_prints_writes_and_draws(bag_file, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    out = tmp_path / "deep" / "ledger.json"
    assert main(["ledger", str(bag_file), "--json", str(out), "--chart", str(tmp_path / "p.png")]) == 0
    text = capsys.readouterr().out
    for words in (
        "wait before inference", "age at actuation", "age of front at inference", "accounted for: 40 of 40 chunks (100.00%)",
        "STALE 1", "largest difference 0 ns", "could not be read: 1 of", "absent", "wall time [ms]",
    ):  # fmt: skip
        assert words in text, words
    assert json.loads(out.read_text())["overall"]["ledger_share"] == 1.0
    assert (tmp_path / "p.png").read_bytes()[:4] == b"\x89PNG"


def test_a_bag_without_chunks_is_one_line_that_names_its_topics(tmp_path, card, capsys):
    path = write_bag(tmp_path / "still.mcap", card, 1, with_chunks=False)
    assert main(["ledger", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "no action chunks" in error
    assert f"/cell/{card.state.topic}" in error and str(path) in error


def test_a_bag_without_reports_says_that_nothing_can_be_accounted_for(tmp_path, card, ledger):
    words = "no vla/chunk_report in this bag: nothing can be accounted for"
    assert words not in ledger.notes
    with Bag(write_bag(tmp_path / "mute.mcap", card, 3, with_reports=False)) as bag:
        told = build_ledger(bag)
    assert words in told.notes and told.as_dict()["overall"]["accounted"] == 0


def test_a_bag_without_a_card_says_what_is_not_expected(tmp_path, card):
    path = write_bag(tmp_path / "bare.mcap", card, 3, with_card=False)
    with Bag(path) as bag:
        content = build_ledger(bag).as_dict()
    assert content["card"] is None and any("without a card" in note for note in content["notes"])
    assert content["overall"]["ledger_share"] == 1.0 and "camera 1" in content["overall"]["ages"]
    with Bag(path) as bag:
        assert build_ledger(bag, card=card).as_dict()["card"]["name"] == card.name


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["ledger"], "give either a bag, or --live"),
        (["ledger", "x.mcap", "--live"], "give either a bag, or --live"),
        (["ledger", "x.mcap", "--once"], "--once goes with --live"),
        (["ledger", "/nowhere/x.mcap"], "/nowhere/x.mcap: no such bag"),
        (["ledger", "/nowhere/x.mcap", "--chart", "p.txt"], "p.txt: a chart's name ends in .png or .svg"),
        (["ledger", "--live", "--chart", "p"], "p: a chart's name ends in .png or .svg"),
    ],
)
def test_mistakes_are_one_line(words, told, capsys):
    assert main(words) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


def test_nothing_to_draw_is_said(tmp_path, ledger):
    content = ledger.as_dict()
    draw(content, tmp_path / "p.SVG")
    assert b"<svg" in (tmp_path / "p.SVG").read_bytes()
    with pytest.raises(LedgerError, match="p.pdf: a chart's name ends in .png or .svg"):
        draw(content, tmp_path / "p.pdf")
    content["overall"]["identity"]["rows"] = 0
    with pytest.raises(LedgerError, match="nothing to draw"):
        draw(content, tmp_path / "none.png")


def test_the_bars_of_a_chart_begin_at_nothing_and_are_as_long_as_the_medians(tmp_path, ledger, monkeypatch):
    import matplotlib.pyplot as plt

    figures = []
    monkeypatch.setattr(plt, "close", figures.append)
    draw(ledger, tmp_path / "p.png")
    parts = [part["p50_ms"] for part in ledger.as_dict()["overall"]["parts"].values()]
    upper = figures[0].axes[0]
    assert upper.get_xlim()[0] == 0.0 < sum(parts) < upper.get_xlim()[1]
    assert [bar.get_width() for bar in upper.patches] == pytest.approx(parts) and len(parts) == 6
    assert [bar.get_x() for bar in upper.patches] == pytest.approx([sum(parts[:k]) for k in range(6)])


def test_names_are_shown_as_they_are(ledger):
    content = json.loads(json.dumps(ledger.as_dict()))
    content["cadence"]["[/x]"] = {**content["cadence"]["front"], "repeated": 3}
    content["overall"]["ages"]["[red]"] = content["overall"]["ages"]["front"]
    content["notes"].append("a note [/y]")
    console = Console(width=140, record=True, file=open("/dev/null", "w"))
    console.print(render(content))
    text = console.export_text()
    for words in ("[/x]: stamps stand still, 3 times", "age of [red] at inference", "note: a note [/y]"):
        assert words in text


def test_a_ledger_of_nothing_can_be_shown(card):
    from vla_evidence.ledger.builder import LedgerBuilder

    console = Console(width=120, record=True, file=open("/dev/null", "w"))
    console.print(render(LedgerBuilder(card).ledger().as_dict()))
    assert "none heard" in console.export_text()
