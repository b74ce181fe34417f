"""A clock that is set back in the recording: each of its two times is replayed as if it were alone in the bag."""

from dataclasses import asdict

import numpy as np
import pytest
from replay_samples import START, LiveCell, swinging

from vla_bags.reader import Bag
from vla_bench.speed.replay import BagDraft
from vla_policy.backends.scripted import ScriptedPolicy
from vla_replay.offline import recorded as recorded_module
from vla_replay.offline.executed import JointHistory
from vla_replay.offline.faults import parse_faults
from vla_replay.offline.replay import WAIT_NS, Replay
from vla_replay.offline.walk import NodeTime

pytestmark = pytest.mark.timeout(100)

S = 1_000_000_000
BACK_NS = 40 * S


class Both:
    """Writes each message into two bags."""

    def __init__(self, *drafts):
        self.drafts = drafts

    def write(self, topic, received_ns, message):
        for draft in self.drafts:
            draft.write(topic, received_ns, message)


@pytest.fixture(scope="module")
def bags(card, model, tmp_path_factory):
    """Paths of both times together, of the first, of the second; and how many chunks each of the two has.

    The recorder's clock goes on; the node's is set back by 40 s right behind the first run's last report.
    """
    folder = tmp_path_factory.mktemp("epochs")
    paths, counts = [folder / name for name in ("both", "first", "second")], []
    with BagDraft(paths[0], card) as both:
        for path, back_ns, tail in ((paths[1], 0, 20), (paths[2], BACK_NS, 200)):
            with BagDraft(path, card) as alone:
                cell = LiveCell(
                    card, model, Both(both, alone), start=START - back_ns, tail=tail, clock=True,
                    recorded_ns=lambda now, back_ns=back_ns: now + 2 * back_ns,
                )  # fmt: skip
                live = cell.live(2.4)
            counts.append(len(live.chunks))
            if not back_ns:
                assert live.reports[-1].stamp_ns > cell.now - 2 * WAIT_NS, "no report waits when the clock is set back"
    return paths, counts


@pytest.fixture
def replayed(card, model, bags):
    def run(path, faults=()):
        policies = {"a": ScriptedPolicy(card, swinging(card))}
        with Bag(path) as bag:
            return asdict(Replay(bag, card, policies, [model], faults=parse_faults(faults, card)).run())

    return run


def test_both_times_count_as_if_each_were_alone(bags, replayed, monkeypatch):
    paths, counts = bags
    # So few that reports which wait for the clock to come by again would find their chunks gone.
    monkeypatch.setattr(recorded_module, "KEPT_CHUNKS", 4)
    both, first, second = (replayed(path) for path in paths)
    assert min(counts) >= 5
    for figures, count in ((both, sum(counts)), (first, counts[0]), (second, counts[1])):
        assert figures["observations"]["rebuilt"] == figures["observations"]["state_equal"] == count
        error = figures["policies"]["a"]["against_recorded"]
        assert error["equal_chunks"] == error["chunks"] == count
        agreement = figures["recorded"]["controller_agreement"]
        assert agreement["equal"] == agreement["chunks"] >= count - 2

    def summed(*keys):
        values = []
        for figures in (both, first, second):
            for key in keys:
                figures = figures[key]
            values.append(figures)
        return values[0], values[1] + values[2]

    for name in first["recorded"]["controller_agreement"]:
        together, apart = summed("recorded", "controller_agreement", name)
        assert together == apart, name
    for keys in (
        ("recorded", "against_executed", "chunks"), ("recorded", "against_executed", "steps"),
        ("policies", "a", "against_executed", "steps"), ("recorded", "jumps", "jump", "count"),
        ("recorded", "controller", "steps_executed"), ("recorded", "controller", "samples"),
        ("policies", "a", "controller", "steps_executed"), ("policies", "a", "controller", "samples"),
    ):  # fmt: skip
        together, apart = summed(*keys)
        assert together == apart > 0, keys
    worst = [f["recorded"]["against_executed"]["columns"]["arm.y"]["max"] for f in (both, first, second)]
    assert worst[0] == pytest.approx(max(worst[1:])), "executed motion was taken from the other time"
    together, apart = summed("seconds")
    assert together == pytest.approx(apart, abs=0.01)
    assert both["recorded"]["controller"]["violations"] == both["policies"]["a"]["controller"]["violations"] == 0


def test_with_a_fault_every_decision_of_both_times_is_asked_for(bags, replayed):
    paths, counts = bags
    figures = replayed(paths[0], ["latency=20ms"])
    assert figures["faults"]["decisions"] == sum(counts)
    assert figures["faults"]["refused"] == {}


def test_measured_joints_of_the_time_before_are_forgotten(card):
    joints = card.arms[0].joints
    history = JointHistory(card)
    for i in range(3):
        history.add(10 * S + i * 10_000_000, joints, np.full(len(joints), 1.0))
    history.clear()
    assert history.at(np.array([10 * S])) is None
    history.add(10 * S - 500_000_000, joints, np.full(len(joints), 2.0))  # less than a second before the last one
    assert history.at(np.array([10 * S - 500_000_000]))[0, 0] == 2.0


def test_what_was_under_way_while_the_clock_was_set_back_does_not_move_it():
    time = NodeTime(follows_clock=True)
    time.on_clock(100 * S)
    assert time.at(1, 100 * S + 4_000_000) == 100 * S + 4_000_000
    time.on_clock(3 * S)
    assert time.at(2, 99 * S) == 3 * S, "an image of the time before"
    assert time.at(3, 3 * S + 5_000_000) == 3 * S + 5_000_000
    assert time.at(4, 0) == 3 * S
    time.on_clock(99 * S)
    assert time.at(5, 99 * S + 2_000_000) == 99 * S + 2_000_000


def test_a_run_whose_input_was_never_fit_gets_a_brake_of_its_own(bags, replayed):
    """As in the live session, which begins each run anew: unfit input of the run before is no excuse not to brake."""
    paths, counts = bags
    figures = replayed(paths[0], ["drop=1.0"])
    assert figures["faults"]["refused"] == {"missing": sum(counts)}
    recorded = figures["recorded"]["controller"]["brakes"]
    assert recorded == 2, "the last chunk of each run"
    assert figures["policies"]["a"]["controller"]["brakes"] == recorded + 2
