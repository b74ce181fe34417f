import json

import numpy as np
import pytest
from shipped_paths import CARD

from vla_contract.card import CardError
from vla_contract.demonstration import Demonstration
from vla_contract.report import Phase, Verdict
from vla_policy.errors import CheckpointError
from vla_policy.policy import Decision
from vla_trials.demonstrations.record import DemosRequest, Recorder, record_all
from vla_trials.lockstep.expert_policy import Disturbance, ExpertPolicy
from vla_trials.lockstep.latency import LatencyModel
from vla_trials.lockstep.runner import LockstepRunner
from vla_trials.lockstep.simulated_cell import SimulatedCell
from vla_trials.trials.evaluate import EXPERT, EvalRequest, Evaluator, evaluate, summarise


@pytest.fixture(scope="module")
def cell(card):
    return SimulatedCell(card)


@pytest.fixture(autouse=True)
def no_images(monkeypatch, request):
    """Drawing is most of the time, and the expert does not look."""
    if "images" not in request.keywords:
        blank = np.zeros((224, 224, 3), np.uint8)
        noise = np.random.default_rng(0)

        def image(self, camera):
            image = blank.copy()
            image[::2] = noise.integers(0, 255, (112, 224, 3))
            return image

        monkeypatch.setattr("vla_sim.world.SimWorld.render", image)


def runner_of(cell, **kwargs):
    policy = ExpertPolicy(cell.world, cell.model, lambda: runner.controller)
    runner = LockstepRunner(cell.card, cell.world, cell.new_controller, policy, **kwargs)
    return runner


@pytest.mark.parametrize("task", ["pick", "place_in_bowl", "cup_on_coaster", "stack"])
def test_the_expert_does_every_task_through_the_controller(cell, task):
    runner = runner_of(cell)
    results = [runner.run(task, seed) for seed in (1, 2)]
    assert [r.success for r in results] == [True, True], results
    assert all(r.first_touched == r.target for r in results)
    assert all(set(r.refused) <= {"SUPERSEDED"} for r in results)


def test_same_seed_same_trial_to_the_last_bit(cell):
    runs = []
    for _ in range(2):
        runner = runner_of(cell)
        trace = []
        runner.on_tick = lambda now: trace.append(runner._world.joint_state()[1])
        runs.append((runner.run("pick", 12), np.array(trace)))
    assert runs[0][0].as_row() == runs[1][0].as_row()
    np.testing.assert_array_equal(runs[0][1], runs[1][1])


def test_latency_makes_the_policy_later_not_wrong(cell):
    quick = runner_of(cell, latency=LatencyModel(0.02, 0.0, 0.0)).run("pick", 4)
    slow = runner_of(cell, latency=LatencyModel(0.30, 0.0, 0.0)).run("pick", 4)
    assert quick.success and slow.success
    assert slow.seconds > quick.seconds


def test_a_policy_that_stands_still_fails_at_the_time_limit(cell):
    class Still:
        def reset(self):
            pass

        def infer(self, observation, ask):
            actions = np.zeros((16, 7))
            actions[:, 6] = 1.0
            return Decision(actions)

    runner = LockstepRunner(cell.card, cell.world, cell.new_controller, Still())
    result = runner.run("pick", 0, time_limit_s=2.0)
    assert not result.success and result.seconds == pytest.approx(2.0, abs=0.02)
    assert result.first_touched == ""


def test_a_policy_that_speaks_nonsense_moves_nothing(cell):
    class Nan:
        def reset(self):
            pass

        def infer(self, observation, ask):
            return Decision(np.full((16, 7), np.nan))

    runner = LockstepRunner(cell.card, cell.world, cell.new_controller, Nan())
    result = runner.run("pick", 0, time_limit_s=1.5)
    start = np.array(cell.card.arms[0].home) + cell.world.task.arm_offset
    np.testing.assert_allclose(cell.world.joint_state()[1][:7], start, atol=2e-3)
    assert result.steps_executed == 0 and result.refused["NOT_FINITE"] == result.chunks > 0


def test_replan_steps_outside_the_horizon(cell):
    with pytest.raises(ValueError, match="replan_steps is 17, allowed are 1 to the horizon, 16"):
        runner_of(cell, replan_steps=17)


def test_every_chunk_is_closed_once(cell):
    runner = runner_of(cell)
    reports = []
    runner.on_reports = reports.extend
    result = runner.run("pick", 9, linger_s=3.0)
    closed = [r.sequence for r in reports if r.phase is Phase.CLOSED and r.verdict is not Verdict.LOST]
    assert len(closed) == len(set(closed))
    assert len(closed) >= result.chunks - 2, "all but those still running"


def test_disturbances_push_and_labels_do_not_follow(cell):
    strong = Disturbance(np.random.default_rng(3), 0.1, 1.0)
    pushes = np.array([strong.step()[0] for _ in range(400)])
    assert 0.2 < np.mean(np.any(pushes != 0, axis=1)) < 0.95
    assert np.abs(pushes[:, :3]).max() < 0.08
    none = Disturbance(np.random.default_rng(3), 0.1, 0.0)
    assert not np.any([none.step()[0] for _ in range(50)])


def test_evaluation_counts_and_gives_an_interval(card):
    request = EvalRequest(str(CARD), EXPERT, "pick", (5, 6, 7))
    evaluator = Evaluator(request)
    results = [evaluator.trial(seed)[0] for seed in request.seeds]
    figures = summarise(request, results, busy=1.0, wall=1.0, jobs=1)
    assert (figures["trials"], figures["successes"], figures["rate"]) == (3, 3, 1.0)
    assert figures["interval"][0] < 0.5 and len(figures["rows"]) == 3
    json.dumps(figures)


@pytest.mark.images
def test_a_demonstration_shows_the_task_and_the_way_back(card, tmp_path):
    recorder = Recorder(DemosRequest(str(CARD), "pick", (40,), tmp_path))
    path, result = recorder.record(40)
    demo = Demonstration.load(path)
    assert demo.success and result.success
    assert demo.actions.shape == (len(demo), 16, 7) and demo.state.shape == (len(demo), 8)
    assert set(demo.images) == {"front", "wrist"} and len(demo.images["front"]) == len(demo)
    assert demo.actions[0, 0, 6] == 1.0 and demo.actions[-1, 0, 6] == 0.0
    assert demo.points.shape == (len(demo), 2, 2, 2) and np.isfinite(demo.points[0, :, 0]).all()
    recorded = recorder.record(40)[0].read_bytes()
    assert recorded == path.read_bytes(), "the same seed gives the same episode"


@pytest.mark.images
def test_recording_goes_on_where_it_was_interrupted(card, tmp_path):
    record_all(DemosRequest(str(CARD), "pick", (60,), tmp_path), jobs=1, command="vla demos")
    before = (tmp_path / "episode_0000060.npz").stat().st_mtime_ns
    counts = record_all(DemosRequest(str(CARD), "pick", (60, 61), tmp_path), jobs=1, command="vla demos")
    assert (counts["recorded"], counts["already_there"]) == (1, 1)
    assert (tmp_path / "episode_0000060.npz").stat().st_mtime_ns == before


def test_mistakes_are_told_before_processes_are_started(tmp_path):
    wrong = tmp_path / "weights.safetensors"
    wrong.write_text("not weights")
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        evaluate(EvalRequest(str(CARD), str(wrong), "pick", (1,)), jobs=1)
    with pytest.raises(CardError, match="weights.safetensors"):
        evaluate(EvalRequest(str(wrong), EXPERT, "pick", (1,)), jobs=1)
