"""One checkpoint for two cells: what differs between them, and a third that it was not made for."""

import argparse
import json

import numpy as np
import pytest
import torch
from safetensors import safe_open

from vla_contract.card import parse_card
from vla_contract.observation import VLAObservation
from vla_policy.checkpoint import Checkpoint, check_contract, read_checkpoint, save_checkpoint
from vla_policy.checkpoint_layout import FORMAT_1, LayoutError, one_embodiment
from vla_policy.errors import CheckpointError, CodecError
from vla_policy.native.codecs.base import Codec, CodecState
from vla_policy.native.codecs.registry import restore_codec
from vla_policy.native.config import ModelConfig
from vla_policy.native.embodiment import Embodiment
from vla_policy.native.slots import Slots
from vla_policy.native.vla import VlaModel
from vla_policy.opening import load_policy
from vla_policy.policy import NOTHING_ASKED
from vla_policy.verbs import checkpoint as cli_checkpoint


@pytest.fixture(scope="module")
def small_card(card):
    """One camera, no finger in the state, half the horizon."""
    content = card.to_dict()
    content["name"] = "one_eyed"
    del content["cameras"][1]
    content["state"]["fields"] = content["state"]["fields"][:7]
    content["action"]["horizon"] = 8
    return parse_card(content)


def fitted(card, seed):
    random = np.random.default_rng(seed)
    actions = random.normal(0, 0.01 * (1 + seed), (50, card.action.horizon, card.action_dim))
    actions[..., 6] = actions[..., 6] > 0
    return Embodiment.fit(card, random.normal(0, 1, (50, card.state_dim)), actions)


@pytest.fixture(scope="module")
def config(card):
    return ModelConfig(
        cameras=tuple(card.camera_names), state_dim=9, action_dim=10, horizon=16, width=32, attention_heads=2, layers=1,
        channels=8, bottleneck=4, queries=2,
    )  # fmt: skip


@pytest.fixture(scope="module")
def two(card, small_card, config, tmp_path_factory):
    path = tmp_path_factory.mktemp("two") / "two.safetensors"
    torch.manual_seed(0)
    model = VlaModel(config)
    embodiments = [fitted(one, seed).widened(9, 10) for seed, one in enumerate((card, small_card))]
    save_checkpoint(Checkpoint(model.state_dict(), config, embodiments, {}), path)
    return path


def observation(card, make_image):
    images = {name: make_image(i) for i, name in enumerate(card.camera_names)}
    state = np.linspace(-1, 1, card.state_dim)
    return VLAObservation(5, images, dict.fromkeys(images, 5), state, tuple(card.state.fields), 5, "pick up the red block")


def test_one_file_opens_for_both_cards(card, small_card, two, make_image):
    for one in (card, small_card):
        policy = load_policy(two, one)
        policy.warm_up()
        decision = policy.infer(observation(one, make_image), NOTHING_ASKED)
        assert decision.actions.shape == (one.action.horizon, one.action_dim)
        assert set(np.unique(decision.actions[:, 6])) <= {0.0, 1.0}
        assert policy.info.policy_hash == one.policy_hash
        assert decision.timing_ns["model"] > 0


def test_each_card_has_its_own_statistics(card, small_card, two):
    stored = read_checkpoint(two)
    wide, small = check_contract(stored, card), check_contract(stored, small_card)
    encoded = np.zeros((16, 10), np.float32)
    assert not np.allclose(wide.decode(encoded)[:8, :6], small.decode(encoded)[:, :6])
    assert small.decode(encoded).shape == (8, 7) and wide.decode(encoded).shape == (16, 7)
    assert small.cameras == ("front",) and small.state(np.zeros((3, 7))).shape == (3, 9)
    assert small.column_mask.tolist() == [True] * 7 + [False] * 3


def test_a_third_card_is_refused_by_the_fields_of_the_closest(card, small_card, two):
    content = small_card.to_dict()
    content["name"] = "third"
    content["action"]["step_period"] = 0.05
    third = parse_card(content)
    words = r"does not fit card third; it is for panda_tabletop, one_eyed, of which one_eyed is closest: action.step_period: 0.1"
    with pytest.raises(CheckpointError, match=words) as caught:
        load_policy(two, third)
    assert "cameras" not in str(caught.value), "that is where the other one differs"


def test_the_verb_lists_what_a_checkpoint_is_for(two, small_card, capsys):
    assert cli_checkpoint.run(argparse.Namespace(checkpoint=str(two), images_from=None)) == 0
    listed = json.loads(capsys.readouterr().out)["embodiments"]
    assert [one["card"] for one in listed] == ["panda_tabletop", "one_eyed"]
    assert listed[1]["policy_hash"] == small_card.policy_hash and listed[1]["horizon"] == 8


def test_one_of_several_embodiments_is_shown_as_the_older_format_has_it(card, small_card, two):
    with safe_open(two, framework="pt") as file:
        metadata = file.metadata()
    stored = read_checkpoint(two)
    for wanted, one in ((small_card.policy_hash, 1), (card.policy_hash, 0), ("nobody's", 0), (None, 0)):
        flat, own = one_embodiment(metadata, wanted), stored.embodiments[one]
        assert (flat["card_name"], flat["policy_hash"], flat["codec_name"]) == (own.card_name, own.policy_hash, "normalised")
        told = {key: json.loads(flat[key]) for key in ("contract", "state_normaliser", "action_codec", "model")}
        assert told["contract"] == own.contract and told["state_normaliser"] == own.state_normaliser.to_dict()
        assert told["action_codec"] == own.codec.state().values
        assert (told["model"]["horizon"], told["model"]["width"]) == (own.horizon, 32)
    older = flat | {"format": FORMAT_1}
    assert one_embodiment(older, small_card.policy_hash) == older, "it has but one"
    given = json.loads(metadata["embodiments"])
    del given[1]["codec"], given[1]["contract"]
    less = one_embodiment(metadata | {"embodiments": json.dumps(given)}, small_card.policy_hash)
    assert {"codec_name", "action_codec", "contract"} & less.keys() == set() and less["card_name"] == "one_eyed"
    with pytest.raises(LayoutError, match="embodiments is empty"):
        one_embodiment(metadata | {"embodiments": "[]"})


def test_what_is_stored_comes_back(card, config, tmp_path):
    images = {"front": np.full((3, 32, 32, 3), 7, np.uint8)}
    before = Embodiment(**(vars(fitted(card, 0).widened(9, 10)) | {"images": images}))
    path = tmp_path / "x.safetensors"
    save_checkpoint(Checkpoint({"readout": torch.zeros(2, 32)}, config, [before], {"command": "none"}), path)
    after = read_checkpoint(path)
    one = after.embodiments[0]
    assert after.model == config and after.training == {"command": "none"}
    assert np.array_equal(one.images["front"], images["front"])
    assert one.codec.state().values == before.codec.state().values and one.contract == before.contract
    assert one.action_slots.columns == before.action_slots.columns and one.action_slots.size == 10


class Codebook(Codec):
    """A codec that is trained: each chunk becomes the number of the closest one that was drawn."""

    vocabulary, tokens = 4, 1

    def __init__(self, chunks):
        self.chunks = chunks

    @classmethod
    def fit(cls, card, actions, *, seed=0, **options):
        return cls(actions[np.random.default_rng(seed).choice(len(actions), cls.vocabulary, replace=False)])

    def encode(self, actions):
        return np.square(actions[..., None, :, :] - self.chunks).sum((-1, -2)).argmin(-1)[..., None]

    def decode(self, encoded):
        return self.chunks[encoded[..., 0]]

    def state(self):
        return CodecState({"made_of": "chunks"}, {"chunks": self.chunks})

    @classmethod
    def from_state(cls, state):
        return cls(state.arrays["chunks"])


def test_a_codec_with_arrays_is_stored_with_them(card, config, tmp_path, monkeypatch):
    actions = np.random.default_rng(0).normal(0, 1, (20, 16, 7)).astype(np.float32)
    codec = Codebook.fit(card, actions, seed=3)
    one = Embodiment.of_card(card, fitted(card, 0).state_normaliser, "codebook", codec)
    path = tmp_path / "x.safetensors"
    save_checkpoint(Checkpoint({}, config, [one], {}), path)
    with pytest.raises(CheckpointError, match="codec 'codebook' is unknown, there are .*normalised"):
        read_checkpoint(path)
    monkeypatch.setattr("vla_policy.native.codecs.registry.find_codec", lambda name: {"codebook": Codebook}[name])
    again = read_checkpoint(path).embodiments[0]
    assert np.array_equal(again.decode(again.encode(actions)), one.decode(one.encode(actions)))
    assert np.array_equal(again.codec.chunks, codec.chunks) and again.codec_name == "codebook"


def test_an_unknown_codec_is_named():
    with pytest.raises(CodecError, match="'bytes' is unknown, there are .*normalised"):
        restore_codec("bytes", CodecState())


def test_slots_spread_and_gather():
    slots = Slots((2, 0), 4)
    assert slots.spread(np.array([[1.0, 2.0]])).tolist() == [[2.0, 0.0, 1.0, 0.0]]
    assert slots.gather(np.arange(4)).tolist() == [2, 0] and slots.mask.tolist() == [True, False, True, False]
    with pytest.raises(ValueError, match="column 4 .* 0 to 3"):
        Slots((0, 4), 4)
    with pytest.raises(ValueError, match="two columns of the card"):
        Slots((1, 1), 4)
    assert Slots.first(3, 4096).mask.sum() == 3
    for count, size in ((3, 4097), (3, 2)):
        with pytest.raises(ValueError, match=f"a vector of {size} for 3 columns, allowed are as many and up to 4096"):
            Slots.first(count, size)
