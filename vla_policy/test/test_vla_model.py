import re
from dataclasses import replace

import pytest
import torch

from vla_policy.native.config import ModelConfig
from vla_policy.native.grounding import SPREAD, grounding_loss
from vla_policy.native.heads.base import HeadBatch, HeadSizes
from vla_policy.native.heads.registry import build_head, head_names
from vla_policy.native.memory import Memory
from vla_policy.native.pooling import coordinates
from vla_policy.native.vla import VlaModel
from vla_policy.training.augment import jitter_light, random_shift

CONFIG = ModelConfig(
    cameras=("front", "wrist"), state_dim=8, action_dim=7, horizon=16, width=64, attention_heads=4, layers=2, channels=16,
    bottleneck=8, queries=4,
)  # fmt: skip


def inputs(batch=3, words=6, seed=0):
    random = torch.Generator().manual_seed(seed)
    return {
        "images": {
            c: torch.randint(0, 256, (batch, 112, 112, 3), dtype=torch.uint8, generator=random) for c in CONFIG.cameras
        },
        "state": torch.randn(batch, 8, generator=random),
        "words": 0.05 * torch.randn(batch, words, 384, generator=random),
        "mask": torch.ones(batch, words, dtype=torch.bool),
    }


def memory_of(readout):
    """A memory of nothing but a readout (B, width)."""
    return Memory(readout[:, None], readout[:, None], torch.ones(len(readout), 1, dtype=torch.bool))


def everything(actions):
    return HeadBatch(actions, torch.ones(actions.shape[:2], dtype=torch.bool))


@pytest.fixture(params=head_names())
def model(request):
    torch.manual_seed(0)
    return VlaModel(replace(CONFIG, head=request.param)).eval()


def context(model, batch):
    return model.encode(**batch)[0].flat()


def test_one_observation_gives_the_same_chunk_alone_and_in_a_batch(model):
    batch = inputs()
    alone = {k: ({c: i[:1] for c, i in v.items()} if k == "images" else v[:1]) for k, v in batch.items()}
    with torch.inference_mode():
        assert torch.allclose(context(model, batch)[:1], context(model, alone), atol=1e-5)


def test_padding_of_the_instruction_makes_no_difference(model):
    batch = inputs()
    padded = batch | {
        "words": torch.cat([batch["words"], torch.full((3, 5, 384), 9.0)], dim=1),
        "mask": torch.cat([batch["mask"], torch.zeros(3, 5, dtype=torch.bool)], dim=1),
    }
    with torch.inference_mode():
        assert torch.allclose(context(model, batch), context(model, padded), atol=1e-5)


@pytest.mark.parametrize("what", ["front", "wrist", "state", "words"])
def test_every_input_reaches_the_decision(model, what):
    batch, other = inputs(), inputs(seed=1)
    changed = dict(batch)
    if what in batch["images"]:
        changed["images"] = batch["images"] | {what: other["images"][what]}
    else:
        changed[what] = other[what]
    with torch.inference_mode():
        assert (context(model, batch) - context(model, changed)).abs().max() > 1e-4


def test_a_sample_is_repeated_by_its_seed(model):
    first, again, other = (model.act(**inputs(), generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert first.shape == (3, 16, 7)
    assert torch.equal(first, again)
    assert torch.equal(first, other) == (model.config.head == "regression")


def test_steps_outside_the_mask_do_not_count():
    head = build_head("regression", HeadSizes(1, 128, 16, 7), {})
    memory, actions = memory_of(torch.randn(4, 128)), torch.randn(4, 16, 7)
    mask = torch.ones(4, 16, dtype=torch.bool)
    mask[:, 8:] = False
    spoilt = actions.clone()
    spoilt[:, 8:] += 100.0
    with torch.no_grad():
        assert torch.equal(head.loss(memory, HeadBatch(actions, mask)), head.loss(memory, HeadBatch(spoilt, mask)))
        assert head.loss(memory, HeadBatch(spoilt, ~mask)) > 50


def test_heads_learn_a_chunk_that_depends_on_the_context():
    target = torch.randn(2, 16, 7, generator=torch.Generator().manual_seed(0))
    memory = memory_of(torch.eye(2, 128))
    for name in ("regression", "flow_matching"):
        torch.manual_seed(0)
        head = build_head(name, HeadSizes(1, 128, 16, 7), {"hidden": 64})
        optimiser = torch.optim.Adam(head.parameters(), 5e-3)
        for _ in range(150):
            optimiser.zero_grad()
            head.loss(memory, everything(target)).backward()
            optimiser.step()
        with torch.no_grad():
            error = (head.sample(memory, generator=torch.Generator().manual_seed(5)) - target).abs().mean()
        assert error < 0.15, f"{name}: {error:.3f}"


def test_flow_matching_keeps_two_ways_apart_where_regression_averages_them():
    """Half of the demonstrations go left, half go right, from the same observation."""
    sides = torch.tensor([1.0, -1.0])[:, None, None].expand(2, 4, 1).repeat(16, 1, 1)
    memory, many = memory_of(torch.zeros(32, 8)), memory_of(torch.zeros(200, 8))
    given = {}
    for name in ("regression", "flow_matching"):
        torch.manual_seed(0)
        # Mostly a squared error: of an absolute one, every answer between the sides would be as good.
        head = build_head(name, HeadSizes(1, 8, 4, 1), {"hidden": 64} | ({"beta": 2.0} if name == "regression" else {}))
        optimiser = torch.optim.Adam(head.parameters(), 2e-3)
        for _ in range(300):
            optimiser.zero_grad()
            head.loss(memory, everything(sides)).backward()
            optimiser.step()
        with torch.no_grad():
            given[name] = head.sample(many, generator=torch.Generator().manual_seed(0)).mean(dim=(1, 2))
    flow, regression = given["flow_matching"], given["regression"]
    assert (flow.abs() > 0.7).float().mean() > 0.9, "each goes one way or the other"
    assert 0.25 < (flow > 0).float().mean() < 0.75, "and neither way is forgotten"
    assert regression.abs().max() < 0.2, "the mean of both ways, which no demonstration has shown"
    assert regression.std() < 1e-6, "one answer, but for the rounding of rows that are computed in blocks"


def test_an_unknown_head_or_option_is_named():
    with pytest.raises(ValueError, match="'diffusion' is unknown, there are flow_matching, regression"):
        build_head("diffusion", HeadSizes(1, 8, 4, 1), {})
    with pytest.raises(ValueError, match="'regression'.*depth"):
        build_head("regression", HeadSizes(1, 8, 4, 1), {"depth": 3})
    with pytest.raises(ValueError, match="'depth', known are"):
        ModelConfig.from_dict(CONFIG.to_dict() | {"depth": 3})


def test_positions_run_from_left_to_right_and_from_top_to_bottom():
    x, y = coordinates(3, 5)
    assert x.tolist() == [[-1.0, -0.5, 0.0, 0.5, 1.0]] * 3
    assert y.T.tolist() == [[-1.0, 0.0, 1.0]] * 5


def test_what_is_stored_is_what_is_learned(model):
    assert set(model.state_dict()) == {name for name, _ in model.named_parameters()}, "constants are made anew"


def test_a_head_speaks_in_numbers_unless_its_sizes_tell_of_tokens():
    sizes = HeadSizes(readout=3, width=8, horizon=4, action_dim=2)
    assert (sizes.flat, sizes.tokens, sizes.vocabulary) == (24, 0, 0)


def test_a_flow_sees_its_time_in_rates_of_1_to_1000():
    """They are in no file: of other ones a trained head would make something else."""
    rates = build_head("flow_matching", HeadSizes(1, 8, 4, 1), {"time_dim": 8}).rates
    assert rates.tolist() == pytest.approx([1.0, 10.0, 100.0, 1000.0], rel=1e-5)


def test_configuration_survives_json():
    import json

    assert ModelConfig.from_dict(json.loads(json.dumps(CONFIG.to_dict()))) == CONFIG


@pytest.mark.parametrize("more", [
    {"width": 2000}, {"width": 1000, "layers": 11}, {"mlp_ratio": 500.0}, {"channels": 20_000, "bottleneck": 300},
    {"bottleneck": 60_000}, {"blocks": 90, "channels": 900, "bottleneck": 90},
    {"cameras": tuple(f"camera{k}" for k in range(50)), "width": 700}, {"grid": 600}, {"queries": 300_000},
    {"state_dim": 400_000}, {"action_dim": 40_000}, {"horizon": 40_000}, {"language_dim": 900_000},
])  # fmt: skip
def test_about_how_many_weights_sizes_ask_for_is_known_before_a_model_is_built(more):
    config = ModelConfig(**{"cameras": ("front",), "state_dim": 8, "action_dim": 7, "horizon": 16, **more})
    with torch.device("meta"):
        needed = VlaModel(config).parameter_count()
    with pytest.raises(ValueError, match="about .* weights, and 1234 are stored") as told:
        config.check_size(1234)
    assert 0.4 * needed < int(re.search(r"about (\d+)", str(told.value))[1]) < 1.25 * needed
    config.check_size(needed)


def test_default_model_is_small_enough_to_ship():
    default = VlaModel(ModelConfig(cameras=("front", "wrist"), state_dim=8, action_dim=7, horizon=16))
    assert default.parameter_count() < 5e6


def test_shift_moves_and_repeats_the_border():
    image = torch.arange(112 * 112 * 3).reshape(1, 112, 112, 3).float()
    moved, content = random_shift(image.repeat(50, 1, 1, 1), 3, torch.Generator().manual_seed(0))
    offsets = set()
    for one, move in zip(moved, content, strict=True):
        found = (image[0, :, :, 0] == one[50, 50, 0]).nonzero()[0] - 50
        offsets.add(tuple(found.tolist()))
        assert torch.allclose(move * 56, -found.flip(0).float()), "what is known of the content moves with it"
        rows = (torch.arange(112) + found[0]).clamp(0, 111)
        columns = (torch.arange(112) + found[1]).clamp(0, 111)
        assert torch.equal(one, image[0][rows][:, columns])
    assert len(offsets) > 20 and max(abs(v) for o in offsets for v in o) == 3


def test_grounding_is_least_where_the_attention_points_at_the_object():
    side = 28
    points = torch.tensor([[[[0.3, -0.5], [float("nan"), float("nan")]]]])
    centres = (torch.arange(side) + 0.5) / side * 2 - 1
    losses = {}
    for x in (-0.5, 0.0, 0.3):
        for y in (-0.5, 0.3):
            spot = torch.exp(-0.5 * (((centres[None] - x) / SPREAD) ** 2 + ((centres[:, None] - y) / SPREAD) ** 2))
            look = (spot / spot.sum()).flatten().expand(1, 1, 2, -1)
            losses[x, y] = float(grounding_loss(look, points))
    assert min(losses, key=losses.get) == (0.3, -0.5)
    assert losses[0.3, -0.5] == pytest.approx(0.0, abs=1e-3) and losses[-0.5, 0.3] > 3.0


@pytest.mark.parametrize(("side", "x", "y"), [(28, 1.09, -0.4), (28, 0.2, 1.09), (7, 0.3, -0.15)])
def test_a_point_beyond_the_edge_or_between_coarse_cells_is_taught_as_much_as_any_other(side, x, y):
    centres = ((torch.arange(side) + 0.5) / side * 2 - 1).double()
    spot = torch.exp(-0.5 * (((centres[None] - x) / SPREAD) ** 2 + ((centres[:, None] - y) / SPREAD) ** 2))
    assert 0.01 < spot.sum() < 1.0
    look = (spot / spot.sum()).flatten().float()
    points = torch.tensor([x, y]).expand(1, 1, 2, 2)
    assert float(grounding_loss(look.expand(1, 1, 2, -1), points)) == pytest.approx(0.0, abs=1e-3)


def test_grounding_without_known_points_is_nothing():
    look = torch.full((2, 2, 2, 784), 1 / 784, requires_grad=True)
    loss = grounding_loss(look, torch.full((2, 2, 2, 2), float("nan")))
    loss.backward()
    assert loss.item() == 0.0 and not look.grad.abs().any()


def test_light_reaches_as_far_as_its_strength_and_no_further():
    """Brightness by as much, all of it up or down by half, and a channel against the others by a quarter."""
    black_and_white = torch.tensor([0, 255], dtype=torch.uint8)[:, None].expand(6000, 1, 2, 3)
    black, white = jitter_light(black_and_white, 0.2, torch.Generator().manual_seed(0)).double()[:, 0].unbind(1)
    offset, gain = black + 1.0, (white - black) / 2.0
    assert torch.equal(black.amin(1), black.amax(1)), "one offset for all channels"
    assert [float(offset.min()), float(offset.max())] == pytest.approx([-0.1, 0.1], abs=0.002)
    assert [float(gain.min()), float(gain.max())] == pytest.approx([0.8 * 0.95, 1.2 * 1.05], abs=0.01)
    assert float((gain.amax(1) / gain.amin(1)).max()) == pytest.approx(1.05 / 0.95, abs=0.01)


def test_light_keeps_the_order_of_channels_of_a_colour():
    red = torch.tensor([200, 60, 40], dtype=torch.uint8).expand(64, 4, 4, 3)
    lit = jitter_light(red, 0.2, torch.Generator().manual_seed(0))
    assert (lit[..., 0] - lit[..., 1]).min() > 0.5
    assert (lit[..., 0].std() > 0.05) and lit.dtype == torch.float32
    plain = jitter_light(red, 0.0, torch.Generator().manual_seed(0))
    assert torch.allclose(plain, VlaModel.scale_images(red).permute(0, 2, 3, 1), atol=1e-5)
