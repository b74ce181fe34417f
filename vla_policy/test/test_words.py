"""What the policy is told in words: understood by the encoder's distance, never cut, and scored by what is meant."""

import pytest
from synthetic import write_dataset
from test_session import cell  # noqa: F401

from vla_contract.card import parse_card
from vla_contract.instructions import InstructionError, Words, understand
from vla_contract.status import Outcome, PolicyState
from vla_policy.errors import InstructionTooLongError
from vla_policy.native.encoders.minilm import MAX_TOKENS, MiniLm
from vla_policy.native.neighbours import SentenceNeighbours
from vla_policy.opening import load_policy
from vla_policy.running.run_record import RunRequest, TaskTruth
from vla_policy.training.config import TrainConfig
from vla_policy.training.mixture import Source, open_mixture
from vla_policy.training.train import train

LONG = "pick up the small block that lies to the left of the bowl and behind the cup, near the edge of the table, which is {}"


@pytest.fixture(scope="module")
def nearest():
    return SentenceNeighbours()


def test_a_sentence_that_would_be_cut_is_refused_with_its_length():
    encoder = MiniLm()
    for color in ("red", "blue"):  # the end, which used to be lost, is what tells the two apart
        with pytest.raises(InstructionTooLongError, match=f"has 2[0-9] tokens, the policy reads {MAX_TOKENS - 2}"):
            encoder.words(LONG.format(color))


def test_a_policy_refuses_it_before_a_run_begins(card, tiny_checkpoint):
    policy = load_policy(tiny_checkpoint, card)
    with pytest.raises(ValueError, match="tokens, the policy reads"):
        policy.check_instruction(LONG.format("red"))
    policy.check_instruction("pick up the red block")


@pytest.mark.parametrize(("text", "task"), [
    ("grab the red cube", "pick"), ("fetch the red block", "pick"), ("hold up the blue block", "pick"),
    ("lay the red block into the bowl", "place_in_bowl"), ("set the mug on the coaster", "cup_on_coaster"),
    ("please lift the red cube", "pick"), ("put the cup down on the coaster", "cup_on_coaster"),
    ("go and grab the red block", "pick"), ("put the green block on top of the yellow one", "stack"),
])  # fmt: skip
def test_other_words_for_a_task_are_understood(card, nearest, text, task):
    meaning = understand(card, text, Words.NEAR, nearest)
    assert meaning.task == task and 0.75 <= meaning.sure < 1.0


@pytest.mark.parametrize("text", [
    "pick up the banana", "pick up the red banana", "pick up the red block and the blue block", "nimm den roten Block",
    "do not pick up the red block", "pick up the red block then put the cup on the coaster", "hello", "dance",
    "put the red block in the drawer", LONG.format("red"), "stop lifting the red block", "STOP - pick up the red block",
    "avoid the red block", "refuse to pick up the red block", "leave the red block", "release the red block",
    "drop the red block", "throw the red block", "push the red block", "break the red block", "lower the red block",
    "knock over the red block", "put down the red block", "put the red block down", "no red block",
    "pick up the red block and the banana", "pick up the red block and wave", "stop! the red block", "enough", "hold still",
])  # fmt: skip
def test_words_that_mean_nothing_the_card_has_are_refused(card, nearest, text):
    with pytest.raises(InstructionError):
        understand(card, text, Words.NEAR, nearest)


def test_a_run_under_near_begins_on_near_words_only(cell, nearest):  # noqa: F811
    c = cell(words=Words.NEAR)
    c.session._nearest = nearest
    with pytest.raises(ValueError, match="means no task"):
        c.session.begin(RunRequest("pick up the banana"))
    record = c.run("fetch the red block", limit_s=0.5)
    assert record.meaning.task == "pick" and not c.chunks[0].horizon == 0
    running = next(s for s in c.states if s.state == PolicyState.RUNNING)
    assert "understood as pick" in running.message and f"{record.meaning.sure:.2f}" in running.message


def test_words_for_the_same_thing_are_scored(cell):  # noqa: F811
    """The scene says "pick up the red block"; whoever asks says it in another sentence of the card."""
    c = cell()
    c.at[100] = lambda: c.session.on_truth(TaskTruth(c.now, "pick up the red block", 1, False))
    c.at[300] = lambda: c.session.on_truth(TaskTruth(c.now, "pick up the red block", 1, True))
    assert c.run("Grab the red block!", limit_s=5.0).outcome is Outcome.SUCCESS
    other = cell()
    other.at[100] = lambda: other.session.on_truth(TaskTruth(other.now, "pick up the red block", 1, False))
    other.at[300] = lambda: other.session.on_truth(TaskTruth(other.now, "pick up the red block", 1, True))
    assert other.run("grab the blue block", limit_s=1.0).outcome is Outcome.UNKNOWN


def test_the_time_limit_is_that_of_the_task_that_is_meant(cell):  # noqa: F811
    begin = cell().session.begin
    asked = ("grab the red block", "put the cup on the coaster", "do a dance")
    limits = [begin(RunRequest(text)).time_limit_ns for text in asked]
    assert limits == [15_000_000_000, 25_000_000_000, 25_000_000_000]


def test_demonstrations_with_a_sentence_that_is_too_long_are_not_trained_on(card, tmp_path):
    content = card.to_dict()
    content["tasks"] = [{**content["tasks"][0], "wording": [LONG.format("{color}")]}]
    long = parse_card(content)
    write_dataset(tmp_path / "data", long, episodes=4, frames=6)
    mixture = open_mixture([Source(tmp_path / "data")], [long], processes=1, quiet=True)
    with pytest.raises(InstructionTooLongError, match="tokens, the policy reads"):
        train(mixture, TrainConfig(steps=2, batch=4, processes=1), tmp_path / "work", tmp_path / "x.safetensors", quiet=True)
