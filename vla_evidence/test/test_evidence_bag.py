"""Rows from bags: runs, outcomes, states and latencies as they were, and the verb `vla evidence`."""

import json
from pathlib import Path

import numpy as np
import pytest
from evidence_samples import MS, RUNS, SECOND, START, WALL, BagDraft
from geometry_msgs.msg import Point, Pose
from std_msgs.msg import String

from vla_bags.reader import Bag
from vla_bringup import cli
from vla_contract.report import ChunkReport, Phase, Verdict
from vla_contract.ros.convert import array_to_image, ns_to_stamp, report_to_msg
from vla_contract.status import PolicyState
from vla_evidence.labels.view import ReferenceView
from vla_evidence.ledger.row import CLOCKS_DISAGREE, HOSTS_DIFFER
from vla_evidence.rows.from_bag import BagRows, reference_views, rows_from_bag
from vla_evidence.rows.latency import NO_REPORT, NOT_HEARD
from vla_evidence.rows.row_files import read_episodes, read_inferences
from vla_evidence.rows.truth import OF_THE_GOAL, truth_from_msg
from vla_msgs.msg import ObjectPose, TaskState
from vla_sim.urdf import robot_urdf

WORDS = "pick up the red block"


@pytest.fixture(scope="module")
def bag(card, tmp_path_factory):
    """A success, a failure that had its time of 6 s, and one that the bag ends in."""
    draft = BagDraft(card)
    draft.run(RUNS[0], WORDS, START, 2.0)
    draft.truth(START, 2.0, WORDS, success=lambda t: t >= 1.7)
    draft.say(START - SECOND, "robot_description", String(data=robot_urdf()))
    draft.run(RUNS[1], WORDS, START + 10 * SECOND, 6.0, moving=False)
    draft.truth(START + 10 * SECOND, 6.0, WORDS, episode=2)
    draft.run(RUNS[2], WORDS, START + 20 * SECOND, 1.2)
    draft.truth(START + 20 * SECOND, 1.2, WORDS, episode=3)
    return draft.write(tmp_path_factory.mktemp("evidence") / "bag.mcap")


def rows(draft_or_path, tmp_path=None, **options):
    path = draft_or_path if isinstance(draft_or_path, Path) else draft_or_path.write(tmp_path / "b.mcap")
    with Bag(path) as opened:
        return rows_from_bag(opened, **options)


def test_each_run_is_an_episode_and_each_inference_a_row(bag, card):
    episodes, inferences = rows(bag, time_limit_s=6.0)
    assert [e.run_id for e in episodes] == list(RUNS) and [e.episode for e in episodes] == [1, 2, 3]
    assert [e.inferences for e in episodes] == [5, 15, 3]
    assert [(i.episode, i.sequence) for i in inferences] == [(e.episode, k) for e in episodes for k in range(e.inferences)]
    first = episodes[0]
    assert (first.task, first.seed, first.instruction, first.target) == ("pick", 42, WORDS, "red_block")
    assert (first.card_hash, first.policy_hash, first.head) == (card.card_hash, card.policy_hash, "flow")
    assert first.checkpoint_hash == "cc" * 32 and first.first_touched == "red_block"
    assert (first.start_ns, first.end_ns) == (START, START + 2 * SECOND)
    assert (first.steps_executed, first.steps_clamped, first.steps_skipped) == (16, 4, 4)
    assert first.clamped_share == 0.25 and first.refused == {"STALE": 1}


def test_outcomes_are_the_simulators_and_what_was_broken_off_did_not_fail(bag):
    episodes, _ = rows(bag, time_limit_s=6.0)
    assert [(e.outcome, e.outcome_source) for e in episodes] == [("SUCCESS", "SIM"), ("FAILURE", "SIM"), ("UNKNOWN", "")]
    assert episodes[0].seconds == pytest.approx(1.7)
    by_the_card, _ = rows(bag)  # its limit is 15 s, which the second run did not have
    assert [e.outcome for e in by_the_card] == ["SUCCESS", "UNKNOWN", "UNKNOWN"]


def test_a_failure_gets_its_label_and_the_first_bad_inference_is_marked(bag):
    episodes, inferences = rows(bag, time_limit_s=6.0)
    failed = episodes[1]
    assert failed.label == "NO_PROGRESS" and failed.first_bad_sequence == 0
    bad = [i for i in inferences if i.bad]
    assert [(i.run_id, i.sequence, i.label) for i in bad] == [(RUNS[1], failed.first_bad_sequence, "NO_PROGRESS")]
    assert episodes[0].label == episodes[2].label == ""


def test_an_inference_row_has_what_the_policy_saw_and_what_became_of_it(bag, card):
    _, inferences = rows(bag)
    row, refused = inferences[2], inferences[1]
    assert row.cameras == ("front", "wrist") and row.image_stamps_ns == (row.stamp_ns, row.stamp_ns - 5 * MS)
    assert row.action_space == "EE_DELTA" and row.names == tuple(card.action.names) and row.horizon == 16
    # Half way between two joint states, in the card's order and not the robot's. t = 0.805 s.
    assert row.state == pytest.approx([*np.linspace(0.1, 0.7, 7) + 0.805, 0.04])
    assert row.latency_ms == pytest.approx(50), "simulated time: by /clock alone"
    assert row.latency_unknown == "" and row.inference_ms == pytest.approx(25)
    assert row.verdict == "ACCEPTED" and row.clamped_share == 0.25
    assert row.clamps == ({"step": 2, "limit": "velocity panda_joint3", "amount": 0.5},)
    assert (refused.verdict, refused.message, refused.steps_executed) == ("STALE", "too old", 0)


def test_on_a_real_arm_nobody_guesses_success(card, tmp_path):
    draft = BagDraft(card)
    draft.run(RUNS[0], "the red block, lift it up", START, 15.0)
    episodes, inferences = rows(draft, tmp_path)
    (row,) = episodes
    assert (row.outcome, row.outcome_source, row.seed, row.target) == ("UNKNOWN", "", None, "")
    assert row.task == "pick" and len(inferences) == 38


def test_ground_truth_of_other_words_or_of_before_the_run_tells_nothing(card, tmp_path):
    draft = BagDraft(card)
    draft.run(RUNS[0], WORDS, START, 2.0)
    draft.truth(START, 2.0, "pick up the blue block", success=lambda t: True)
    assert rows(draft, tmp_path)[0][0].outcome == "UNKNOWN"
    draft = BagDraft(card)
    draft.run(RUNS[0], WORDS, START, 2.0)
    draft.truth(START - SECOND, 4.0, WORDS, success=lambda t: True)  # done before it began: not its doing
    assert rows(draft, tmp_path)[0][0].outcome == "UNKNOWN"


@pytest.mark.parametrize(("words", "understood", "outcome"), [
    ("the red block, lift it up", "", "SUCCESS"),  # by the card
    ("get me the red thing", "", "UNKNOWN"),
    ("get me the red thing", WORDS, "SUCCESS"),
    ("the red block, lift it up", "pick up the blue block", "UNKNOWN"),
])  # fmt: skip
def test_ground_truth_is_about_words_that_mean_the_same_as_they_were_understood(card, tmp_path, words, understood, outcome):
    draft = BagDraft(card)
    draft.run(RUNS[0], words, START, 2.0)
    for _, topic, message in draft.messages:
        if topic == "/vla/policy_status":
            message.understood = understood
    draft.truth(START, 2.0, WORDS, success=lambda t: t >= 1.7)
    assert rows(draft, tmp_path)[0][0].outcome == outcome


def test_success_of_the_next_layout_is_not_the_runs(card, tmp_path):
    draft = BagDraft(card)
    draft.run(RUNS[0], WORDS, START, 4.0)
    draft.truth(START, 2.0, WORDS)
    draft.truth(START + 2050 * MS, 1.5, WORDS, success=lambda t: True, episode=2)
    assert rows(draft, tmp_path)[0][0].outcome == "UNKNOWN"


def test_a_flicker_of_success_that_did_not_last_is_none(card, tmp_path):
    draft = BagDraft(card)
    draft.run(RUNS[0], WORDS, START, 6.0)
    draft.truth(START, 6.0, WORDS, success=lambda t: 2.0 <= t < 2.1, once=lambda t: False)
    assert rows(draft, tmp_path, time_limit_s=6.0)[0][0].outcome == "FAILURE"


def test_a_policy_that_broke_down_failed_before_its_time(card, tmp_path):
    draft = BagDraft(card)
    draft.run(RUNS[0], WORDS, START, 2.0, status=False)
    for k in range(10):
        draft.status(START + k * 200 * MS, RUNS[0], WORDS)
    draft.truth(START, 2.0, WORDS)
    draft.status(START + 2010 * MS, "", state=PolicyState.ERROR, message="out of memory")
    assert rows(draft, tmp_path)[0][0].outcome == "FAILURE"


def stack(card, **goal) -> BagDraft:
    """A stack on the green block that is brought nearer and let go 4 cm short of it; goal: fields of TaskState."""
    draft = BagDraft(card)
    draft.run(RUNS[0], "put the red block on the green block", START, 6.0)
    for k in range(121):
        held = 20 <= k < 60
        state = TaskState(
            task="stack", instruction="put the red block on the green block", episode=1, target_object="red_block",
            held_object="red_block" if held else "", first_touched="red_block" if k >= 20 else "", **goal,
        )  # fmt: skip
        for name, x, y in (("blue_block", 0.5, 0.3), ("red_block", 0.5, 0.0), ("green_block", 0.5, 0.04)):
            z = 0.06 if held and name == "red_block" else 0.02
            state.objects.append(ObjectPose(name=name, pose=Pose(position=Point(x=x, y=y, z=z))))
        state.header.stamp = ns_to_stamp(START + k * 50 * MS)
        draft.say(START + k * 50 * MS + 2 * MS, "vla/task_state", state)
    return draft


@pytest.mark.parametrize(("older", "words"), [
    (False, "it ended 12.5 cm from the blue_block"),  # as the message says, whatever the sentence says
    (True, "it ended 4.0 cm from the green_block"),
])  # fmt: skip
def test_the_goal_is_what_task_state_says_and_taken_from_the_words_only_where_an_older_one_does_not(card, tmp_path, older, words):
    path = stack(card, destination_object="blue_block", goal_distance=0.125).write(tmp_path / "b.mcap", older=older)
    with Bag(path) as opened:
        made = BagRows(opened)
        (episode,), _ = made.make(time_limit_s=6.0)
    assert episode.label == "DROPPED" and words in made.runs[0].finding.words
    assert any("recorded without destination_object and goal_distance" in note for note in made.notes) is older


def test_an_older_pick_is_done_at_ten_centimetres():
    def goal(height: float) -> float | None:
        lying = ObjectPose(name="red_block", pose=Pose(position=Point(x=0.5, y=0.1, z=height)))
        state = TaskState(task="pick", instruction=WORDS, target_object="red_block", objects=[lying])
        return truth_from_msg(state, absent=OF_THE_GOAL).goal_m

    assert [goal(height) for height in (0.02, 0.07, 0.15)] == pytest.approx([0.08, 0.03, 0.0])


def test_lost_chunks_and_unreported_ones_have_rows(card, tmp_path):
    draft = BagDraft(card)
    draft.run(RUNS[0], WORDS, START, 1.2)
    lost = ChunkReport(
        stamp_ns=START, phase=Phase.CLOSED, run_id=RUNS[0], sequence=9, chunk_stamp_ns=0, verdict=Verdict.LOST
    )
    draft.say(START + 2 * SECOND, "vla/chunk_report", report_to_msg(lost))
    draft.messages = [m for m in draft.messages if not (m[1] == "/vla/chunk_report" and m[2].sequence == 2)]
    _, inferences = rows(draft, tmp_path)
    assert [(i.sequence, i.verdict) for i in inferences] == [(0, "ACCEPTED"), (1, "STALE"), (2, ""), (9, "LOST")]
    assert inferences[2].latency_ms is None and inferences[3].horizon == 0
    assert inferences[2].latency_unknown == NO_REPORT and inferences[3].latency_unknown == NOT_HEARD


def test_wall_time_ties_camera_and_controller_by_the_steady_clock(card, tmp_path):
    draft = BagDraft(card)
    draft.run(RUNS[0], WORDS, WALL, 1.2)
    (episode,), inferences = rows(draft, tmp_path)
    assert [i.latency_ms for i in inferences] == pytest.approx([20 + 30, 20 + 31, 20 + 32])
    assert episode.latency_p50_ms == pytest.approx(51) and episode.latency_unknown == ""


@pytest.mark.parametrize("ahead_s", [7, -7])
def test_the_steady_clocks_of_two_hosts_make_no_latency_and_the_rows_say_why(card, tmp_path, ahead_s):
    """The controller's host was booted earlier, or later: 7 s are no latency."""
    draft = BagDraft(card)
    draft.run(RUNS[0], WORDS, WALL, 2.0)
    for _, topic, message in draft.messages:
        if topic == "/vla/chunk_report" and message.received_steady_ns:
            message.received_steady_ns += ahead_s * SECOND
    (episode,), inferences = rows(draft, tmp_path)
    assert {(i.latency_ms, i.latency_unknown) for i in inferences} == {(None, HOSTS_DIFFER)}
    assert (episode.latency_p50_ms, episode.latency_p99_ms, episode.latency_unknown) == (None, None, HOSTS_DIFFER)
    assert all(i.inference_ms == pytest.approx(25) for i in inferences), "of one host alone"


def test_one_report_that_contradicts_the_clocks_has_no_latency_and_the_others_keep_theirs(card, tmp_path):
    draft = BagDraft(card)
    draft.run(RUNS[0], WORDS, WALL, 2.0)
    for _, topic, message in draft.messages:
        if topic == "/vla/chunk_report" and message.sequence == 3:
            message.received_steady_ns += SECOND
    (episode,), inferences = rows(draft, tmp_path)
    assert [i.latency_unknown for i in inferences] == ["", "", "", CLOCKS_DISAGREE, ""]
    assert [i.latency_ms is None for i in inferences] == [False, False, False, True, False]
    assert episode.latency_p99_ms < 60 and episode.latency_unknown == ""


def test_a_chunk_that_contradicts_itself_is_counted_and_named(card, tmp_path):
    draft = BagDraft(card)
    draft.run(RUNS[0], WORDS, START, 0.8)
    broken = replace_actions(next(m for _, t, m in draft.messages if t == "/vla/action_chunk"))
    draft.say(START + SECOND, "vla/action_chunk", broken)
    with Bag(draft.write(tmp_path / "b.mcap")) as opened:
        assert BagRows(opened).notes == ["1 messages on /vla/action_chunk that contradict themselves were left out"]


def replace_actions(message):
    broken = type(message)(**{f: getattr(message, f) for f in message.get_fields_and_field_types()})
    broken.actions = [0.0] * 5
    broken.sequence = 77
    return broken


def image(rng, dx: int) -> np.ndarray:
    image = np.full((224, 224, 3), 90, dtype=np.uint8)
    image[60:200, 30 + dx : 50 + dx] = 30
    image[100:110, 120 + dx : 190 + dx] = 220
    y, x = rng.integers(60, 200, 2)
    image[y : y + 12, x : x + 12] = rng.integers(0, 255, 3)
    return image


def test_a_camera_that_was_moved_is_found_against_a_reference_bag(card, tmp_path):
    card = card.model_copy(update={"cameras": [card.cameras[0].model_dump()]})
    rng = np.random.default_rng(0)

    def drafted(runs: int, dx: int, name: str) -> Path:
        draft = BagDraft(card)
        for k in range(runs):
            begin = START + k * 10 * SECOND
            draft.run(f"{k + 1:032x}", "x", begin, 0.8)
            draft.say(begin + 10 * MS, "front/image_raw", array_to_image(image(rng, dx), begin, "front"))
        return draft.write(tmp_path / name)

    with Bag(drafted(5, 0, "reference.mcap")) as reference:
        views = reference_views(reference)
    assert views["front"].steady
    moved, _ = rows(drafted(1, 20, "moved.mcap"), references=views)
    same, _ = rows(drafted(1, 0, "same.mcap"), references=views)
    assert [e.label for e in moved] == ["VIEWPOINT"] and [e.label for e in same] == [""]


def test_an_image_that_is_not_the_cards_is_left_out_and_named(card, tmp_path):
    """Grey images under a card of colours would be compared with colours."""
    card = card.model_copy(update={"cameras": [card.cameras[0].model_dump()]})
    draft = BagDraft(card)
    for k in range(2):
        begin = START + k * 10 * SECOND
        draft.run(f"{k + 1:032x}", "x", begin, 0.8)
        draft.say(begin + 10 * MS, "front/image_raw", array_to_image(image(np.random.default_rng(0), 0), begin, "front", "mono8"))
    with Bag(draft.write(tmp_path / "grey.mcap")) as opened:
        made = BagRows(opened)
        views = {"front": ReferenceView("front", [image(np.random.default_rng(k), 0) for k in range(5)])}
        episodes, _ = made.make(references=views)
    assert [episode.label for episode in episodes] == ["", ""]
    assert made.notes == ["2 first images of a run cannot be read, camera front: encoding 'mono8', the card has 'rgb8'"]


# The verb


def test_vla_evidence_writes_both_forms_and_the_operators_word_counts(bag, tmp_path, capsys):
    out = tmp_path / "run"
    words = ["evidence", str(bag), "--out", str(out), "--time-limit", "6", "--json", str(tmp_path / "e.json")]
    assert cli.main(words) == 0
    assert sorted(p.name for p in out.iterdir()) == [
        "episodes.jsonl", "episodes.parquet", "evidence.json", "inferences.jsonl", "inferences.parquet",
    ]  # fmt: skip
    assert read_episodes(out / "episodes.jsonl") == read_episodes(out / "episodes.parquet")
    assert read_inferences(out / "inferences.jsonl") == read_inferences(out / "inferences.parquet")
    assert "1/2 = 50%" in capsys.readouterr().out
    assert cli.main(["label", str(out), "3", "success"]) == 0
    assert cli.main(words) == 0  # made again, and the word is kept
    assert "2/3 = 67%" in capsys.readouterr().out
    figures = json.loads((tmp_path / "e.json").read_text())
    assert figures["command"]["argv"] == ["vla", *words] and len(figures.pop("episodes")) == 3
    assert json.loads((out / "evidence.json").read_text()) == figures
    assert figures["score"]["trials"] == 3 and figures["score"]["unknown"] == 0 and figures["inferences"] == 23


def test_vla_evidence_tells_what_is_missing(card, tmp_path, capsys):
    assert cli.main(["evidence", str(tmp_path / "nothing")]) == cli.USER_ERROR
    assert "no such bag" in capsys.readouterr().err
    draft = BagDraft(card)
    draft.run(RUNS[0], WORDS, START, 0.8)
    path = draft.write(tmp_path / "foreign.mcap", with_card=False)
    assert cli.main(["evidence", str(path)]) == cli.USER_ERROR
    assert "no card in this bag" in capsys.readouterr().err
    assert cli.main(["evidence", str(path), "--card", "panda_tabletop"]) == 0
