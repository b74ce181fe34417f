"""Policies and the controller on a recorded run: errors, what is clamped, faults, gates, and the command itself."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from replay_samples import START, record_live, swinging

from vla_bags.reader import Bag
from vla_bench.speed.replay import replay_bench
from vla_bringup import cli
from vla_policy.backends.scripted import ScriptedPolicy
from vla_replay.offline.errors import ReplayError
from vla_replay.offline.faults import parse_faults
from vla_replay.offline.replay import Replay

pytestmark = pytest.mark.timeout(100)


@pytest.fixture(scope="module")
def recorded(card, model, tmp_path_factory):
    path = tmp_path_factory.mktemp("replay") / "bag"
    return path, record_live(path, card, model, 4.0)


@pytest.fixture
def replay(card, model, recorded):
    def run(policies=None, faults=(), seed=0, models=(model,), **options):
        with Bag(recorded[0]) as bag:
            asked = parse_faults(faults, card)
            return asdict(Replay(bag, card, policies or {}, list(models), faults=asked, seed=seed, **options).run())

    return run


def same(card):
    return ScriptedPolicy(card, swinging(card))


def test_the_recorded_policy_reproduces_its_chunks_and_the_controller_its_reports(card, replay, recorded):
    figures = replay({"a": same(card)})
    count = len(recorded[1].chunks)
    error = figures["policies"]["a"]["against_recorded"]
    assert error["chunks"] == error["equal_chunks"] == count >= 8 and error["largest"] == 0.0
    assert error["gripper_accuracy"] == {"arm.gripper": 1.0}
    assert error["cosine"]["translation"]["mean"] == pytest.approx(1.0)
    agreement = figures["recorded"]["controller_agreement"]
    assert agreement["chunks"] >= count - 1
    assert agreement["equal"] == agreement["chunks"]
    assert figures["recorded"]["controller"]["violations"] == 0
    assert figures["recorded"]["controller"]["samples"] > 3000
    ours, theirs = figures["policies"]["a"]["controller"], figures["recorded"]["controller"]
    assert (ours["steps_executed"], ours["violations"]) == (theirs["steps_executed"], 0)
    assert ours["rms_jerk"] == pytest.approx(theirs["rms_jerk"], rel=0.05)


def test_errors_are_those_that_were_planted(card, replay):
    exact = swinging(card)

    def off(observation):
        actions = exact(observation)
        actions[:, 2] += 0.003
        actions[:, 6] = 1.0 - actions[:, 6]
        return actions

    figures = replay({"a": ScriptedPolicy(card, off), "b": same(card)})
    columns = figures["policies"]["a"]["against_recorded"]["columns"]
    assert columns["arm.z"]["mean_abs"] == pytest.approx(0.003) == columns["arm.z"]["max"] == columns["arm.z"]["p95"]
    assert columns["arm.y"]["max"] == 0.0 and columns["arm.z"]["unit"] == "m" and columns["arm.rx"]["unit"] == "rad"
    assert figures["policies"]["a"]["against_recorded"]["gripper_accuracy"] == {"arm.gripper": 0.0}
    assert figures["policies"]["b"]["against_recorded"]["largest"] == 0.0
    assert figures["between"]["columns"]["arm.z"]["mean_abs"] == pytest.approx(0.003)
    assert figures["scores"]["error"] == pytest.approx(1.0)  # the gripper's


def test_executed_motion_is_near_what_was_asked(card, replay):
    columns = replay()["recorded"]["against_executed"]["columns"]
    assert "arm.gripper" not in columns
    assert 0 < columns["arm.y"]["mean_abs"] < 0.005


def test_a_policy_beyond_the_limits_is_clamped_and_violates_nothing(card, replay):
    def hasty(observation):
        actions = np.zeros((card.action.horizon, card.action_dim))
        actions[:, 1] = 0.15 * np.sign(np.sin((observation.stamp_ns - START) * 1e-9))
        return actions

    figures = replay({"a": ScriptedPolicy(card, hasty)})
    controller = figures["policies"]["a"]["controller"]
    assert controller["clamped_share"] > 0.3 and controller["clamped_by"]
    assert controller["violations"] == 0 and controller["peaks"]["velocity"] > 0.1
    assert figures["scores"]["jump"] == pytest.approx(0.3, abs=0.01)


def test_the_checker_sees_a_curve_beyond_the_limits(card, model):
    from vla_motion.trajectory import JointTrajectory
    from vla_replay.offline.curve import ArmCurve

    curve = ArmCurve(card.arms[0], model)
    home = np.array(card.arms[0].home)
    q = np.stack([home, home + 0.5])
    still = np.zeros_like(q)
    curve.take(JointTrajectory("t", START, card.arms[0].joints, np.array([0, 200_000_000]), q, still, still), START)
    slow = JointTrajectory("t", START, card.arms[0].joints, np.array([0, 2_000_000_000]), q + 0.01, still, still)
    curve.take(slow, START + 100_000_000)
    curve.finish()
    assert curve.violations["step"] == 3  # position, velocity and acceleration
    assert curve.violations["velocity"] > 25 and curve.violations["tool_speed"] and "arm" in curve.worst


@pytest.mark.parametrize(("fault", "refused"), [
    ("latency=200ms", None), ("latency=400ms", "stale"), ("drop=1.0", "missing"), ("skew=wrist:-200ms", "skew"),
    ("frozen=front", "frozen"),
])
def test_faults_are_refused_by_kind(card, replay, fault, refused):
    figures = replay({"a": same(card)}, [fault])
    faults = figures["faults"]
    assert faults["decisions"] >= 8
    if refused is None:
        assert faults["refused"] == {} and figures["scores"]["refused"] == 0.0
        assert figures["policies"]["a"]["controller"]["steps_skipped"] > 0
    else:
        assert faults["refused"].get(refused, 0) > 0.5 * faults["decisions"], faults
    assert figures["policies"]["a"]["controller"]["violations"] == 0


def test_faults_are_deterministic_and_score(card, replay):
    words = ["latency=80ms", "drop=0.3", "reorder=0.3", "swapped=front:wrist"]
    one, again = (replay({"a": same(card)}, words, 1) for _ in range(2))
    for figures in (one, again):
        for key in ("wall_seconds", "realtime_factor"):
            figures.pop(key)
        figures["policies"]["a"].pop("latency_ms")
    assert one == again
    assert replay({}, words, 2, ())["faults"] != replay({}, words, 1, ())["faults"]
    done = one["faults"]["done"]
    assert done["dropped"] > 20 and done["reordered"] > 10 and done["swapped"] > 100
    assert one["scores"]["violations"] == 0 and one["scores"]["jerk"] > 0
    assert one["policies"]["a"]["against_recorded"]["columns"]["arm.x"]["max"] > 0, "the swapped pixels were not looked at"


def test_without_faults_the_faulty_stream_gives_the_same_observations(card, replay, recorded):
    """An empty fault is no fault: the decision times alone choose the live observation again."""
    figures = replay({"a": same(card)}, ["drop=0.0", "skew=front:0ms"])
    assert figures["policies"]["a"]["against_recorded"]["equal_chunks"] == len(recorded[1].chunks)


def test_a_recorded_shadow_and_a_policy_that_fails(card, model, tmp_path):
    live = record_live(tmp_path / "bag", card, model, 1.0, shadow=[0.0, 0.002, 0.0, 0.0, 0.0, 0.0, 0.0])
    policy = ScriptedPolicy(card, lambda observation: np.zeros((3, card.action_dim)))
    with Bag(tmp_path / "bag") as bag:
        figures = asdict(Replay(bag, card, {"a": policy}, []).run())
    assert figures["shadow"]["chunks"] == len(live.chunks) > 1
    assert figures["shadow"]["columns"]["arm.y"]["mean_abs"] == pytest.approx(0.002)
    assert figures["shadow"]["columns"]["arm.x"]["max"] == 0.0 and figures["shadow"]["gripper_accuracy"] == {"arm.gripper": 1.0}
    assert figures["scores"]["failed"] == len(live.chunks)
    assert list(figures["policies"]["a"]["failed"]) == ["the policy gave actions of shape (3, 7), the card has (16, 7)"]


def test_a_bag_without_chunks_is_told(card, model, tmp_path):
    record_live(tmp_path / "bag", card, model, 0.5, lost={("vla/action_chunk", n) for n in range(99)})
    with Bag(tmp_path / "bag") as bag, pytest.raises(ReplayError, match="no vla/action_chunk in this bag; it has /front"):
        Replay(bag, card, {}, []).run()


def test_the_bench_is_faster_than_real_time(card, model):
    from shipped_paths import CARD

    row = replay_bench(3.0, CARD, policy=ScriptedPolicy(card), models=[model])
    assert row["cpu_realtime_factor"] > 1.0 and row["absent"] == 0 and row["rss_growth_mb"] < 30
    assert row["bare_realtime_factor"] > row["realtime_factor"]


def vla(words, capsys):
    code = cli.main(["replay", *map(str, words)])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_the_command_writes_figures_and_gates(recorded, tmp_path, capsys):
    folder = tmp_path / "run"
    code, out, _ = vla([recorded[0], "--no-policy", "--out", folder, "--gate", "violations=0", "absent=0", "jump=0.5"], capsys)
    figures = json.loads((folder / "replay.json").read_text())
    assert code == 0 and figures["exceeded"] == [] and figures["scores"]["absent"] == 0
    assert "times real time" in out and "jerk RMS" in out
    code, _, err = vla([recorded[0], "--no-policy", "--gate", "jump=1e-9", "violations=0"], capsys)
    assert code == 1 and len(err.strip().splitlines()) == 1
    assert "gate jump:" in err and "exceeds 1e-09" in err and "violations" not in err


@pytest.mark.parametrize(("words", "expected"), [
    (["--fault", "frost=1"], "fault 'frost=1'; there are: latency=200ms"),
    (["--fault", "skew=top:50ms"], "no camera 'top' in the card; it has front, wrist"),
    (["--fault", "drop=2"], "allowed is a share from 0 to 1"),
    (["--gate", "speed=1"], "gate 'speed=1'; there are: jump"),
    (["--gate", "jump=low"], "allowed is a number from 0 up"),
    (["--no-policy", "--gate", "error=1"], "this replay has no such figure"),
    (["--no-policy", "--against", "panda_tabletop"], "--no-policy leaves policies out"),
    (["--checkpoint", "scripted:http://robot"], "scripted:http://robot: there is only"),
    (["--checkpoint", "/no.safetensors"], "checkpoint file /no.safetensors does not exist"),
])
def test_mistakes_are_one_line(recorded, words, expected, capsys):
    code, _, err = vla([recorded[0], "--no-controller", *words], capsys)
    assert code == 2 and expected in err and "Traceback" not in err and len(err.strip().splitlines()) == 1


def test_a_bag_that_is_not_there(capsys):
    code, _, err = vla(["/no/bag", "--no-policy"], capsys)
    assert code == 2 and "/no/bag" in err
