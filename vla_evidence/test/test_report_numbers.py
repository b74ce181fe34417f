"""The numbers of the page are those of the files."""

import base64
import io
import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import report_samples as samples
from PIL import Image
from report_pages import Page
from shipped_paths import CARD

from vla_bags.reader import Bag
from vla_evidence.report.against import against_section
from vla_evidence.report.charts import motion_chart, stacked_bar
from vla_evidence.report.folder import read_folder
from vla_evidence.report.from_bag import take_from_bag
from vla_evidence.report.images import images_from_files
from vla_evidence.report.motion import read_motion, read_reports
from vla_evidence.report.report import make_report
from vla_evidence.report.success import success_section
from vla_evidence.report.words import number, percent
from vla_evidence.rows.outcomes import OperatorOutcome, append_outcome
from vla_evidence.statistics.intervals import wilson_interval


@pytest.fixture(scope="module")
def run(tmp_path_factory, card) -> Path:
    return samples.write_run(tmp_path_factory.mktemp("report") / "run", card)


@pytest.fixture(scope="module")
def page(run) -> Page:
    return Page(make_report(run))


def rows_of(run: Path, name: str) -> list[dict]:
    return [json.loads(line) for line in (run / name).read_text().splitlines()]


def test_success_is_that_of_the_rows_and_unknown_is_not_scored(run, page):
    rows = rows_of(run, "episodes.jsonl")
    groups = sorted({(r["task"], r["perturbation"]) for r in rows})
    assert len(groups) == 3 and any(r["outcome"] == "UNKNOWN" for r in rows)
    for k, group in enumerate([*groups, None]):
        own = [r for r in rows if group in (None, (r["task"], r["perturbation"]))]
        outcomes = Counter(r["outcome"] for r in own)
        known = outcomes["SUCCESS"] + outcomes["FAILURE"]
        low, high = wilson_interval(outcomes["SUCCESS"], known)
        key = "success.all" if group is None else f"success.{k}"
        told = [r for r in own if r["outcome"] != "UNKNOWN"]
        clamped = sum(r["steps_clamped"] for r in told) / sum(r["steps_executed"] for r in told)
        names = ("successes", "known", "unknown", "rate", "low", "high", "clamped_share")
        assert {name: page.numbers[f"{key}.{name}"] for name in names} == {
            "successes": outcomes["SUCCESS"], "known": known, "unknown": outcomes["UNKNOWN"], "rate": outcomes["SUCCESS"] / known,
            "low": low, "high": high, "clamped_share": clamped,
        }  # fmt: skip
    assert page.numbers["key.rate"] == page.numbers["success.all.rate"]


def test_ledger_failures_and_the_rest_are_those_of_the_files(run, page):
    ledger = json.loads((run / "ledger.json").read_text())["overall"]
    for name, figures in {**ledger["parts"], **ledger["wholes"]}.items():
        for figure in ("p50_ms", "p95_ms", "p99_ms"):
            assert page.numbers[f"ledger.{name}.{figure}"] == figures[figure]
    assert page.numbers["ledger.share"] == ledger["ledger_share"] and page.numbers["ledger.sent"] == ledger["sent"]
    labels = Counter(r["label"] for r in rows_of(run, "episodes.jsonl") if r["outcome"] == "FAILURE")
    assert {k.removeprefix("failures."): v for k, v in page.numbers.items() if k.startswith("failures.")} == labels
    assert page.numbers["inferences.0.count"] == len(rows_of(run, "inferences.jsonl"))
    assert page.numbers["preflight.errors"] == 1 and page.numbers["replay.rebuilt"] == 19


def test_the_distance_of_two_policies_and_of_the_shadow_is_that_of_the_replay(run, page, tmp_path):
    replay = json.loads((run / "replay.json").read_text())
    claims = {"between": "policy and other are apart by at most ",
              "shadow": "The recorded shadow is apart from the commanding policy by at most "}  # fmt: skip
    for name, words in claims.items():
        row = replay[name]
        at = f"replay.{name}."
        told = {key.removeprefix(at): value for key, value in page.numbers.items() if key.startswith(at)}
        figures = {f"{c}.{f}": row["columns"][c][f] for c in row["columns"] for f in ("mean_abs", "p95", "max")}
        assert told == {"chunks": row["chunks"], "equal": row["equal_chunks"], **figures} and len(figures) > 15
        worst = max(row["columns"], key=lambda c: row["columns"][c]["mean_abs"])
        size = f"{row['columns'][worst]['mean_abs']:.4g} {row['columns'][worst]['unit']}".strip()
        assert f"{words}{size} in the mean ({worst}), over {row['chunks']} chunks." in page.text
    for title in ("Between the two policies", "Recorded shadow, against the commanding policy"):
        assert title in page.text
    (tmp_path / "replay.json").write_text(json.dumps({**replay, "between": None, "shadow": None}))
    text = Page(make_report(tmp_path)).text
    assert "Open-loop error of other" in text
    assert not [words for words in ("Between the two", "Recorded shadow", "apart") if words in text]


def test_every_file_is_listed_with_its_hash_and_every_claim_has_its_packet(run, page):
    import hashlib

    for name in ("episodes.jsonl", "ledger.json", "bag/bag_0.mcap"):
        assert hashlib.sha256((run / name).read_bytes()).hexdigest() in page.text
    claimed = ("Success rate is 75.0\u00a0%", "No limit violated", "Age at actuation is", "Open-loop error", "Preflight: 1 error")
    for words in claimed:
        assert words in page.text
    claims = sum(tag == "article" and a["class"] == "claim" for tag, a in page.elements)
    assert claims >= 6 and page.text.count("Fooled by") == page.text.count("Again by") == claims


def test_the_operators_word_counts(run, card, tmp_path):
    folder = samples.write_run(tmp_path / "run", card, bag=False)
    before = Page(make_report(folder)).numbers
    append_outcome(folder, OperatorOutcome(samples.run_id(5), "SUCCESS", by="me"))
    after = Page(make_report(folder))
    assert after.numbers["success.all.successes"] == before["success.all.successes"] + 1
    assert after.numbers["success.all.unknown"] == before["success.all.unknown"] - 1
    assert "OPERATOR 1" in after.text and "labels.jsonl" in after.text


def test_nothing_is_scored_where_no_outcome_is_known(tmp_path, card):
    from vla_evidence.rows.row_files import write_rows

    rows = [replace(r, outcome="UNKNOWN", outcome_source="", label="") for r in samples.episodes(card, 5)]
    write_rows(tmp_path / "episodes.jsonl", rows)
    page = Page(make_report(tmp_path))
    assert "No outcome of 5 episodes is known, so nothing is scored" in page.text and "key.rate" not in page.numbers
    assert "no success rate" in page.text and page.numbers["key.unknown"] == 5
    for file in ("ledger.json", "replay.json", "preflight.json", "bag/", "inferences.jsonl"):
        assert f"No {file} in this folder" in page.text


def test_motion_is_that_of_the_bag(run, card, page):
    with Bag(run / "bag") as bag:
        reports, malformed = read_reports(bag)
        motion = read_motion(bag, card, card.arms[0], reports[samples.RUNS[0]])
    assert [(reports[run_id].altered, reports[run_id].executed) for run_id in samples.RUNS] == [(16, 60), (0, 60)]
    assert not malformed
    assert motion.shares.shape[1] == len(card.arms[0].joints) and motion.shares.max() == pytest.approx(0.97, abs=0.005)
    assert motion.shares[:, -1].max() == pytest.approx(0.35 * 0.97, abs=0.005)
    # Chunks 4, 5, 6 and 9: their first four steps, of 0.1 s; times count from the first executed step, 0.1 s after the start.
    assert [(round(a, 3), round(b, 3)) for a, b, _ in motion.clamped] == [(1.5, 2.7), (3.5, 3.9)]
    assert {words for *_, words in motion.clamped} == {"velocity panda_joint1"}
    drawn = [a for tag, a in page.elements if tag == "rect" and a.get("class") == "clamped"]
    assert len(drawn) == 2 * 2 and sum(a.get("class") == "limit" for _, a in page.elements) == 2  # velocity and acceleration
    assert "velocity panda_joint1 16" in page.text
    assert "Most steps clamped, and first failure: episode 1" in page.text


def test_steps_up_to_two_milliseconds_apart_are_one_stretch(run, card):
    limits = "velocity panda_joint1"
    with Bag(run / "bag") as bag:
        reports = read_reports(bag)[0][samples.RUNS[0]]
        begin = reports.start_ns
        for gap_ns, stretches in ((2_000_000, 1), (2_000_001, 2)):
            reports.clamped = [(begin, begin + 10**8, limits), (begin + 10**8 + gap_ns, begin + 3 * 10**8, limits)]
            motion = read_motion(bag, card, card.arms[0], reports)
            assert len(motion.clamped) == stretches and motion.clamped[-1][1] == pytest.approx(0.3, abs=1e-9)


def test_what_is_written_beside_a_chart_is_where_it_is_drawn():
    drawn = motion_chart(np.linspace(0.0, 7.5, 16), np.full((16, 2), 0.5), [], None, "x")
    levels = dict(re.findall(r'top:([\d.]+)%">([^<]+)<', drawn))
    assert levels == {"10.71": "100 %", "55.36": "50 %", "100.00": "0"}, "of a height of 112 %"
    assert '<line class="limit" x1="0" x2="1000" y1="23.6" y2="23.6"/>' in drawn
    ticks = [(float(left), float(t)) for left, t in re.findall(r'left:([\d.]+)%">([\d.]+) s<', drawn)]
    assert ticks == [(pytest.approx(100 * t / 7.5, abs=0.01), t) for t in range(8)]


@pytest.mark.parametrize(("seconds", "step"), [(4.0, 0.5), (4.4, 1), (8.5, 2), (41.0, 10), (4000.0, 600), (5000.0, 1800)])
def test_a_chart_has_no_more_stretches_between_its_ticks_than_eight(seconds, step):
    drawn = motion_chart(np.array([0.0, seconds]), np.full((2, 1), 0.5), [], None, "x")
    ticks = [float(t) for t in re.findall(r">([\d.]+) s<", drawn)]
    assert ticks == [k * step for k in range(int(seconds / step) + 1)] and len(ticks) <= 9


def test_parts_beyond_the_eight_colours_of_the_page_begin_with_the_first_again():
    drawn = stacked_bar([(f"part {k}", 2.0) for k in range(9)], 20.0, None)
    assert re.findall(r'class="part(\d+)"', drawn) == ["0", "1", "2", "3", "4", "5", "6", "7", "0"]


def test_a_number_is_rounded_to_read_and_kept_exact():
    assert number(1234567) == '<data value="1234567">1\u202f234\u202f567</data>'
    assert number(2.71828, "e", digits=2, unit="mm") == '<data data-name="e" value="2.71828">2.72\u00a0mm</data>'
    assert percent(0.1234, "share") == '<data data-name="share" value="0.1234">12.3\u00a0%</data>'


def test_policies_are_named_where_there_are_several(run):
    folder = read_folder(run)
    assert {group["policy"] for group in success_section(folder)["groups"]} == {""}
    folder.episodes = [replace(row, policy="expert") if row.episode < 13 else row for row in folder.episodes]
    made = [(group["name"], group["policy"], group["episodes"]) for group in success_section(folder)["groups"]]
    of_picks = [("pick", "expert", 4), ("pick", "native", 8)]
    assert made == [*of_picks, *of_picks, ("stack", "expert", 4), ("stack", "native", 8)]


def test_a_failure_shows_the_newest_frame_before_its_first_bad_action(page, card):
    images = [a["src"] for tag, a in page.elements if tag == "img"]
    assert len(images) == len(card.cameras)
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(images[0].partition(",")[2]))), dtype=float)
    errors = [np.abs(image - samples.image(k, False)).mean() for k in range(30)]
    assert int(np.argmin(errors)) == 13  # stamped at 2.6 s; the bad action is at 2.75 s, the next frame at 2.8 s


def test_a_failure_whose_bad_moment_nobody_knows_has_no_frames(run, card):
    folder = read_folder(run)
    row = folder.episodes[0]
    found = take_from_bag(folder, [row]).images[1]
    assert [(image.camera, image.early_ms) for image in found] == [(name, 150.0) for name in card.camera_names]
    assert take_from_bag(folder, [replace(row, first_bad_stamp_ns=None)]).images == {}


def test_rows_of_another_recording_than_the_bag_are_said_to_be(run):
    folder = read_folder(run)
    assert take_from_bag(folder, []).notes == []
    folder.episodes = [row for row in folder.episodes if row.run_id not in samples.RUNS]
    words = "no episode of episodes.jsonl is a run of the bag: they are of different recordings"
    assert take_from_bag(folder, []).notes == [words]


def test_frames_of_files_are_taken_without_a_bag(tmp_path, card):
    folder = samples.write_run(tmp_path / "run", card, bag=False)
    (folder / "frames").mkdir()
    for name in ("episode_1_front.png", "pick_50004_front.png", "episode_2_front.png"):
        Image.fromarray(samples.image(3, False)).save(folder / "frames" / name)
    page = Page(make_report(folder))
    assert [a["alt"] for tag, a in page.elements if tag == "img"] == [
        f"front at the first bad action of episode {k}" for k in (1, 13)
    ]  # not of episode 2, which succeeded
    assert not [tag for tag, _ in Page(make_report(folder, max_frames=0)).elements if tag == "img"]


@pytest.mark.parametrize(("size", "shown"), [((640, 482), (320, 241)), ((320, 500), (320, 500)), ((1000, 1), (320, 1))])
def test_a_frame_is_no_wider_than_the_page_has_room_for_and_keeps_its_shape(tmp_path, size, shown):
    file = tmp_path / "episode_1_wrist.png"
    Image.new("RGB", size).save(file)
    (image,) = images_from_files([file], ["episode_1"])
    assert (image.camera, image.width, image.height) == ("wrist", *shown)
    assert Image.open(io.BytesIO(base64.b64decode(image.uri.partition(",")[2]))).size == shown


def test_trials_alone_make_a_page(tmp_path):
    content = samples.evaluation(CARD)
    (tmp_path / "eval.json").write_text(json.dumps(content))
    page = Page(make_report(tmp_path))
    assert page.numbers["success.0.rate"] == content["rate"]
    assert (page.numbers["success.0.low"], page.numbers["success.0.high"]) == pytest.approx(content["interval"], abs=1e-4)
    assert page.numbers["success.0.unknown"] == content["unknown"] > 0


def test_two_folders_are_paired_by_seed(tmp_path):
    contents = [samples.evaluation(CARD, shift=shift) for shift in (0, 1)]
    for name, content in zip("ab", contents):
        (tmp_path / name).mkdir()
        (tmp_path / name / "eval.json").write_text(json.dumps(content))
    page = Page(make_report(tmp_path / "a", against=tmp_path / "b"))
    first, second = ({r["seed"]: r["success"] for r in c["rows"]} for c in contents)
    pairs = [(first[s], second[s]) for s in first if None not in (first[s], second[s])]
    assert page.numbers["comparison.difference"] == pytest.approx(sum(a - b for a, b in pairs) / len(pairs))
    assert (page.numbers["against.0.known"], page.numbers["against.1.known"]) == (len(pairs), len(pairs))
    both, only_first = sum(a and b for a, b in pairs), sum(a and not b for a, b in pairs)
    assert f"Pairs{len(pairs)}: both {both}, only the first {only_first}" in page.text.replace("\n", "")
    assert "McNemar" in page.text


def test_runs_of_a_real_arm_are_compared_without_pairs_task_by_task(run):
    """They have no seeds. A folder with more of the easy task is not better for that."""
    first, second = read_folder(run), read_folder(run)
    row = replace(first.episodes[0], seed=None, perturbation="", outcome_source="OPERATOR")

    def rows(task, good, bad):
        return [replace(row, task=task, outcome=o) for o in ["SUCCESS"] * good + ["FAILURE"] * bad + ["UNKNOWN"]]

    first.episodes = rows("easy", 36, 4) + rows("hard", 2, 8)
    second.episodes = rows("easy", 9, 1) + rows("hard", 32, 8) + rows("other", 3, 3)
    section = against_section(first, second)
    assert section["comparison"] is None and [u["name"] for u in section["unpaired"]] == ["easy", "hard"]
    easy, hard = section["unpaired"]
    assert (easy["first"], easy["second"], easy["verdict"]) == ((36, 40), (9, 10), "cannot tell")
    assert hard["difference"] == pytest.approx(-0.6) and hard["verdict"].endswith(f"is better than {first.path}")
    assert easy["alpha"] == 0.025


def test_the_same_seed_under_another_perturbation_is_another_pair(run):
    first, second = read_folder(run), read_folder(run)
    section = against_section(first, second)
    assert section["comparison"]["pairs"] == 32 and section["comparison"]["unknown"] == 4 and section["left_out"] == 0
    assert section["comparison"]["difference"] == 0.0 and section["changed"] == []
    second.episodes = [replace(row, perturbation="push=2", head="mlp") for row in second.episodes if row.perturbation]
    section = against_section(first, second)  # pick is there once in the second folder, twice in the first
    assert section["left_out"] == 24 and section["comparison"]["pairs"] == 12
    assert ("head", "flow", "mlp") in section["changed"]


def test_a_side_of_which_nothing_is_known_has_no_interval(run):
    first, second = read_folder(run), read_folder(run)
    second.episodes = [replace(row, outcome="UNKNOWN") for row in second.episodes]
    here, there = against_section(first, second)["sides"]
    assert "75.0 %, 95 % interval 57.9 to 86.7 %" in here["interval_svg"] and there["interval_svg"] == ""


def test_requests_that_differ_are_said_to_differ(tmp_path):
    contents = [samples.evaluation(CARD), samples.evaluation(CARD)]
    asked = {
        "strategy": "committed_prefix", "committed_steps": 3, "time_limit_s": 2.5, "replan_steps": 8, "latency": [0.2, 0.0, 0.0],
        "rule": "splice", "perturbation": "", "setup": "other", "noise": 0.0, "seeds": [[50_000, 50_020], [50_022, 50_040]],
        "tasks": ["pick", "stack"], "suite": "0.1.0+another", "split": "unseen", "checkpoint_hash": "ab", "card_hash": "cd",
    }  # fmt: skip
    assert asked.keys() == contents[1]["request"].keys(), "each field of a request that can change a result"
    for name, content in zip("abc", (*contents, {**contents[1], "request": {**contents[1]["request"], **asked}})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "eval.json").write_text(json.dumps(content))
    same, other = (against_section(read_folder(tmp_path / "a"), read_folder(tmp_path / name)) for name in "bc")
    assert same["changed"] == [] and {"strategy", "time_limit_s", "head"} <= set(same["looked_at"])
    found = {name: values for name, *values in other["changed"]}
    assert found.keys() == asked.keys()
    assert found["strategy"] == ["receding_horizon", "committed_prefix"] and found["committed_steps"] == ["0", "3"]
    assert found["time_limit_s"] == ["the card's", "2.5"] and found["rule"] == ["the card's", "splice"]
    assert found["perturbation"] == [contents[0]["request"]["perturbation"], "none"]
    assert found["seeds"] == ["50000 to 50039", "50000 to 50020, 50022 to 50040"]
    text = Page(make_report(tmp_path / "a", against=tmp_path / "b")).text
    assert "No difference is told in: card hash, policy" in text and "committed steps" in text
    text = Page(make_report(tmp_path / "a", against=tmp_path / "c")).text
    assert "receding_horizon \u2192 committed_prefix" in text and "No difference is told" not in text


def test_an_older_file_that_says_no_strategy_is_not_taken_for_the_same(tmp_path):
    content = samples.evaluation(CARD)
    older = {k: v for k, v in content["request"].items() if k not in ("strategy", "committed_steps")}
    for name, request in (("a", content["request"]), ("b", older)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "eval.json").write_text(json.dumps({**content, "request": request}))
    section = against_section(read_folder(tmp_path / "a"), read_folder(tmp_path / "b"))
    assert section["changed"] == [("strategy", "receding_horizon", "not noted"), ("committed_steps", "0", "not noted")]


def test_rows_without_a_perturbation_differ_from_rows_with_one(run):
    first, second = read_folder(run), read_folder(run)
    first.episodes = [row for row in first.episodes if not row.perturbation]
    second.episodes = [row for row in second.episodes if row.perturbation == "latency=300"]
    assert ("perturbation", "none", "latency=300") in against_section(first, second)["changed"]


def test_files_that_disagree_are_named(tmp_path, card):
    folder = samples.write_run(tmp_path / "run", card, bag=False)
    replay = json.loads((folder / "replay.json").read_text())
    (folder / "replay.json").write_text(json.dumps({**replay, "card_hash": "f00d"}))
    (folder / "eval.json").write_text(json.dumps(samples.evaluation(CARD)))
    text = Page(make_report(folder)).text
    assert "the files disagree on card hash" in text and "f00d in replay.json" in text
    assert "episodes.jsonl has 24 successes of 32 known outcomes, eval.json" in text


def test_the_same_files_make_the_same_page(run):
    assert make_report(run) == make_report(run)
