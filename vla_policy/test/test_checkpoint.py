import json
import re
import time

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from shipped_paths import CARD

from vla_contract.card import parse_card
from vla_contract.observation import VLAObservation
from vla_policy.checkpoint import read_checkpoint
from vla_policy.errors import CheckpointError, PolicyError, PreprocessError
from vla_policy.native.codecs.base import CodecState
from vla_policy.native.codecs.normalised import NormalisedCodec
from vla_policy.native.encoders.minilm import MiniLm
from vla_policy.opening import Opening, load_policy
from vla_policy.policy import NOTHING_ASKED, Ask

SHIPPED = CARD.parents[2] / "vla_policy" / "checkpoints" / "panda_tabletop.safetensors"


def changed(card, change):
    content = card.to_dict()
    change(content)
    return parse_card(content)


def rewritten(source, target, change):
    """A copy of a checkpoint with other metadata or weights."""
    with safe_open(source, framework="pt") as file:
        metadata, weights = dict(file.metadata()), {name: file.get_tensor(name) for name in file.keys()}
    change(metadata, weights)
    save_file(weights, target, metadata)
    return target


def observation(card, make_image, text="pick up the red block"):
    images = {name: make_image(i) for i, name in enumerate(card.camera_names)}
    return VLAObservation(
        5, images, dict.fromkeys(images, 5), np.linspace(-1, 1, card.state_dim), tuple(card.state.fields), 5, text
    )


def test_a_policy_from_a_file(card, tiny_checkpoint, make_image):
    policy, again = (load_policy(tiny_checkpoint, card) for _ in range(2))
    assert policy.warm_up() > 0
    actions = policy.infer(observation(card, make_image), NOTHING_ASKED).actions
    assert actions.shape == (card.action.horizon, card.action_dim) and actions.dtype == np.float64
    assert set(np.unique(actions[:, 6])) <= {0.0, 1.0}
    assert np.array_equal(actions, again.infer(observation(card, make_image), NOTHING_ASKED).actions)
    assert policy.info.policy_hash == card.policy_hash and len(policy.info.checkpoint_hash) == 64


def test_what_a_sampling_head_draws_goes_by_the_seed_and_begins_anew_with_a_run(card, tiny_flow_checkpoint, make_image):
    seen = observation(card, make_image)
    policy, same, other = (load_policy(tiny_flow_checkpoint, card, Opening(seed=seed)) for seed in (3, 3, 4))
    assert policy.info.head == "flow_matching"
    first, second = (policy.infer(seen, NOTHING_ASKED).actions for _ in range(2))
    assert not np.array_equal(first, second), "it draws anew each time"
    assert np.array_equal(same.infer(seen, NOTHING_ASKED).actions, first)
    assert not np.array_equal(other.infer(seen, NOTHING_ASKED).actions, first)
    policy.reset()
    assert np.array_equal(policy.infer(seen, NOTHING_ASKED).actions, first)


def test_the_instruction_changes_the_actions_and_its_case_does_not(card, tiny_checkpoint, make_image):
    policy = load_policy(tiny_checkpoint, card)
    red, shouted, blue = (
        policy.infer(observation(card, make_image, text), NOTHING_ASKED).actions
        for text in ("pick up the red block", "Pick up the RED  block", "put the cup on the coaster")
    )
    assert np.array_equal(red, shouted)
    assert not np.array_equal(red, blue)


def test_an_image_of_another_size_is_refused_by_name(card, tiny_checkpoint, make_image):
    policy = load_policy(tiny_checkpoint, card)
    seen = observation(card, make_image)
    seen.images["wrist"] = seen.images["wrist"][:200]
    with pytest.raises(PreprocessError, match="camera wrist"):
        policy.infer(seen, NOTHING_ASKED)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c["cameras"].reverse(), r"cameras\[0\].name: \"front\", the card has \"wrist\""),
        (lambda c: c["cameras"][1].update(width=320), r"cameras\[1\].width: 224, the card has 320"),
        (lambda c: c["state"]["fields"].reverse(), r"state.fields\[0\]: \"panda_joint1.position\", the card has"),
        (lambda c: c["action"].update(step_period=0.05), r"action.step_period: 0.1, the card has 0.05"),
        (lambda c: c["action"].update(horizon=8), r"action.horizon: 16, the card has 8"),
        (lambda c: c["arms"][0]["gripper"].update(open_value=0.0, closed_value=1.0), r"arms\[0\].gripper.closed_value"),
        (
            lambda c: c["arms"][0].update(base_frame="world"),
            r"arms\[0\].base_frame: \"panda_link0\", the card has \"world\"",
        ),
    ],
)
def test_a_card_that_disagrees_is_refused_by_field(card, tiny_checkpoint, change, words):
    with pytest.raises(CheckpointError, match=words):
        load_policy(tiny_checkpoint, changed(card, change))


def test_what_a_model_does_not_depend_on_may_change(card, tiny_checkpoint):
    def change(content):
        content["arms"][0]["limits"]["tool_speed"] = 0.1
        content["cameras"][0]["topic"] = "other/image_raw"

    load_policy(tiny_checkpoint, changed(card, change))


def test_files_that_are_no_checkpoints(card, tmp_path):
    with pytest.raises(CheckpointError, match="no such file"):
        load_policy(tmp_path / "none.safetensors", card)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"not weights at all, but long enough to be read")
    with pytest.raises(CheckpointError, match="broken.safetensors: not a safetensors file"):
        load_policy(broken, card)
    broken.write_bytes(b"\xff" * 8 + b"not weights")
    with pytest.raises(CheckpointError, match="broken.safetensors: not a safetensors file$"):
        load_policy(broken, card)


def of_the_first(change):
    """Changes the first embodiment in the metadata."""

    def changes(metadata, weights):
        embodiments = json.loads(metadata["embodiments"])
        change(embodiments[0])
        metadata["embodiments"] = json.dumps(embodiments)

    return changes


@pytest.mark.parametrize("part", ["model", "training", "embodiments"])
def test_a_missing_part_is_named(tiny_checkpoint, tmp_path, part):
    path = rewritten(tiny_checkpoint, tmp_path / "less.safetensors", lambda metadata, weights: metadata.pop(part))
    with pytest.raises(CheckpointError, match=f"{part} is missing"):
        read_checkpoint(path)


@pytest.mark.parametrize("part", ["contract", "codec", "state_normaliser", "policy_hash", "horizon"])
def test_a_missing_part_of_an_embodiment_is_named(tiny_checkpoint, tmp_path, part):
    path = rewritten(tiny_checkpoint, tmp_path / "less.safetensors", of_the_first(lambda one: one.pop(part)))
    with pytest.raises(CheckpointError, match=f"{part} is missing"):
        read_checkpoint(path)


@pytest.mark.parametrize("part", ["model", "contract", "action_codec", "state_normaliser", "policy_hash"])
def test_a_missing_part_of_an_older_file_is_named(tmp_path, part):
    path = rewritten(SHIPPED, tmp_path / "less.safetensors", lambda metadata, weights: metadata.pop(part))
    with pytest.raises(CheckpointError, match=f"{part.removeprefix('action_')} is missing"):
        read_checkpoint(path)


@pytest.mark.parametrize(("size", "millions"), [
    ("vocabulary", 60), ("tokens", 60), ("queries", 240), ("horizon", 480), ("state_dim", 180), ("language_dim", 60),
])  # fmt: skip
def test_a_model_of_many_more_weights_than_are_stored_is_not_even_built(tiny_checkpoint, tmp_path, size, millions):
    def change(metadata, weights):
        metadata["model"] = json.dumps(json.loads(metadata["model"]) | {"width": 100, size: 600_000})

    with pytest.raises(CheckpointError, match=rf"about {millions}\d{{6}} weights, and \d+ are stored"):
        read_checkpoint(rewritten(tiny_checkpoint, tmp_path / "large.safetensors", change))


@pytest.mark.parametrize("options", [{"hidden": 40_000}, {"hidden": 16, "layers": 10**9}, {"hidden": 10**9}], ids=str)
def test_a_head_whose_options_ask_for_gigabytes_is_not_built(tiny_checkpoint, tmp_path, options):
    def change(metadata, weights):
        metadata["model"] = json.dumps(json.loads(metadata["model"]) | {"head_options": options})

    begun = time.monotonic()
    with pytest.raises(CheckpointError, match=r"action head 'regression': its options ask for more than \d+ weights"):
        read_checkpoint(rewritten(tiny_checkpoint, tmp_path / "large.safetensors", change))
    assert time.monotonic() - begun < 10.0


def set_part(key, value):
    return lambda metadata, weights: metadata.update({key: json.dumps(value)})


@pytest.mark.parametrize(("change", "words"), [
    (set_part("embodiments", {"a": 1}), "embodiments is no list of objects"),
    (set_part("embodiments", [3]), "embodiments is no list of objects"),
    (set_part("model", []), "model is a list, a mapping is needed"),
    (lambda metadata, weights: metadata.update(model="{"), "model is no JSON"),
    (of_the_first(lambda one: one.update(horizon=True)), r"embodiments\[0\].horizon is true or false, a whole number is needed"),
    (of_the_first(lambda one: one.update(card_name=7)), r"embodiments\[0\].card_name is a number, text is needed"),
    (of_the_first(lambda one: one.update(contract=None)), r"embodiments\[0\].contract is null, a mapping is needed"),
    (of_the_first(lambda one: one["codec"].update(name=[])), r"embodiments\[0\].codec.name is a list, text is needed"),
    (lambda metadata, weights: weights.update({f"images/{'0' * 16}/top": torch.zeros(2, 31, 32, 3, dtype=torch.uint8)}),
     r"images of top are \(2, 31, 32, 3\) torch.uint8, needed are \(k, 32, 32, 3\) uint8"),
    (lambda metadata, weights: weights.update({f"images/{'0' * 16}/top": torch.zeros(2, 32, 32, 3)}), "images of top .*float"),
    (set_part("embodiments", []), "it holds no embodiment"),
    (of_the_first(lambda one: one.update(policy_hash="0" * 16)), f"policy_hash: {'0' * 16}, the card has "),
    (lambda metadata, weights: weights.update(extra=torch.zeros(3)), "the file has unknown extra$"),
    (lambda metadata, weights: weights.pop("readout"), "the file lacks readout$"),
    (lambda metadata, weights: weights.update(readout=torch.zeros(3)), "weights do not fit model: .*readout"),
])  # fmt: skip
def test_what_is_wrong_with_a_checkpoint_is_named(card, tiny_checkpoint, tmp_path, change, words):
    with pytest.raises(CheckpointError) as told:
        load_policy(rewritten(tiny_checkpoint, tmp_path / "wrong.safetensors", change), card)
    assert re.search(words, str(told.value), re.DOTALL)


def test_parts_that_only_a_loss_reads_may_be_missing(card, tiny_checkpoint, tmp_path, make_image):
    less = rewritten(tiny_checkpoint, tmp_path / "less.safetensors", lambda metadata, weights: weights.pop("goal.weight"))
    seen = observation(card, make_image)
    given, whole = (load_policy(path, card).infer(seen, NOTHING_ASKED).actions for path in (less, tiny_checkpoint))
    assert np.array_equal(given, whole)


def test_what_is_committed_reaches_the_head_as_it_learned_it_and_what_is_not_finite_nobody(card, tiny_checkpoint, make_image):
    policy, seen, asked = load_policy(tiny_checkpoint, card), observation(card, make_image), []

    def act(images, state, words, mask, generator, ask):
        asked.append(ask)
        return torch.full((1, 16, 7), float("nan"))

    policy._model.act = act
    committed = np.linspace(-0.02, 0.03, 21).reshape(3, 7)
    for ask in (Ask(committed, 250_000_000), Ask(committed[:0], 50_000_000), NOTHING_ASKED):
        with pytest.raises(PolicyError, match="^the model gave values that are not finite$"):
            policy.infer(seen, ask)
    assert [ask.delay_steps for ask in asked] == [2.5, 0.5, 0.0] and [ask.committed for ask in asked[1:]] == [None, None]
    (embodiment,) = read_checkpoint(tiny_checkpoint).embodiments
    assert asked[0].committed.shape == (1, 3, 7)
    assert asked[0].committed[0].numpy() == pytest.approx(embodiment.encode(committed), abs=1e-5)


def test_a_missing_statistic_is_an_error_and_never_passed_through(tiny_checkpoint, tmp_path):
    change = of_the_first(lambda one: one["codec"]["values"]["normaliser"]["statistics"].pop("std"))
    with pytest.raises(CheckpointError, match="std: missing"):
        read_checkpoint(rewritten(tiny_checkpoint, tmp_path / "less.safetensors", change))


def test_other_formats_and_language_models_are_refused(tmp_path):
    target = tmp_path / "other.safetensors"
    for key in ("format", "language_model", "image_size"):
        rewritten(SHIPPED, target, lambda metadata, weights, key=key: metadata.update({key: "other"}))
        with pytest.raises(CheckpointError, match=f"{key} is 'other'"):
            read_checkpoint(target)


def test_codec_is_exact_and_respects_the_grippers_polarity(card):
    random = np.random.default_rng(0)
    actions = random.normal(0, 0.01, (40, 16, 7))
    actions[..., 6] = actions[..., 6] > 0
    codec = NormalisedCodec.from_state(CodecState(json.loads(json.dumps(NormalisedCodec.fit(card, actions).state().values))))
    encoded = codec.encode(actions)
    assert set(np.unique(encoded[..., 6])) == {-1.0, 1.0}
    assert np.allclose(encoded[..., :6].std((0, 1)), 1.0, atol=0.01)
    assert np.allclose(codec.decode(encoded), actions, atol=1e-12)
    turned = changed(card, lambda c: c["arms"][0]["gripper"].update(open_value=0.0, closed_value=1.0))
    assert np.array_equal(NormalisedCodec.fit(turned, actions).encode(actions)[..., 6], -encoded[..., 6])
    undecided = encoded.copy()
    undecided[..., 6] = 0.3
    assert (codec.decode(undecided)[..., 6] == 1.0).all()


def test_columns_that_hardly_move_are_not_blown_up(card):
    actions = np.zeros((40, 16, 7))
    actions[..., 3] = np.random.default_rng(0).normal(0, 1e-6, (40, 16))
    encoded = NormalisedCodec.fit(card, actions).encode(actions)
    assert np.isfinite(encoded).all() and np.abs(encoded[..., 3]).max() < 0.01


def test_an_instruction_is_encoded_once():
    encoder = MiniLm()
    first = encoder.words("pick up the red block")
    assert first.shape[1] == 384 and 5 <= len(first) <= 24
    assert encoder.words(" Pick up the red block ") is first
    words, mask = encoder(["pick up the red block", "no"])
    assert words.shape[:2] == mask.shape and int(mask[1].sum()) == 3 and not words[1, 3:].any()
