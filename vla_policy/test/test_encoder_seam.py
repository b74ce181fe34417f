"""An encoder of another kind: pretrained, frozen but for an adapter, one for all cameras, of a grid that nothing divides."""

from dataclasses import replace

import pytest
import torch
from test_vla_model import CONFIG, inputs
from torch import nn

from vla_contract import plugins
from vla_policy.errors import EncoderError
from vla_policy.native.encoders.registry import build_language, build_vision
from vla_policy.native.encoders.vision import VisionEncoder
from vla_policy.native.trainable import stored_names, stored_weights, trainable
from vla_policy.native.vla import VlaModel


class Patches(VisionEncoder):
    """7 x 7 patches through a frozen projection, with a small trained one beside it."""

    width, grid, shared, pretrained = 12, (7, 7), True, True

    def __init__(self, argument):
        super().__init__()
        self.argument = argument
        self.project = nn.Conv2d(3, 12, 16, stride=16)
        self.norm = nn.BatchNorm2d(12)
        self.adapter = nn.Linear(12, 12)
        for frozen in (self.project, self.norm):
            frozen.requires_grad_(False)

    @classmethod
    def build(cls, argument, config):
        return cls(argument)

    def forward(self, image, sentence):
        patches = self.norm(self.project(image)).flatten(2).transpose(1, 2)
        return patches + self.adapter(patches), self.grid


@pytest.fixture
def patched(monkeypatch):
    """As if a package had registered it."""

    class Point:
        value = "lab.patches:Patches"

        def load(self):
            return Patches

    registered = plugins.registered
    more = {plugins.ENCODERS: {"patches": Point()}}
    monkeypatch.setattr(plugins, "registered", lambda group: registered(group) | more.get(group, {}))
    torch.manual_seed(0)
    return VlaModel(replace(CONFIG, vision="patches:small"))


def test_the_argument_reaches_the_encoder_and_cameras_share_it(patched):
    eye = patched.vision["all"]
    assert eye.argument == "small" and list(patched.vision) == ["all"]
    with torch.no_grad():
        memory, looks = patched.eval().encode(**inputs())
    assert looks.shape == (3, 2, CONFIG.queries, 49)
    assert memory.tokens.shape[:2] == memory.mask.shape and memory.readout.shape == (3, 2, CONFIG.width)


def test_frozen_parts_are_neither_trained_nor_stored(patched):
    names, stored = trainable(patched), stored_names(patched)
    assert "vision.all.adapter.weight" in names and "vision.all.adapter.weight" in stored
    for part in ("project.weight", "project.bias", "norm.weight", "norm.running_mean", "norm.num_batches_tracked"):
        assert f"vision.all.{part}" not in names and f"vision.all.{part}" not in stored
    assert set(names) <= set(stored)


def test_a_running_average_is_stored_by_the_names_of_the_model(patched):
    averaged = VlaModel(replace(CONFIG, vision="patches:small")).requires_grad_(False)
    kept = stored_weights(patched, averaged.state_dict())
    assert list(kept) == stored_names(patched)
    assert torch.equal(kept["readout"], averaged.readout)


def test_our_own_parts_are_stored_even_when_they_are_frozen():
    model = VlaModel(CONFIG)
    model.transformer.requires_grad_(False)
    assert not any(name.startswith("transformer.") for name in trainable(model))
    assert stored_names(model) == list(model.state_dict())


def test_a_wrong_encoder_is_named():
    for spec, words in (
        ("siglip", "vision encoder 'siglip': 'siglip' is unknown, there are .*conv.*minilm"),
        ("minilm", "vision encoder 'minilm': 'minilm' is no vision encoder"),
        ("conv:large", "'conv:large': conv takes no argument"),
    ):
        with pytest.raises(EncoderError, match=words):
            build_vision(replace(CONFIG, vision=spec))
    with pytest.raises(EncoderError, match="'conv' is no language encoder"):
        build_language(replace(CONFIG, language="conv"))
    with pytest.raises(EncoderError, match="width 384, the model takes 512"):
        build_language(replace(CONFIG, language_dim=512))
