import argparse
import json

import pytest

from vla_eval import cli_bench, controller_bench, evidence_bench


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    cli_bench.add_arguments(parser)
    return parser.parse_args(list(words))


def test_controller_stands_for_its_parts_each_once():
    assert cli_bench.CONTROLLER == controller_bench.PARTS
    assert cli_bench.expand(("sim", "controller", "seam")) == ["sim", *controller_bench.PARTS]


def test_evidence_stands_for_its_parts_and_two_of_them_share_a_key(tmp_path, monkeypatch):
    assert cli_bench.EVIDENCE == evidence_bench.PARTS and cli_bench.expand(("evidence",)) == list(evidence_bench.PARTS)
    monkeypatch.setattr(evidence_bench, "recorded_ledger", lambda *_: {"ledger_share": 1.0})
    monkeypatch.setattr("vla_eval.bags.kill_bench.kill_recorder", lambda *_: {"kills": 25, "lost": 1, "unreadable": 2})
    monkeypatch.setattr(
        "vla_eval.trials.kill_bench.kill_eval", lambda *_, **__: {"kills": 25, "lost": 0, "duplicates": 4, "cut": 9}
    )
    assert cli_bench.run(parse("--only", "ledger", "kills", "--out", str(tmp_path), "--docs", str(tmp_path))) == 0
    figures = json.loads((tmp_path / "results.json").read_text())["results"]["evidence"]
    assert (figures["ledger_share"], figures["kills"], figures["lost"]) == (1.0, 50, 7), "cut lines are no loss"


def test_only_knows_the_parts(capsys):
    with pytest.raises(SystemExit):
        parse("--only", "grpah")
    assert "grpah" in capsys.readouterr().err
    assert parse("--long", "--only", "fuzz").only == ["fuzz"]


def test_figures_of_controller_parts_stand_beside_each_other(tmp_path, monkeypatch):
    parts = {"clean": {"clean_changed_share": 0.001}, "seam": {"seam": {"position_rad": 0.0, "rows": [1, 2]}}}
    monkeypatch.setattr(controller_bench, "measure_part", lambda part, *_, **__: parts[part])
    args = parse("--only", "clean", "seam", "--out", str(tmp_path), "--docs", str(tmp_path))
    assert cli_bench.run(args) == 0
    args.only = ["seam"]
    assert cli_bench.run(args) == 0
    written = json.loads((tmp_path / "results.json").read_text())
    assert written["results"]["controller"] == {"clean_changed_share": 0.001, **parts["seam"]}
    assert written["machine"]["cores"] > 0


def test_the_long_fuzz_is_kept_with_date_and_machine(tmp_path, monkeypatch):
    asked = {}

    def measure(chunks, processes, seed, out, progress):
        asked.update(chunks=chunks, out=out)
        return {"chunks": chunks, "violations": 0}

    monkeypatch.setattr("vla_eval.fuzz.runner.measure", measure)
    figures = controller_bench.fuzz_long(tmp_path / "out", tmp_path)
    kept = json.loads((tmp_path / "fuzz_long.json").read_text())
    assert figures == {"fuzz_long": kept["figures"]} and kept["figures"]["chunks"] == 1_000_000
    assert len(kept["date"]) == 10 and "processor" in kept["machine"]
    assert asked["out"] == tmp_path / "out" / "fuzz_long", "so that it goes on where it was interrupted"
