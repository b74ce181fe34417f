"""Parts of the page that depend on what kind of folder it is: of `vla eval`, of a bag with two arms, of `vla replay --graph`."""

import json
from dataclasses import replace

import pytest
import report_samples as samples
from report_pages import Page
from shipped_paths import CARD

from vla_bags.reader import Bag, BagError
from vla_bringup.cli import main
from vla_contract.command import Command
from vla_evidence.report.folder import RunFolder
from vla_evidence.report.from_bag import take_from_bag
from vla_evidence.report.motion import read_motion, read_reports
from vla_evidence.report.report import make_report
from vla_evidence.rows.row_files import write_rows
from vla_evidence.statistics.paired import Pairs, compare


def text_of(page: str) -> str:
    return " ".join(Page(page).text.split())


# `vla eval`


def trials(folder, card, *, checkpoint="a.safetensors", count=4):
    """A run folder as `vla eval --out` leaves it, with inference rows."""
    rows = [replace(r, checkpoint=checkpoint, perturbation="") for r in samples.episodes(card, count)]
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(folder / "episodes.jsonl", rows)
    inferences = [replace(one, inference_ms=None) for one in samples.inferences(card, rows)]
    write_rows(folder / "inferences.jsonl", inferences)
    content = samples.trials(dict.fromkeys(range(count)), policy="native", checkpoint=checkpoint)
    (folder / "eval.json").write_text(json.dumps(content))
    return inferences


def test_the_page_of_trials_asks_for_nothing_that_they_cannot_have(tmp_path, card):
    trials(tmp_path, card)
    (tmp_path / "inferences.jsonl").unlink()
    page = make_report(tmp_path)
    text = text_of(page)
    for words in ("vla evidence", "vla record", "vla ledger BAG", "vla replay BAG", "--bag"):
        assert words not in text
    for words in ("have no timing ledger", "commanded motion is not kept", "nothing to replay", "joint states are there"):
        assert words in text
    assert "No inferences.jsonl in this folder; vla eval --out DIR brings it" in text
    assert "<code>vla card check CARD --checkpoint CHECKPOINT --json DIR/preflight.json</code>" in page
    assert "vla eval --out puts it into frames/" in text
    for name, content in (("ledger", samples.ledger(card)), ("replay", samples.replay(card))):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    text = text_of(make_report(tmp_path))
    assert "have no timing ledger" not in text and "nothing to replay" not in text


def test_a_folder_of_a_bag_still_says_what_brings_the_rest(tmp_path, card):
    samples.write_bag(tmp_path, card)
    text = text_of(make_report(tmp_path))
    assert "Trials of vla eval" not in text and text.count("vla evidence BAG --out DIR brings it") >= 2


def test_inferences_of_trials_are_shown_for_each_policy(tmp_path, card):
    one = trials(tmp_path, card)
    page = Page(make_report(tmp_path))
    assert page.numbers["inferences.0.count"] == len(one) == 4 * samples.CHUNKS
    assert "drawn, not measured" in page.text and "inferences.1.count" not in page.numbers
    content = json.loads((tmp_path / "eval.json").read_text())
    (tmp_path / "eval.json").write_text(json.dumps({**content, "without_inferences": 3}))
    assert "3 trials have no rows in inferences.jsonl: they were run without" in make_report(tmp_path)
    assert "verdict ACCEPTED; joint 4 asked beyond its velocity" in " ".join(page.text.split())
    two = trials(tmp_path / "against", card, checkpoint="b.safetensors", count=3)
    (tmp_path / "compare.json").write_text(json.dumps(compare(Pairs(1, 1, 0, 2), ("a", "b"))))
    page = Page(make_report(tmp_path))
    assert [page.numbers[f"inferences.{k}.count"] for k in (0, 1)] == [len(one), len(two)]
    text = " ".join(page.text.split())
    assert "a inferences.jsonlCount" in text and "b against/inferences.jsonlCount" in text
    mixed = [replace(r, run_id=f"c{r.run_id[1:]}", checkpoint="", policy="expert") for r in samples.episodes(card, 1)]
    write_rows(tmp_path / "episodes.jsonl", [*samples.episodes(card, 4), *mixed])
    write_rows(tmp_path / "inferences.jsonl", [*one, *samples.inferences(card, mixed)])
    (tmp_path / "compare.json").unlink()
    page = Page(make_report(tmp_path))
    assert [page.numbers[f"inferences.{k}.count"] for k in (0, 1)] == [len(one), samples.CHUNKS]
    assert "expert inferences.jsonlCount" in " ".join(page.text.split())


def test_rows_of_a_real_run_of_trials_make_a_page(tmp_path):
    words = ["--card", str(CARD), "--checkpoint", "expert", "--against", "expert", "--trials", "1", "--time-limit", "0.5"]
    assert main(["eval", *words, "--jobs", "1", "--out", str(tmp_path)]) == 0
    page = Page(make_report(tmp_path))
    for k, folder in enumerate((tmp_path, tmp_path / "against")):
        lines = (folder / "inferences.jsonl").read_text().splitlines()
        assert page.numbers[f"inferences.{k}.count"] == len(lines) > 0
    assert page.numbers["comparison.difference"] == 0.0
    assert "labelling" not in page.text and "stands as" not in page.text
    before = json.loads((tmp_path / "compare.json").read_text())
    assert main(["label", str(tmp_path), "1", "success"]) == 0
    page = Page(make_report(tmp_path))
    assert before["neither"] == 1 and page.numbers["comparison.difference"] == page.numbers["success.0.rate"] == 1.0


# Moments


def test_the_first_bad_action_is_drawn_when_it_was_and_named_where_it_is_drawn(tmp_path, card):
    samples.write_bag(tmp_path, card)
    row, _ = rows = samples.episodes(card, 2)
    write_rows(tmp_path / "episodes.jsonl", rows)
    with Bag(tmp_path / "bag") as bag:
        seconds = read_motion(bag, card, card.arms[0], read_reports(bag)[0][row.run_id]).seconds
    page = Page(make_report(tmp_path))
    drawn = [a["x1"] for _, a in page.elements if a.get("class") == "badline"]
    at = 1000 * (2.65 - seconds[0]) / (seconds[-1] - seconds[0])  # of an arm that moves for 0.1 s before its first step is due
    assert drawn == [f"{at:.1f}"] * 2 and "The solid red line is the first bad action." in page.text
    write_rows(tmp_path / "episodes.jsonl", [replace(row, first_bad_stamp_ns=None), rows[1]])
    page = Page(make_report(tmp_path))
    assert "Most steps clamped, and first failure: episode 1" in page.text and "solid red line" not in page.text
    assert not [a for _, a in page.elements if a.get("class") == "badline"]


@pytest.mark.parametrize(("after_ms", "early_ms"), [(5_800, 0.0), (5_799, 199.0), (7_800, 2_000.0), (7_801, None)])
def test_a_frame_older_than_two_seconds_shows_no_first_bad_action(tmp_path, card, after_ms, early_ms):
    bag = samples.write_bag(tmp_path, card)
    row = samples.episodes(card, 2)[1]  # of the last run: its last frame is of 5.8 s
    row = replace(row, first_bad_stamp_ns=row.start_ns + after_ms * samples.MS)
    found = take_from_bag(RunFolder(tmp_path, bag=bag), [row]).images.get(row.episode, [])
    assert [image.early_ms for image in found] == ([] if early_ms is None else [early_ms] * len(card.cameras))


# Two arms


def test_each_arm_of_the_card_has_its_charts(tmp_path, card):
    two = samples.with_two_arms(card)
    samples.write_bag(tmp_path, two)
    with Bag(tmp_path / "bag") as bag:
        reports, _ = read_reports(bag)
        left, right = (read_motion(bag, two, arm, reports[samples.RUNS[0]]) for arm in two.arms)
    assert (left.shares.max(), right.shares.max()) == pytest.approx((0.97, 0.485), abs=0.005)
    assert right.joints[0] == "right_panda_joint1" and len(right.joints) == 7
    assert {words for *_, words in left.clamped} == {"velocity panda_joint1"}
    assert [words for *_, words in right.clamped] == ["velocity right_panda_joint1"]
    page = Page(make_report(tmp_path))
    labels = [a["aria-label"] for tag, a in page.elements if tag == "svg" and "of each joint of" in a.get("aria-label", "")]
    kinds = ("Velocity of each joint of arm", "Acceleration of each joint of arm",
             "Velocity of each joint of right", "Acceleration of each joint of right")  # fmt: skip
    assert labels == [f"{kind} as share of its limit" for kind in kinds]
    text = " ".join(page.text.split())
    assert "Commanded motion of arm and right" in text and "Velocity of right" in text
    assert "Fastest: panda_joint1, 97.0 % of its velocity; right_panda_joint1, 48.5 % of its velocity." in text


def test_an_arm_without_trajectories_is_named(tmp_path, card):
    two = samples.with_two_arms(card)
    content = two.to_dict()
    content["arms"][1]["trajectory_topic"] = "elsewhere/joint_trajectory"
    elsewhere = type(two).model_validate(content)
    samples.write_bag(tmp_path, two, of=elsewhere)
    text = text_of(make_report(tmp_path))
    assert "No trajectory of right is in the bag." in text and "Commanded motion of arm," in text


# A replay into the graph


def test_what_was_played_into_a_graph_is_shown(tmp_path, card):
    told = {
        "bag": "bag", "seconds": 19.125, "wall_seconds": 9.6, "rate": 2.0,
        "played": {"joint_states": 1912, "front/image_raw": 573}, "missing_topics": ["wrist/image_raw"],
        "clock_messages": 1913, "clock_set_back": 1, "latest_ms": 7.5, "chunks_heard": 41,
        "runs": [{"instruction": "lift <it>", "accepted": True, "remark": ""},
                 {"instruction": "again", "accepted": False, "remark": "busy"}],
    }  # fmt: skip
    (tmp_path / "replay_graph.json").write_text(json.dumps({"graph": told}))
    page = Page(make_report(tmp_path))
    assert page.numbers["replay_graph.played.joint_states"] == 1912 and page.numbers["replay_graph.chunks_heard"] == 41
    assert page.numbers["replay_graph.seconds"] == 19.125 and page.numbers["replay_graph.latest_ms"] == 7.5
    text = " ".join(page.text.split())
    assert "wrist/image_raw not in the bag" in text and "No replay.json" not in text
    assert "“lift <it>” accepted; “again” not accepted (busy)" in text and "replay_graph.json" in text
    (tmp_path / "replay.json").write_text(json.dumps(samples.replay(card)))
    assert "Between the two policies" in text_of(make_report(tmp_path))
    (tmp_path / "replay_graph.json").write_text(json.dumps({"graph": {**told, "played": {"joint_states": "many"}}}))
    with pytest.raises(ValueError, match="replay_graph.json: graph.played.joint_states: 'many', allowed is a whole number"):
        make_report(tmp_path)


@pytest.mark.parametrize("words", [("--namespace", "cell/b"), ("--namespace=cell/b",)])
def test_the_bag_is_read_as_of_the_robot_that_the_figures_are_of(tmp_path, card, words):
    bag = samples.write_bag(tmp_path, card)
    evidence = type("Figures", (), {"command": Command(("vla", "evidence", "bag.mcap", *words, "--out", "run"), "/")})
    run = RunFolder(tmp_path, evidence=evidence, bag=bag)
    assert run.namespace == "cell/b" and RunFolder(tmp_path).namespace is None
    with pytest.raises(BagError, match="no namespace /cell/b in this bag; it has /"):
        take_from_bag(run, [])
