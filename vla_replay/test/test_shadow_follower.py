"""The shadow beside a live run in virtual time: same observations, own actions, and what becomes of chunks it cannot answer."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from replay_samples import WORDS, swinging

from vla_contract.action_space import ActionSpace
from vla_controller.books.diagnostics import Level
from vla_policy.backends.scripted import ScriptedPolicy
from vla_policy.observing.assembler import ObservationAssembler
from vla_policy.running.chunks import brake_chunk, decide
from vla_replay.shadow.follower import ShadowFollower
from vla_replay.shadow.health import judge, summary

MS = 1_000_000
START = 1_700_000_000_000 * MS
RUN = "0" * 31 + "1"


class Graph:
    """An assembler with some frames, a commanding policy, and a shadow with another gain."""

    def __init__(self, card, shadow=None):
        self.card = card
        self.assembler = ObservationAssembler(card)
        self.primary = ScriptedPolicy(card, swinging(card))
        self.sent = []
        shadow = shadow or ScriptedPolicy(card, swinging(card, gain=0.5))
        self.follower = ShadowFollower(card, shadow, self.assembler, lambda: START, self.sent.append)
        self.sequence = 0

    def feed(self, now_ns: int) -> None:
        joints = [*self.card.arms[0].joints, self.card.arms[0].gripper.joint]
        self.assembler.add_joint_state(now_ns - 5 * MS, joints, np.full(len(joints), 0.1), np.zeros(len(joints)))
        self.assembler.add_joint_state(now_ns + 5 * MS, joints, np.full(len(joints), 0.2), np.zeros(len(joints)))
        for camera in self.card.cameras:
            pixels = np.random.default_rng(now_ns % 999).integers(0, 255, (camera.height, camera.width, 3), np.uint8)
            self.assembler.add_image(camera.name, now_ns, pixels)

    def chunk(self, now_ns: int, run_id: str = RUN):
        observation = self.assembler.assemble(now_ns, WORDS)
        self.sequence += 1
        return decide(self.primary, self.card, observation, run_id, self.sequence - 1, lambda: START)


@pytest.fixture
def graph(card):
    graph = Graph(card)
    graph.feed(START)
    graph.follower.on_run(RUN, WORDS)
    return graph


def begin_serving(graph: Graph) -> threading.Thread:
    """The first chunk of a run, being answered in a thread of its own."""
    graph.feed(START)
    graph.follower.on_run(RUN, WORDS)
    graph.follower.on_chunk(graph.chunk(START))
    worker = threading.Thread(target=graph.follower.serve, args=(1.0,))
    worker.start()
    return worker


def test_it_answers_the_same_observation_and_says_how_far_apart_the_two_are(graph):
    chunks = []
    for k in range(4):
        graph.feed(START + k * 33 * MS)
        chunks.append(graph.chunk(START + k * 33 * MS))
        graph.follower.on_chunk(chunks[-1])
        assert graph.follower.serve(1.0)
    run_id, counts = graph.follower.counts()
    assert (run_id, counts.heard, counts.answered, counts.skipped) == (RUN, 4, 4, 0)
    for theirs, ours in zip(chunks, graph.sent, strict=True):
        assert (ours.run_id, ours.sequence, ours.stamp_ns) == (theirs.run_id, theirs.sequence, theirs.stamp_ns)
        assert (ours.image_stamps_ns, ours.state_stamp_ns) == (theirs.image_stamps_ns, theirs.state_stamp_ns)
        np.testing.assert_array_equal(ours.actions[:, 0], theirs.actions[:, 0], "another observation was looked at")
        np.testing.assert_allclose(ours.actions[:, 1], 0.5 * theirs.actions[:, 1], atol=1e-12)
    far = graph.follower.divergence()
    wanted = np.mean([np.abs(0.5 * chunk.actions[:, 1]) for chunk in chunks])
    assert far.columns["arm.y"].mean_abs == pytest.approx(wanted) and far.columns["arm.x"].max == 0.0
    health = judge(run_id, counts, far, 1.0, "")
    assert health.level is Level.OK and health.message.startswith("answered 4 of 4 chunks")
    assert health.values["arm.y mean [m]"] == f"{wanted:.5f}" and health.values["arm.gripper agrees"] == "1.000"


def test_a_slow_shadow_takes_the_newest_chunk_and_counts_the_others(card):
    going, go_on = threading.Event(), threading.Event()

    def slow(observation):
        going.set()
        assert go_on.wait(10)
        return np.zeros((card.action.horizon, card.action_dim))

    graph = Graph(card, ScriptedPolicy(card, slow))
    worker = begin_serving(graph)
    assert going.wait(10)
    for _ in range(3):
        graph.follower.on_chunk(graph.chunk(START))
    go_on.set()
    worker.join()
    assert graph.follower.serve(1.0) and not graph.follower.serve(0.0)
    assert [chunk.sequence for chunk in graph.sent] == [0, 3]
    run_id, counts = graph.follower.counts()
    assert (counts.heard, counts.answered, counts.skipped) == (4, 2, 2)
    graph.follower.on_chunk(graph.chunk(START))
    run_id, counts = graph.follower.counts()
    assert judge(run_id, counts, graph.follower.divergence(), 1.0, "").level is Level.WARN, "it answered 2 of 5"


def test_what_has_not_arrived_is_waited_for_and_then_named(graph, card):
    chunk = graph.chunk(START)
    missing = replace(chunk, image_stamps_ns=(chunk.image_stamps_ns[0], START - 7 * MS), sequence=5)
    graph.follower.on_chunk(missing)
    graph.follower.on_chunk(replace(chunk, run_id="0" * 31 + "2"))  # of a run that nobody has announced
    assert graph.follower.serve(1.0)
    assert graph.follower.counts()[1].absent == {"instruction": 1}
    graph.follower.on_chunk(replace(missing, run_id=RUN))
    assert graph.follower.serve(1.0)
    assert graph.follower.counts()[1].absent == {card.camera_names[1]: 1} and not graph.sent

    late = graph.chunk(START)
    late = replace(late, run_id="0" * 31 + "3")
    graph.follower.on_chunk(late)
    timer = threading.Timer(0.05, graph.follower.on_run, (late.run_id, WORDS))
    timer.start()
    assert graph.follower.serve(1.0)
    timer.join()
    assert [chunk.run_id for chunk in graph.sent] == [late.run_id]


def test_input_is_waited_for_in_the_time_of_whoever_serves(graph, card):
    readings = []

    def steady_ns():
        readings.append(START + len(readings) * 50 * MS)
        return readings[-1]

    graph.follower._steady_ns = steady_ns
    graph.follower.on_chunk(replace(graph.chunk(START), image_stamps_ns=(START, START - 7 * MS)))
    assert graph.follower.serve(1.0)
    assert graph.follower.counts()[1].absent == {card.camera_names[1]: 1}
    assert readings[-1] - readings[0] == 200 * MS, "no longer than its patience"


def test_a_state_that_is_not_the_chunks_own_is_not_decided_from(graph, card):
    chunk = graph.chunk(START)
    off = np.array(chunk.reference_positions)
    off[2] += 1e-9
    graph.follower.on_chunk(replace(chunk, reference_positions=off))
    assert graph.follower.serve(1.0)
    assert graph.follower.counts()[1].absent == {card.state.topic: 1} and not graph.sent


def test_brakes_other_cards_and_models_that_fail(graph, card):
    graph.follower.on_chunk(brake_chunk(card, RUN, 0, START))
    assert not graph.follower.serve(0.0) and graph.follower.counts()[1].heard == 0
    graph.follower.on_chunk(replace(graph.chunk(START), card_hash="f" * 64))
    run_id, counts = graph.follower.counts()
    health = judge(run_id, counts, graph.follower.divergence(), 1.0, graph.follower.failure)
    assert counts.foreign == 1 and health.level is Level.ERROR
    assert "ffffffffffff" in health.message and card.card_hash[:12] in health.message

    def broken(observation):
        raise RuntimeError("out of memory")

    other = Graph(card, ScriptedPolicy(card, broken))
    other.feed(START)
    other.follower.on_run(RUN, WORDS)
    other.follower.on_chunk(other.chunk(START))
    assert other.follower.serve(1.0)
    run_id, counts = other.follower.counts()
    health = judge(run_id, counts, other.follower.divergence(), 1.0, other.follower.failure)
    assert counts.failed == 1 and not other.sent and "RuntimeError: out of memory" in health.message


def test_what_becomes_known_late_is_counted_for_its_own_run(card):
    going, go_on = threading.Event(), threading.Event()

    def late_and_broken(observation):
        going.set()
        assert go_on.wait(10)
        raise RuntimeError("out of memory")

    graph = Graph(card, ScriptedPolicy(card, late_and_broken))
    worker = begin_serving(graph)
    assert going.wait(10) and not graph.follower.idle
    other = "0" * 31 + "2"
    graph.follower.on_chunk(replace(graph.chunk(START), run_id=other))
    go_on.set()
    worker.join()
    run_id, counts = graph.follower.counts()
    assert run_id == other and counts.failed == 0 and not graph.follower.idle
    assert graph.follower.serve(1.0) and graph.follower.idle


def test_the_policy_is_reset_when_a_run_begins(card):
    class Counting(ScriptedPolicy):
        resets = 0

        def reset(self):
            self.resets += 1

    assert card.action_space is ActionSpace.EE_DELTA
    shadow = Counting(card)
    graph = Graph(card, shadow)
    graph.feed(START)
    for run_id in (RUN, RUN, "0" * 31 + "2"):
        graph.follower.on_run(run_id, WORDS)
        graph.follower.on_chunk(graph.chunk(START, run_id))
        assert graph.follower.serve(1.0)
    assert shadow.resets == 2 and graph.follower.counts()[1].heard == 1, "figures are of the newest run"


def test_a_shadow_with_a_broken_checkpoint_is_told_and_goes_on(card):
    exact = swinging(card)

    def broken(observation):
        actions = exact(observation)
        actions[:, 2], actions[0, 0] = np.nan, np.inf
        return actions

    graph = Graph(card, ScriptedPolicy(card, broken))
    graph.feed(START)
    graph.follower.on_run(RUN, WORDS)
    for _ in range(2):
        graph.follower.on_chunk(graph.chunk(START))
        assert graph.follower.serve(1.0)
    run_id, counts = graph.follower.counts()
    assert counts.answered == 2 and counts.failed == 0
    far = graph.follower.divergence()
    health = judge(run_id, counts, far, 1.0, graph.follower.failure)
    assert health.level is Level.WARN and "arm.x not finite 2 times, arm.z not finite 32 times" in health.message
    assert health.values["arm.z mean [m]"] == health.values["arm.z max [m]"] == "not finite"
    assert health.values["arm.x mean [m]"] == "0.00000" and health.values["arm.x not finite"] == "2"
    assert "arm.y not finite" not in health.values
    assert health.values["translation direction cosine"] == "not finite"
    assert health.values["rotation direction cosine"] == "nothing moves"
    assert "arm.z not finite 32 times" in summary(counts, far)
