"""The observation from a bag equals the one that was served live, byte for byte; what is absent is counted and named."""

from dataclasses import asdict

import numpy as np
import pytest
from replay_samples import MS, WORDS, record_live

from vla_bags.reader import Bag
from vla_policy.backends.scripted import ScriptedPolicy
from vla_replay.offline.replay import Replay

pytestmark = pytest.mark.timeout(100)


class Looking:
    """Keeps the observations that it is asked about."""

    def __init__(self, card):
        self.seen = []
        self.policy = ScriptedPolicy(card, self.act)
        self.still = ScriptedPolicy(card).infer(None).actions

    def act(self, observation):
        self.seen.append(observation)
        return self.still


def look(path, card, **options):
    looking = Looking(card)
    with Bag(path) as bag:
        figures = asdict(Replay(bag, card, {"a": looking.policy}, [], **options).run())
    return looking.seen, figures


def assert_same(one, other):
    assert one.as_row() == other.as_row()  # stamps, instruction, names, state, and a digest of each image
    for name, pixels in one.images.items():
        assert pixels.dtype == other.images[name].dtype and pixels.tobytes() == other.images[name].tobytes()
    assert one.state.tobytes() == other.state.tobytes()


@pytest.fixture(scope="module")
def whole(card, model, tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "bag"
    return path, record_live(path, card, model, 2.4)


def test_the_observation_from_the_bag_equals_the_one_served_live(card, whole):
    path, live = whole
    seen, figures = look(path, card)
    assert len(live.observations) >= 5
    assert len(seen) == len(live.observations) == len(live.chunks)
    for ours, theirs in zip(seen, live.observations, strict=True):
        assert_same(ours, theirs)
    assert seen[0].instruction == WORDS
    # The state lies between two messages, and the arm moves: interpolation was tested.
    assert all(one.state_stamp_ns == one.stamp_ns for one in seen)
    found = figures["observations"]
    assert (found["chunks"], found["rebuilt"], found["state_equal"]) == (len(seen), len(seen), len(seen))
    assert found["absent"] == {} and found["state_different"] == 0


def test_states_that_came_after_the_decision_are_not_used(card, model, tmp_path):
    """Live the newest state was older than the image: the bag has later ones, and they must not come in."""
    live = record_live(tmp_path / "bag", card, model, 1.5, state_age=26)
    assert any(one.state_stamp_ns < one.stamp_ns for one in live.observations)
    seen, figures = look(tmp_path / "bag", card)
    for ours, theirs in zip(seen, live.observations, strict=True):
        assert_same(ours, theirs)
    assert figures["observations"]["state_equal"] == len(seen) >= 3


def test_absent_frames_are_counted_and_named_and_never_replaced(card, model, whole, tmp_path):
    whole = whole[1]
    wrist = whole.chunks[2].image_stamps_ns[1]
    number = (wrist - 4 * MS - 1_700_000_000_000 * MS) // (33 * MS)
    front = (whole.chunks[4].stamp_ns - 1_700_000_000_000 * MS) // (33 * MS)
    live = record_live(
        tmp_path / "bag", card, model, 2.4, lost={("wrist/image_raw", number), ("front/image_raw", front)}
    )
    assert [c.stamp_ns for c in live.chunks] == [c.stamp_ns for c in whole.chunks]
    seen, figures = look(tmp_path / "bag", card)
    found = figures["observations"]
    assert found["absent"] == {"wrist": 1, "front": 1}
    assert found["named"] == (
        {"what": "wrist", "stamp_ns": wrist, "sequence": whole.chunks[2].sequence},
        {"what": "front", "stamp_ns": whole.chunks[4].stamp_ns, "sequence": whole.chunks[4].sequence},
    )
    assert found["rebuilt"] == found["chunks"] - 2 == len(seen) == len(live.observations) - 2
    assert figures["scores"]["absent"] == 2
    kept = [o for i, o in enumerate(live.observations) if i not in (2, 4)]
    for ours, theirs in zip(seen, kept, strict=True):
        assert_same(ours, theirs)


def test_joint_states_that_are_absent_are_told(card, model, tmp_path):
    lost = {("joint_states", n) for n in range(0, 10_000)}
    record_live(tmp_path / "bag", card, model, 1.0, lost=lost - {("joint_states", n) for n in range(60)})
    seen, figures = look(tmp_path / "bag", card)
    found = figures["observations"]
    assert len(seen) == found["rebuilt"] == 1 and found["chunks"] > 1
    assert found["absent"] == {"joint_states": found["chunks"] - 1}


def test_a_receive_clock_of_its_own_changes_nothing(card, model, tmp_path):
    """A recorder's wall clock beside stamps of another clock, without /clock: the newest stamp is the node's time."""
    live = record_live(tmp_path / "bag", card, model, 1.5, recorded_ns=lambda now: now - 1_600_000_000_000 * MS)
    seen, figures = look(tmp_path / "bag", card)
    for ours, theirs in zip(seen, live.observations, strict=True):
        assert_same(ours, theirs)
    assert figures["seconds"] == pytest.approx(3, abs=0.8)


def test_without_an_instruction_nothing_is_guessed(card, model, tmp_path):
    record_live(tmp_path / "bag", card, model, 1.0, lost={("vla/policy_status", 0)})
    seen, figures = look(tmp_path / "bag", card)
    assert not seen and figures["observations"]["no_instruction"] == figures["observations"]["rebuilt"] > 0
    seen, _ = look(tmp_path / "bag", card, instruction="stack the cups")
    assert {one.instruction for one in seen} == {"stack the cups"}
    assert np.all([one.stamp_ns > 0 for one in seen])
