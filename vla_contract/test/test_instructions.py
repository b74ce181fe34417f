"""What an instruction means, what no run may begin on, and what must be named alike."""

import pytest
from shipped_paths import CARDS

from vla_contract.card import load_card, parse_card
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
    "s.t.o.p", "S T O P", "s-t-o-p now", "st\u200bop", "Notaus!", "emergency", "стоп", "Стой!", "停止", "정지", "とまれ",
    "hold", "Hold still!", "hold on", "stay", "stay there", "stand still", "enough", "that's enough", "cease", "don't", "Don’t!",
    "do nothing", "vla stop", "arrête", "STOPPP",
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


@pytest.mark.parametrize(("text", "word"), [
    ("stop lifting the red block", "stop"), ("STOP - pick up the red block", "STOP"), ("stop! the red block", "stop"),
    ("stop and pick up the red block", "stop"), ("pick up the red block, hold still", "hold still"),
    ("pick up the red block stop", "stop"), ("hold it! the red block", "hold it"), ("wait for the cup and take it", "wait"),
])  # fmt: skip
@pytest.mark.parametrize("words", list(Words))
def test_what_means_stop_among_other_words_begins_no_run(panda, text, word, words):
    with pytest.raises(InstructionError, match=f"has '{word}' in it, which means to stop.*vla stop"):
        understand(panda, text, words, always("pick up the red block", 0.99))


@pytest.mark.parametrize("text", [
    "do not pick up the red block", "don't pick up the red block", "don’t pick up the red block", "never pick up the red block",
    "no red block", "refuse to pick up the red block", "avoid the red block", "Robot, please avoid the red block",
    "leave it alone", "stay away from the red block", "you must not lift the red block", "no block but the red one",
    "ignore the red block", "it is not safe to pick up the red block", "the red block isn't to be lifted",
])  # fmt: skip
@pytest.mark.parametrize("words", list(Words))
def test_what_is_not_to_be_done_begins_no_run(panda, text, words):
    with pytest.raises(InstructionError, match="says what not to do|means to stop"):
        understand(panda, text, words, always("pick up the red block", 0.99))


@pytest.mark.parametrize("text", [
    "put the stop sign away", "press the stop button", "pick up the bottle with no label", "pick up the block that is not red",
    "pick up the block that isn't red", "lift the cup high enough", "hold the cup", "leave the cup on the table",
    "pick up the cup and avoid the bowl", "drop it",
])  # fmt: skip
def test_such_words_within_a_task_are_the_policys_business(panda, text):
    assert understand(panda, text) is None


def of_one_task(panda, *wording):
    content = panda.to_dict()
    content["tasks"] = [{"name": "own", "wording": list(wording), "success_metric": "done", "time_limit": 5.0}]
    return parse_card(content)


@pytest.mark.parametrize("text", [
    "hold still", "stay", "leave the cup alone", "release the cup", "wait for the cup", "do not touch the cup", "drop the cup",
])  # fmt: skip
def test_a_sentence_of_the_cards_own_always_goes(panda, text):
    card = of_one_task(panda, text)
    for words in Words:
        assert understand(card, text, words, always(text, 1.0)).task == "own"


def test_a_thing_that_has_such_a_word_in_its_name_stops_nothing(panda):
    content = panda.to_dict()
    content["tasks"] = [{"name": "own", "wording": ["lift the {thing}"], "slots": {"thing": ["bus stop", "no entry sign"]},
                         "success_metric": "done", "time_limit": 5.0}]  # fmt: skip
    card = parse_card(content)
    for thing in ("bus stop", "no entry sign"):
        assert understand(card, f"raise the {thing}", Words.NEAR, always(normalised(f"lift the {thing}"), 0.9)).task == "own"
    with pytest.raises(InstructionError, match="means to stop"):
        understand(card, "stop lifting the bus stop", Words.NEAR, always("lift the bus stop", 0.9))


@pytest.mark.parametrize(("text", "word"), [
    ("leave the red block", "leave"), ("release the red block", "release"), ("throw the red block", "throw"),
    ("push the red block", "push"), ("break the red block", "break"), ("knock over the red block", "knock"),
    ("lower the red block", "lower"), ("drop the red block", "drop"), ("put down the red block", "down"),
    ("put the red block down", "down"), ("let go of the red block", "let"), ("put the red block", "put"),
    ("lick the red block", "lick"), ("could you please lick the red block", "lick"), ("red block, lick it", "lick"),
    ("pick up the red block and the banana", "banana"), ("pick up the red block and wave", "wave"),
    ("pick up the red block and sing", "sing"), ("pick up the red block, the banana", "banana"),
    ("pick up the red block & sing", "sing"), ("pick up the red block if it rains", "if"),
    ("I will pick up the red block", "i"), ("should I pick up the red block?", "i"), ("pick up the red block later", "later"),
    ("pick up the red block / banana", "banana"), ("lift the red block with a hammer", "with"),
    ("get rid of the red block", "rid"), ("lift the red block into the bin", "into"),
    ("the red block must stay on the table", "stay"),
])  # fmt: skip
def test_a_verb_or_a_second_thing_that_the_task_has_not_is_no_near_match(panda, text, word):
    card = of_one_task(panda, "pick up the red block", "lift the red block")
    with pytest.raises(InstructionError, match=f"'{word}' is not in what the nearest sentence"):
        understand(card, text, Words.NEAR, always("pick up the red block", 0.95))
    assert understand(card, text, Words.ANY, always("pick up the red block", 0.95)) is None


@pytest.mark.parametrize("text", [
    "please lift the red cube", "grab the red block now", "hold up the red block", "can you please raise the red block",
    "I want you to pick up the red block", "I'd like you to lift the red block",
    "go and fetch the red block", "red block, lift it", "take the red block and lift it",
    "robot, carefully grasp the red block", "pick up the small red block", "could you lift up the red block for me",
])  # fmt: skip
def test_verbs_that_ask_for_the_same_stay_near(panda, text):
    card = of_one_task(panda, "pick up the red block", "lift the red block")
    assert understand(card, text, Words.NEAR, always("pick up the red block", 0.9)).task == "own"


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
    ("pick up the orange block", "pick up the green block", 0.8, "names nothing that the card has, .*names green"),
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
