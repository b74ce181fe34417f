import argparse
import json
import shutil
from collections import namedtuple

import pytest
from shipped_paths import CARD

from vla_bench import controller_bench, evidence_bench
from vla_bench.speed import replay as replay_bench
from vla_bench.verbs import bench as cli_bench
from vla_replay.offline.errors import ReplayError

RECORDER_KILLS = {"kills": 25, "lost": 1, "unreadable": 2, "without_metadata": 16, "messages": 999, "worst_loss_s": 0.5}
EVAL_KILLS = {"kills": 25, "lost": 0, "duplicates": 4, "cut": 99, "orphans": 32}


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
    monkeypatch.setattr("vla_bench.kills.recorder.kill_recorder", lambda *_: RECORDER_KILLS)
    monkeypatch.setattr("vla_bench.kills.trials.kill_eval", lambda *_, **__: EVAL_KILLS)
    assert cli_bench.run(parse("--only", "ledger", "kills", "--out", str(tmp_path), "--docs", str(tmp_path))) == 0
    figures = json.loads((tmp_path / "results.json").read_text())["results"]["evidence"]
    assert (figures["ledger_share"], figures["kills"]) == (1.0, 50)
    assert figures["lost"] == 1 + 2 + 16 + 4 + 32, "cut lines are no loss; all that is wrong counts"


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

    monkeypatch.setattr("vla_bench.fuzz.runner.measure", measure)
    figures = controller_bench.fuzz_long(tmp_path / "out", tmp_path)
    kept = json.loads((tmp_path / "fuzz_long.json").read_text())
    assert figures == {"fuzz_long": kept["figures"]} and kept["figures"]["chunks"] == 1_000_000
    assert len(kept["date"]) == 10 and "processor" in kept["machine"]
    assert asked["out"] == tmp_path / "out" / "fuzz_long", "so that it goes on where it was interrupted"


@pytest.mark.parametrize(("content", "words"), [
    ('{"machine": {"cores": 2}, "resu', "results.json: not JSON"),
    ("[]", "no object 'machine' in it"),
    ('{"machine": {}, "results": [1]}', "no object 'results' in it"),
    ('{"machine": {}, "results": {"sim": 3}}', "results.sim is no object of figures"),
])  # fmt: skip
def test_a_damaged_file_of_results_is_told_and_stays(tmp_path, capsys, content, words):
    from vla_bringup import cli

    path = tmp_path / "results.json"
    path.write_text(content)
    assert cli.main(["bench", "--only", "seam", "--out", str(tmp_path)]) == cli.USER_ERROR
    told = capsys.readouterr().err
    assert words in told and told.count("\n") == 1 and path.read_text() == content


def test_results_are_replaced_whole(tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    cli_bench.write_results(path, {"machine": {}, "results": {"sim": {"steps_per_s": 1.0}}})
    before = path.read_text()

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_bench.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cli_bench.write_results(path, {"machine": {}, "results": {}})
    assert path.read_text() == before and cli_bench.read_results(path)["results"] == {"sim": {"steps_per_s": 1.0}}


def test_the_replay_asks_for_its_space_before_anything_is_measured(tmp_path, monkeypatch, card):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(9e9, 8e9, 1e9))
    monkeypatch.setattr(controller_bench, "measure_part", lambda *_, **__: pytest.fail("measured before"))
    args = parse("--card", str(CARD), "--only", "seam", "replay", "--out", str(tmp_path), "--docs", str(tmp_path))
    with pytest.raises(ReplayError, match=r"600 s needs 5\.5 GB .* 1\.0 GB are free"):
        cli_bench.run(args)
    with pytest.raises(ReplayError, match="are free"):
        replay_bench.replay_bench(600.0, CARD, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_space_for_the_replay_is_what_its_bag_takes(tmp_path, card):
    replay_bench.write_made_up_bag(tmp_path / "bag", card, 2.0)
    size = sum(file.stat().st_size for file in (tmp_path / "bag").iterdir())
    need = replay_bench.bag_bytes(card, 2.0) - replay_bench.RESERVE_BYTES
    assert size <= need <= 1.05 * size
