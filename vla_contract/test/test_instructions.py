"""What an instruction means, what no run may begin on, and what must be named alike."""

import pytest
from shipped_paths import CARDS

from vla_contract.card import load_card
from vla_contract.instructions import InstructionError, Words, meanings, means_stop, normalised, understand


@pytest.fixture(scope="module")
def panda():
    return load_card(CARDS / "panda_tabletop.yaml")


def always(sentence, cosine):
    """An encoder to which this sentence is the nearest."""
    return lambda text, sentences: (list(sentences).index(sentence), cosine)


@pytest.mark.parametrize("text", [
    "pick up the red block", "  Pick up the RED   block! ", "Pick up the red block.", "píck up the red block",
])  # fmt: skip
def test_case_punctuation_and_spaces_do_not_count(panda, text):
    meaning = understand(panda, text, Words.CARD)
    assert (meaning.task, meaning.slots, meaning.sure) == ("pick", (("color", "red"),), 1.0)


def test_other_words_of_the_card_for_the_same_thing_mean_the_same(panda):
    known = meanings(panda)
    one, other = known["put the red block on the blue block"], known["build a tower with the red block on the blue block"]
    assert one.is_same(other) and one.task == "stack"
    assert not one.is_same(known["put the blue block on the red block"])
    assert not known["grab the red block"].is_same(known["grab the blue block"]) and not one.is_same(None)


@pytest.mark.parametrize("text", [
    "STOP", "stop!", "Stop it now.", "please stop the robot", "halt", "e-stop", "Don't move", "wait", "¡Alto!",
])  # fmt: skip
@pytest.mark.parametrize("words", list(Words))
def test_what_means_stop_begins_no_run(panda, text, words):
    assert means_stop(text)
    with pytest.raises(InstructionError, match="means to stop.*vla stop"):
        understand(panda, text, words, always("pick up the red block", 0.99))


@pytest.mark.parametrize("text", [
    "pick up the red block", "put the stop sign away", "wait for the cup and take it", "no block but the red one",
])  # fmt: skip
def test_a_word_of_stopping_alone_stops_nothing(text):
    assert not means_stop(text)


@pytest.mark.parametrize("text", ["", "  ", "!?"])
def test_empty_words_are_refused(panda, text):
    with pytest.raises(InstructionError, match="instruction is empty"):
        understand(panda, text)


def test_words_without_end_are_refused(panda):
    assert understand(panda, "x" * 1000) is None
    with pytest.raises(InstructionError, match="instruction has 1001 characters, allowed are up to 1000"):
        understand(panda, "x" * 1001)


def test_near_words_are_understood_with_how_sure_that_is(panda):
    meaning = understand(panda, "fetch the red block", Words.NEAR, always("grab the red block", 0.83449))
    assert (meaning.task, meaning.slots) == ("pick", (("color", "red"),))
    assert (meaning.sentence, meaning.sure) == ("grab the red block", 0.834)


@pytest.mark.parametrize(("text", "nearest", "cosine", "why"), [
    ("fetch the red block", "grab the red block", 0.6, "at 0.60 of 1"),
    ("pick up the red block and the blue block", "pick up the red block", 0.9, "names red and blue.*names red"),
    ("pick up the orange block", "pick up the green block", 0.8, "names nothing.*names green"),
    ("do not pick up the red block", "pick up the red block", 0.95, "'not' is not in what"),
    ("pick up the red block then rest", "pick up the red block", 0.9, "'then' is not in what"),
    ("lift the red block over the coaster", "lift the red block", 0.9, "'coaster' is not in what"),
])  # fmt: skip
def test_what_is_named_must_be_named_alike_however_near_the_rest_comes(panda, text, nearest, cosine, why):
    with pytest.raises(InstructionError, match=why) as error:
        understand(panda, text, Words.NEAR, always(nearest, cosine))
    assert "pick up the red block" in str(error.value), "what is allowed is told"
    assert understand(panda, text, Words.ANY, always(nearest, cosine)) is None


def test_the_cards_words_alone(panda):
    with pytest.raises(InstructionError, match="is no sentence of card 'panda_tabletop'"):
        understand(panda, "fetch the red block", Words.CARD, always("grab the red block", 1.0))
    assert understand(panda, "fetch the red block") is None


def test_every_shipped_sentence_means_its_own_task():
    for path in CARDS.glob("*.yaml"):
        card = load_card(path)
        for task in card.tasks:
            for sentence in task.instructions():
                assert understand(card, sentence, Words.CARD).task == task.name, (path.name, sentence)
    assert normalised("Don't  LIFT-it") == "don't lift it"
