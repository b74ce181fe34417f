"""Perturbations do what they say, by seed, and where none is asked for nothing changes."""

import numpy as np
import pytest
from shipped_paths import CARD

from vla_contract.card import load_card
from vla_contract.report import Phase, Verdict
from vla_sim.perturbations import OTHER_DYNAMICS
from vla_sim.scene import OBJECTS
from vla_sim.tasks import REGION_MAX, REGION_MIN
from vla_trials.lockstep.expert_policy import ExpertPolicy
from vla_trials.lockstep.runner import LockstepRunner
from vla_trials.lockstep.simulated_cell import OTHER, CellError, SimulatedCell
from vla_trials.trials.circumstances import Circumstances
from vla_trials.trials.errors import TrialsError
from vla_trials.trials.perturbations import KINDS, Perturbations, help_text, parse
from vla_trials.trials.splits import NEW_WORDS, SPLITS, seeds_of, split_of


@pytest.fixture(scope="module")
def cell():
    return SimulatedCell(load_card(CARD))


def begin(cell, words, seed=3, task="pick", **kwargs):
    """A world reset and perturbed."""
    circumstances = Circumstances(cell.world, parse(words.split()), **kwargs)
    cell.world.now_ns = 1_000_000_000
    cell.world.reset(task, seed)
    return circumstances, circumstances.begin()


def state(cell):
    m, d = cell.world.model, cell.world.data
    headlight = m.vis.headlight
    parts = (d.qpos, d.qvel, m.cam_pos, m.light_diffuse, headlight.ambient, headlight.diffuse, d.xfrc_applied)
    return np.concatenate([np.asarray(p, float).ravel() for p in parts])


def test_words_become_numbers_and_words_again():
    words = (
        "latency=300 viewpoint=0.05 lighting=0.5 distractors=3 dropout=front:0.2 dropout=wrist:1 move=0.05 push=0.03"
    )
    p = parse(words.split())
    assert (p.latency, p.distractors, p.dropout, p.push) == (300.0, 3, (("front", 0.2), ("wrist", 1.0)), 0.03)
    assert p.text == words and parse(p.text.split()) == p
    assert Perturbations().text == "" and parse(["lighting=0"]) == Perturbations()


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("fog=1", "no perturbation 'fog'; there are: latency, viewpoint, lighting, distractors, dropout, move, push"),
        ("latency", "latency takes 0 to 2000 ms"),
        ("latency=3 s", "latency takes 0 to 2000 ms"),
        ("viewpoint=nan", "viewpoint takes 0 to 0.3 m"),
        ("distractors=1.5", "distractors takes whole numbers, 0 to 5"),
        ("dropout=0.2", "dropout takes CAMERA:0 to 1"),
        ("push=1", "push takes 0.005 to 0.08 m"),
        ("latency=1 latency=2", "latency is given twice"),
        ("dropout=front:0.1 dropout=front:0.2", "camera 'front' is given twice"),
    ],
)
def test_words_that_cannot_be(word, message):
    with pytest.raises(TrialsError) as error:
        parse(["latency=3 s"] if word == "latency=3 s" else word.split())
    assert message in str(error.value)


def test_help_tells_all_units_and_ranges():
    assert all(f"{name}={kind.range}" in help_text() for name, kind in KINDS.items())


def test_a_camera_that_is_not_there(cell):
    with pytest.raises(TrialsError, match="no camera 'side', the card has: front, wrist"):
        Circumstances(cell.world, parse(["dropout=side:0.1"]))


def test_the_same_seed_gives_the_same_world_and_none_is_as_before(cell):
    cell.world.now_ns = 1_000_000_000
    cell.world.reset("pick", 3)
    plain = state(cell)
    begin(cell, "")
    np.testing.assert_array_equal(state(cell), plain)
    words = "viewpoint=0.05 lighting=0.5 distractors=3"
    begin(cell, words)
    once = state(cell)
    assert not np.array_equal(once, plain)
    begin(cell, words, seed=4)
    assert not np.array_equal(state(cell), once)
    begin(cell, words)
    np.testing.assert_array_equal(state(cell), once)
    begin(cell, "")
    np.testing.assert_array_equal(state(cell), plain)


def test_one_perturbation_changes_nothing_of_another(cell):
    begin(cell, "viewpoint=0.05")
    camera = cell.world.model.cam_pos.copy()
    begin(cell, "viewpoint=0.05 lighting=0.5 distractors=2 move=0.05 push=0.03")
    np.testing.assert_array_equal(cell.world.model.cam_pos, camera)


def test_viewpoint_and_light_change_the_image_and_only_that(cell):
    begin(cell, "")
    before, q = cell.world.render("front").astype(int), cell.world.data.qpos.copy()
    nominal = cell.world.model.cam_pos.copy()
    begin(cell, "viewpoint=0.05")
    moved = np.linalg.norm(cell.world.model.cam_pos - nominal, axis=1)
    front = cell.world.model.camera("front").id
    assert moved[front] == pytest.approx(0.05) and np.count_nonzero(moved) == 1
    assert np.abs(cell.world.render("front").astype(int) - before).mean() > 1.0
    np.testing.assert_array_equal(cell.world.data.qpos, q)
    factors = set()
    for seed in range(6):
        begin(cell, "", seed=seed)
        plain = cell.world.render("front").mean()
        begin(cell, "lighting=0.5", seed=seed)
        factors.add(round(cell.world.render("front").mean() / plain, 1))
    assert min(factors) < 0.7 and max(factors) > 1.05, "darker for some seeds, brighter for others"
    begin(cell, "")
    np.testing.assert_array_equal(cell.world.render("front"), before)


def test_distractors_lie_on_the_table_clear_of_the_rest(cell):
    _, plain = begin(cell, "", task="stack", seed=5)
    circumstances, task = begin(cell, "distractors=3", task="stack", seed=5)
    assert 1 <= len(circumstances.added) <= 3
    assert set(task.layout) == set(plain.layout) | set(circumstances.added)
    cell.world.step(100)
    positions = cell.world.progress().objects
    for name in circumstances.added:
        assert abs(positions[name][2] - OBJECTS[name].rest_height) < 0.003, "rests on the table"
        assert np.all(positions[name][:2] > REGION_MIN - 0.01) and np.all(positions[name][:2] < REGION_MAX + 0.01)
        for other in set(positions) - {name}:
            apart = np.linalg.norm(positions[name][:2] - positions[other][:2])
            assert apart > OBJECTS[name].footprint + OBJECTS[other].footprint


def test_the_target_jumps_once_by_the_distance(cell):
    circumstances, task = begin(cell, "move=0.06")
    cell.world.step(50)
    circumstances.tick(cell.world.now_ns)
    before = cell.world.object_position(task.target)
    assert circumstances.moves == 0, "not at once"
    cell.world.now_ns += 1_200_000_000
    circumstances.tick(cell.world.now_ns)
    after = cell.world.object_position(task.target)
    assert np.linalg.norm((after - before)[:2]) == pytest.approx(0.06, abs=1e-6) and circumstances.moves == 1
    circumstances.tick(cell.world.now_ns + 10_000_000)
    np.testing.assert_array_equal(cell.world.object_position(task.target), after)


def test_a_push_moves_the_hand_by_about_the_distance_and_ends(cell):
    circumstances, _ = begin(cell, "push=0.03")
    circumstances._push_ns = cell.world.now_ns + 100_000_000
    start, furthest = cell.world.tool_pose()[:3, 3], 0.0
    for _ in range(80):
        circumstances.tick(cell.world.now_ns)
        for _ in range(5):
            circumstances.step()
            cell.world.step()
        furthest = max(furthest, np.linalg.norm((cell.world.tool_pose()[:3, 3] - start)[:2]))
    assert 0.018 < furthest < 0.042, furthest
    assert circumstances.pushes == 1 and not np.any(cell.world.data.xfrc_applied)
    assert np.linalg.norm(cell.world.tool_pose()[:3, 3] - start) < 0.005, "the servo brings the arm back"


@pytest.fixture
def runner_of(cell, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 255, (224, 224, 3), dtype=np.uint8)
    monkeypatch.setattr(
        cell.world, "render", lambda camera: np.roll(noise, cell.world.now_ns // 1_000_000 % 224, axis=0)
    )

    def make(words=None, **kwargs):
        circumstances = None if words is None else Circumstances(cell.world, parse(words.split()), **kwargs)
        policy = ExpertPolicy(cell.world, cell.model, lambda: runner.controller)
        runner = LockstepRunner(cell.card, cell.world, cell.new_controller, policy, circumstances=circumstances)
        return runner

    return make


def test_trials_without_perturbation_are_the_same_to_the_last_bit(cell, runner_of):
    traces = []
    for words in (None, ""):
        cell.world.now_ns = 1_000_000_000
        runner, trace = runner_of(words), []
        runner.on_tick = lambda now: trace.append(cell.world.data.qpos.copy())
        traces.append((runner.run("pick", 12, time_limit_s=2.0), np.array(trace)))
    assert traces[0][0] == traces[1][0]
    np.testing.assert_array_equal(traces[0][1], traces[1][1])


def test_dropped_images_put_decisions_off_and_are_counted(runner_of):
    plain = runner_of("").run("pick", 12, time_limit_s=2.0)
    some = runner_of("dropout=front:0.5").run("pick", 12, time_limit_s=2.0)
    assert plain.blind_frames == 0 < some.blind_frames
    assert some == runner_of("dropout=front:0.5").run("pick", 12, time_limit_s=2.0)
    late = runner_of("dropout=wrist:0.5").run("pick", 12, time_limit_s=2.0)
    assert late.blind_frames < some.blind_frames, "a wrist image of the frame before is near enough in time"
    none = runner_of("dropout=front:1").run("pick", 12, time_limit_s=1.0)
    assert none.chunks == 0 and none.blind_frames >= 29 and none.latency_p50_ms is None


def test_a_camera_that_goes_silent_brakes_the_arm_as_it_does_in_the_graph(cell, runner_of):
    runner, reports, speeds = runner_of("dropout=front:0.5"), [], {}
    begin_ns = cell.world.now_ns
    silent = range(900, 1700)
    runner._circumstances.arrives = lambda camera: (cell.world.now_ns - begin_ns) // 1_000_000 not in silent
    runner.on_reports = reports.extend
    runner.on_tick = lambda now: speeds.update({(now - begin_ns) // 1_000_000: np.abs(cell.world.joint_state()[2][:7]).max()})
    result = runner.run("pick", 12)
    braked = [(r.stamp_ns - begin_ns) // 1_000_000 for r in reports if r.verdict is Verdict.BRAKE and r.phase is Phase.SCHEDULED]
    assert result.success and len(braked) == 1 and 900 + 250 - 33 <= braked[0] <= 900 + 300
    assert speeds[800] > 0.05 and speeds[1690] < 0.01, "it stands until images come again"
    assert result.blind_frames > 10


def test_a_camera_that_stays_silent_ends_the_trial_after_the_grace(runner_of):
    result = runner_of("dropout=front:1").run("pick", 12, time_limit_s=5.0)
    assert not result.success and result.virtual_seconds == pytest.approx(1.5, abs=0.05)


def test_a_pushed_and_a_moved_trial_are_counted_and_repeat(cell, runner_of):
    results = []
    for _ in range(2):
        cell.world.now_ns = 1_000_000_000
        results.append(runner_of("move=0.05 push=0.03").run("pick", 14))
    assert results[0] == results[1]
    assert (results[0].moves, results[0].pushes) == (1, 1) and results[0].success


def test_splits_do_not_overlap():
    ranges = sorted((s.seeds.start, s.seeds.stop) for s in SPLITS.values())
    assert all(before[1] <= after[0] for before, after in zip(ranges, ranges[1:]))
    names = [split_of(seeds) for seeds in ([0, 449], [50_000], [999, 1000], [2000], [100_000])]
    assert names == ["train", "held_out", "", "", ""], "sentences are never new where nobody asked for it"
    assert seeds_of("held_out", None, 2) == (50_000, 50_001)
    with pytest.raises(TrialsError, match="seeds 999 to 1000 are not all in split 'train': its seeds are 0 to 999"):
        seeds_of("train", 999, 2)


def test_new_words_name_the_objects_and_are_not_the_cards(cell):
    for task in ("pick", "place_in_bowl", "cup_on_coaster", "stack"):
        _, instance = begin(cell, "", task=task, seed=100_000, new_words=True)
        assert instance.instruction == cell.world.progress().instruction
        words = next(t for t in cell.card.tasks if t.name == task).wording
        assert instance.instruction not in {w.format(color=c, other=o) for w in words for c in "ab" for o in "ab"}
        assert "{" not in instance.instruction
        assert all(sentence not in words for sentence in NEW_WORDS[task])
        if task == "stack":
            assert all(
                name.removesuffix("_block") in instance.instruction for name in (instance.target, instance.destination)
            )


def test_new_words_that_a_card_has(cell, monkeypatch):
    monkeypatch.setitem(NEW_WORDS, "pick", ("grab the {color} block",))
    with pytest.raises(TrialsError, match="has the sentence 'grab the {color} block' itself"):
        Circumstances(cell.world, Perturbations(), new_words=True)


def test_the_other_setup_differs_in_dynamics_and_images(cell):
    other = SimulatedCell(cell.card, setup=OTHER)
    ours, theirs = cell.world.model, other.world.model
    red = ours.body("red_block").id
    assert theirs.body_mass[red] == pytest.approx(OTHER_DYNAMICS.mass * ours.body_mass[red])
    assert theirs.geom_friction[:, 0] == pytest.approx(OTHER_DYNAMICS.friction * ours.geom_friction[:, 0])
    np.testing.assert_allclose(theirs.actuator_gainprm[0], OTHER_DYNAMICS.servo * ours.actuator_gainprm[0])
    begin(cell, "", seed=2)
    other.world.reset("pick", 2)
    difference = np.abs(other.world.render("front").astype(int) - cell.world.render("front")).mean()
    assert difference > 0.5
    other.world.close()
    with pytest.raises(CellError, match="no setup 'third'; there are: standard, other"):
        SimulatedCell(cell.card, setup="third")
