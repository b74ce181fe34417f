"""Several processes fill the gradients of one model: of what is trained, and of nothing else."""

import os
import signal

import numpy as np
import pytest
import torch
from synthetic import write_dataset
from torch import nn

from vla_policy.checkpoint import read_checkpoint
from vla_policy.training.augment import Augmentation
from vla_policy.training.compute import Compute
from vla_policy.training.config import TrainConfig
from vla_policy.training.gradients import GradientWorkers, SharedGradients
from vla_policy.training.mixture import Draw, Source, open_mixture
from vla_policy.training.train import train

TINY = {"width": 48, "attention_heads": 2, "layers": 1, "channels": 16, "bottleneck": 8, "queries": 4}


class Data:
    """In place of batches: numbers that follow from the rows."""

    def augmented(self, draw: Draw, how: Augmentation, generator: torch.Generator) -> dict:
        return {"x": torch.from_numpy(draw.rows).float()[:, None], "part": draw.part}


class Line(nn.Module):
    """Two slopes, of which a batch concerns one; and one that is frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.slopes = nn.ParameterList(nn.Parameter(torch.tensor([float(i)])) for i in (1, 2))
        self.frozen = nn.Parameter(torch.ones(1), requires_grad=False)

    def forward(self, x: torch.Tensor, part: int) -> torch.Tensor:
        return (self.slopes[part] * self.frozen * x).mean()


class Moved(Compute):
    def move(self, batch: dict) -> dict:
        return batch


@pytest.fixture
def workers():
    model = Line()
    opened = GradientWorkers(model, Data(), Augmentation(), 4, 0, 2, Moved())
    yield model, opened
    opened.close()


def test_the_gradient_is_the_mean_over_processes_and_none_where_the_batch_concerns_nothing(workers):
    model, opened = workers
    for part in (1, 0):
        loss = opened.backward(Draw(part, np.array([1, 2, 3, 6])), step=0)
        assert loss == pytest.approx((part + 1) * 3.0)
        assert float(model.slopes[part].grad) == pytest.approx(3.0), "half of it from the other process"
        assert model.slopes[1 - part].grad is None and model.frozen.grad is None


def test_weights_that_move_here_move_there(workers):
    model, opened = workers
    with torch.no_grad():
        model.slopes[0].fill_(10.0)
    assert opened.backward(Draw(0, np.array([0, 0, 2, 2])), step=1) == pytest.approx(10.0)


def test_a_process_that_died_is_an_error_and_no_hang(workers):
    _, opened = workers
    os.kill(opened._others[0].process.pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="a training process ended with exit code -9"):
        opened.backward(Draw(0, np.arange(4)), step=0)


def test_a_gradient_that_only_another_process_has_is_taken():
    theirs, ours = ([nn.Parameter(torch.zeros(2, 3)), nn.Parameter(torch.zeros(4))] for _ in range(2))
    theirs[0].grad, ours[1].grad = torch.full((2, 3), 2.0), torch.ones(4)
    shared = SharedGradients(theirs)
    shared.put(theirs)
    shared.add_to(ours)
    assert torch.equal(ours[0].grad, theirs[0].grad) and torch.equal(ours[1].grad, torch.ones(4))


def test_frozen_parts_stay_and_all_others_move(card, tmp_path):
    write_dataset(tmp_path / "demos", card, episodes=4, frames=8)
    mixture = open_mixture([Source(tmp_path / "demos")], [card], processes=1, quiet=True)
    config = {"batch": 4, "processes": 2, "model": TINY, "warm_up_steps": 1, "weight_decay": 0.1}
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    train(mixture, TrainConfig(steps=1, **config), tmp_path / "a", first, quiet=True)
    train(mixture, TrainConfig(steps=2, freeze=("vision",), **config), tmp_path / "b", second, quiet=True, init=first)
    before, after = (read_checkpoint(path).weights for path in (first, second))
    assert before.keys() == after.keys(), "a frozen part is in the file all the same"
    for name in before:
        if name.startswith("vision.") or before[name].ndim >= 2:  # a bias may have no gradient, and then stays
            assert torch.equal(before[name], after[name]) == name.startswith("vision."), name
