import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from shipped_paths import CARD
from synthetic import write_dataset
from torch import nn

from vla_policy.checkpoint import Checkpoint, read_checkpoint
from vla_policy.errors import TrainingError
from vla_policy.native.config import ModelConfig
from vla_policy.native.encoders.registry import build_language
from vla_policy.opening import Opening, load_policy
from vla_policy.training import validation
from vla_policy.training.augment import Augmentation
from vla_policy.training.batches import Batches
from vla_policy.training.build import build_embodiments, build_model
from vla_policy.training.compute import Compute
from vla_policy.training.config import TrainConfig
from vla_policy.training.gradients import GradientWorkers
from vla_policy.training.mixture import Source, open_mixture
from vla_policy.training.run import Run
from vla_policy.training.train import train

SHIPPED = CARD.parents[2] / "vla_policy" / "checkpoints" / "panda_tabletop.safetensors"

TINY = {"width": 48, "attention_heads": 2, "layers": 1, "channels": 16, "bottleneck": 8, "queries": 4}


@pytest.fixture(scope="module")
def folder(card, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("demos")
    write_dataset(path, card, episodes=24, frames=12)
    return path


@pytest.fixture(scope="module")
def mixture(card, folder):
    return open_mixture([Source(folder)], [card], processes=1, quiet=True)


def test_training_learns_stops_and_goes_on(card, mixture, tmp_path):
    out, work = tmp_path / "small.safetensors", tmp_path / "work"
    config = dict(
        steps=60, batch=16, warm_up_steps=10, validations=3, average=0.9, processes=1, model=TINY,
        augmentation=Augmentation(shift=(0,), light=0.0),
    )  # fmt: skip
    first = train(mixture, TrainConfig(**config), work, out, quiet=True, command="vla train ...")
    rows = [json.loads(line) for line in (work / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 60 and len(rows) == 3
    assert rows[-1]["validation"]["loss"] < 0.8 * rows[0]["train_loss"]
    assert set(rows[-1]["validation"]["first"]) == set(card.action.names)
    assert (work / "loss.png").read_bytes()[:4] == b"\x89PNG"
    with safe_open(work / "state.safetensors", framework="pt") as file:
        spent = float(file.metadata()["spent"])
    assert first["samples_per_second"] == pytest.approx(60 * 16 / spent, rel=0.01)
    assert first["minutes"] == pytest.approx(spent / 60, abs=0.006)
    config["steps"] = 120
    (embodiment,) = read_checkpoint(out).embodiments
    assert {name: len(kept) for name, kept in embodiment.images.items()} == {"front": 48, "wrist": 48}
    second = train(mixture, TrainConfig(**config), work, out, quiet=True, resume=True)
    assert first["steps"] == 60 and second["steps"] == 120
    later = [json.loads(line) for line in (work / "log.jsonl").read_text().splitlines()]
    assert later[:3] == rows and [row["step"] for row in later[3:]] == [80, 120]
    assert later[-1]["train_loss"] < rows[-1]["train_loss"]
    stored = read_checkpoint(out)
    assert stored.training["frames"] == len(mixture.parts[0].frames) - 12
    assert [one.policy_hash for one in stored.embodiments] == [card.policy_hash]
    assert out.stat().st_size < 20e6
    load_policy(out, card, Opening(threads=1)).warm_up()
    config |= {"steps": 5, "head": "flow_matching"}
    other = tmp_path / "flow.safetensors"
    train(mixture, TrainConfig(**config), tmp_path / "work2", other, quiet=True, init=out)
    assert load_policy(other, card).info.head == "flow_matching"
    kept, own = read_checkpoint(other).embodiments[0], stored.embodiments[0]
    assert kept.codec.state().values == own.codec.state().values, "statistics of the checkpoint that it began with"


def test_the_learning_rate_climbs_first_and_then_falls_as_the_budget_is_used_up():
    config = TrainConfig(learning_rate=0.01, warm_up_steps=4, minutes=2.0, steps=80)
    assert [config.rate(step, 0.0) for step in (0, 1, 3, 50)] == pytest.approx([0.0025, 0.005, 0.01, 0.01])
    falling = [config.rate(50, used) for used in (1 / 3, 0.5, 2 / 3, 1.0, 1.7)]
    assert falling == pytest.approx([0.007525, 0.00505, 0.002575, 0.0001, 0.0001])
    assert (config.share_used(40, 30.0), config.share_used(10, 90.0)) == (0.5, 0.75), "the tighter of steps and time"


def test_unless_told_otherwise_a_policy_is_made_and_trained_as_the_shipped_one_was(monkeypatch, folder, tmp_path):
    from vla_policy.verbs import train as cli_train

    shipped, given = read_checkpoint(SHIPPED), []
    was = shipped.training["config"]
    mine = asdict(TrainConfig(minutes=was["minutes"]))
    mine["augmentation"]["shift"] = list(mine["augmentation"]["shift"])
    for name in was.keys() - {"normalisation", "processes"}:  # of before codecs; told by number then
        assert mine[name] == was[name], name
    assert (mine["processes"], TrainConfig().process_count()) == (None, was["processes"])
    needed = {name: getattr(shipped.model, name) for name in ("cameras", "state_dim", "action_dim", "horizon", "gripper_columns")}
    assert ModelConfig(**needed) == shipped.model

    def noted(mixture, config, *rest, **more):
        given.append(config)
        return {"steps": 0, "minutes": 0.0, "interrupted": False}

    monkeypatch.setattr("vla_policy.training.train.train", noted)
    parser = argparse.ArgumentParser()
    cli_train.add_arguments(parser)
    words = f"--data {folder} --out {tmp_path}/x.safetensors --minutes 33"
    assert cli_train.run(parser.parse_args(words.split())) == 0 and given == [TrainConfig(minutes=33.0)]


def test_a_wild_batch_is_clipped_and_a_tame_one_is_not():
    for clip, length, left in ((0.5, 40.0, 0.5), (2.5, 40.0, 2.5), (2.5, 0.3, 0.3)):
        model = nn.Linear(4, 3)
        run = Run(model, TrainConfig(steps=9, clip=clip))
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, length / 15**0.5)
        run.advance()
        assert float(torch.cat([p.grad.flatten() for p in model.parameters()]).norm()) == pytest.approx(left, rel=1e-4)


class Guess:
    """In place of a model: its loss of an observation is the first number of its state, and it does as in the mean."""

    def __init__(self) -> None:
        self.at_once, self.modes = [], []

    def eval(self) -> None:
        self.modes.append("eval")

    def train(self) -> None:
        self.modes.append("train")

    def __call__(self, state, **batch):
        self.at_once.append(len(state))
        return state[:, 0].mean()

    def act(self, images, state, words, mask, generator):
        return torch.zeros(len(state), 16, 7)


def test_what_is_held_out_counts_frame_by_frame_however_many_are_taken_at_once(card, mixture, monkeypatch):
    (part,) = mixture.parts
    embodiments = build_embodiments(mixture, TrainConfig(), None)
    sizes = build_model(embodiments, mixture, TrainConfig(model=TINY), None).config
    batches = Batches([part.frames], embodiments, sizes, build_language(sizes))
    columns = part.frames.columns(part.held)
    error = np.abs(columns["actions"] - embodiments[0].decode(np.zeros((1, 16, 7))))
    assert len(part.held) == 12
    for most, parts in ((128, [12]), (5, [5, 5, 2])):
        monkeypatch.setattr(validation, "AT_ONCE", most)
        model = Guess()
        told = validation.validate(model, batches, mixture, embodiments, Compute())
        assert (model.at_once, model.modes) == (parts, ["eval", "train"])
        assert told["loss"] == pytest.approx(embodiments[0].state(columns["state"])[:, 0].mean(), abs=1e-5)
        assert list(told["first"].values()) == pytest.approx(error[:, :4].mean((0, 1)), abs=1e-5)
        assert list(told["all"].values()) == pytest.approx(error.mean((0, 1)), abs=1e-5)


def test_errors_are_told_in_units_that_one_can_picture():
    of_tool = {"arm.x": 0.002, "arm.y": 0.003, "arm.z": 0.0055, "arm.rx": 0.1, "arm.rz": 0.3, "arm.gripper": 0.07}
    assert validation.describe(of_tool) == "3.50 mm 11.46 deg 7.00 % gripper"
    assert validation.describe({"panda_joint1": 0.02, "panda_joint2": 0.03}) == "1.43 deg"


def test_each_validation_draws_the_same_noise_so_that_they_compare(mixture):
    class Drawing(Guess):
        def __call__(self, state, **batch):
            return torch.randn(())

        def act(self, images, state, words, mask, generator):
            return torch.randn(len(state), 16, 7, generator=generator)

    embodiments = build_embodiments(mixture, TrainConfig(), None)
    sizes = build_model(embodiments, mixture, TrainConfig(model=TINY), None).config
    batches = Batches([part.frames for part in mixture.parts], embodiments, sizes, build_language(sizes))
    first, second = (validation.validate(Drawing(), batches, mixture, embodiments, Compute()) for _ in range(2))
    assert first == second and first["loss"] != 0.0


def test_an_interrupted_training_is_kept_and_goes_on_from_there(mixture, tmp_path, monkeypatch):
    config, out = dict(batch=4, processes=1, model=TINY, validations=1, warm_up_steps=1), tmp_path / "x.safetensors"
    backward, calls = GradientWorkers.backward, []

    def interrupted(workers, draw, step):
        calls.append((step, draw.rows.tolist()))
        if step == 3 and len(calls) == 4:
            raise KeyboardInterrupt
        return backward(workers, draw, step)

    monkeypatch.setattr(GradientWorkers, "backward", interrupted)
    clock = count(1000.0, 6.1)  # so long takes a step
    monkeypatch.setattr("vla_policy.training.train.time", SimpleNamespace(monotonic=lambda: next(clock)))
    first = train(mixture, TrainConfig(steps=5, **config), tmp_path, out, quiet=True)
    assert (first["interrupted"], first["steps"], first["validation"]) == (True, 3, None) and out.exists()
    second = train(mixture, TrainConfig(steps=5, **config), tmp_path, out, quiet=True, resume=True)
    assert (second["interrupted"], second["steps"]) == (False, 5)
    assert (second["minutes"], second["samples_per_second"]) == (0.51, 0.7), "30.5 s in both sittings"
    assert [step for step, _ in calls] == [0, 1, 2, 3, 3, 4] and calls[3] == calls[4], "the same batch as it would have been"


def test_a_training_in_which_all_is_frozen_is_refused(mixture):
    embodiments = build_embodiments(mixture, TrainConfig(), None)
    parts = [name for name, _ in build_model(embodiments, mixture, TrainConfig(model=TINY), None).named_children()]
    with pytest.raises(TrainingError, match=f"--freeze {' '.join(parts)} readout: nothing is left to train"):
        build_model(embodiments, mixture, TrainConfig(model=TINY, freeze=(*parts, "readout")), None)


def test_a_head_keeps_its_options_and_another_one_has_its_own(mixture):
    options = {"hidden": 24, "beta": 0.3}
    config = TrainConfig(model=TINY | {"head_options": options})
    embodiments = build_embodiments(mixture, config, None)
    first = build_model(embodiments, mixture, config, None)
    start = Checkpoint(first.state_dict(), first.config, embodiments, {})
    for head, kept in (("regression", options), ("flow_matching", {})):
        assert build_model(embodiments, mixture, TrainConfig(head=head), start).config.head_options == kept


def test_the_command_tells_a_mistake_in_one_line(capsys, tmp_path, folder):
    from vla_policy.verbs import train as cli_train

    parser = argparse.ArgumentParser()
    cli_train.add_arguments(parser)
    base = [
        "--card",
        str(CARD),
        "--out",
        str(tmp_path / "x.safetensors"),
        "--steps",
        "1",
        "--work",
        str(tmp_path / "work"),
    ]
    for words, expected in (
        (["--data", str(tmp_path / "none")], "none"),
        (["--data", str(folder), "--init", str(tmp_path / "no.safetensors")], "no such file"),
        (["--data", f"{folder}:0"], "weight 0"),
        (["--data", str(folder), "--batch", "5"], "--batch 5: allowed are multiples of the 2 processes"),
        (["--data", str(folder), "--device", "cuda:7"], "device 'cuda:7' is not there, this machine has: cpu"),
        (["--data", str(folder), "--dtype", "float8"], "dtype 'float8' is unknown, there are: float32, bfloat16"),
        (["--data", str(folder), "--freeze", "eyes"], "--freeze eyes: the model has no such part, it has readout, words,"),
        (["--data", str(folder), "--compile", "--processes", "2"], "--processes 2: a compiled model allows 1"),
    ):
        assert cli_train.run(parser.parse_args([*base, *words])) == 2
        error = capsys.readouterr().err
        assert "Traceback" not in error
        last = error.splitlines()[-1]
        assert last.startswith("vla train: ") and expected in last


def test_a_budget_of_seconds_from_outside_ends_a_training_early_and_says_so(monkeypatch, capsys, tmp_path, folder):
    from vla_policy.verbs import train as cli_train

    parser = argparse.ArgumentParser()
    cli_train.add_arguments(parser)
    words = ["--card", str(CARD), "--data", str(folder), "--out", str(tmp_path / "x.safetensors"), "--work"]
    words += [str(tmp_path / "work"), "--minutes", "30", "--batch", "2", "--processes", "1"]
    for wrong in ("soon", "0", "inf"):
        monkeypatch.setenv("VLA_TRAIN_SECONDS", wrong)
        assert cli_train.run(parser.parse_args(words)) == 2
        assert capsys.readouterr().err == f"vla train: VLA_TRAIN_SECONDS is '{wrong}', allowed is a number above 0 [s]\n"
    monkeypatch.setenv("VLA_TRAIN_SECONDS", "0.5")
    assert cli_train.run(parser.parse_args(words)) == 0
    assert "VLA_TRAIN_SECONDS: the training ends after 0.5 s" in capsys.readouterr().out
    assert json.loads((tmp_path / "work" / "summary.json").read_text())["minutes"] < 0.3


def test_two_processes_take_the_same_steps_as_one(card, folder, tmp_path):
    losses = {}
    for processes in (1, 2):
        work = tmp_path / str(processes)
        words = f"--card {CARD} --data {folder} --out {work}/x.safetensors --work {work} --steps 3 --batch 8 --seed 1"
        words += f" --shift 0 --light 0 --state-noise 0 --processes {processes}"
        done = subprocess.run(
            [sys.executable, "-m", "vla_policy.verbs.train", *words.split()], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        rows = [json.loads(line) for line in (work / "log.jsonl").read_text().splitlines()]
        losses[processes] = [row["train_loss"] for row in rows] + [rows[-1]["validation"]["loss"]]
    assert losses[1] == pytest.approx(losses[2], rel=1e-3)


def test_bfloat16_trains_and_the_weights_stay_in_float32(mixture, tmp_path):
    config = dict(batch=8, processes=1, model=TINY, steps=3, validations=1, warm_up_steps=1)
    losses = {}
    for dtype in ("float32", "bfloat16"):
        out = tmp_path / f"{dtype}.safetensors"
        train(mixture, TrainConfig(**config, dtype=dtype), tmp_path / dtype, out, quiet=True)
        losses[dtype] = json.loads((tmp_path / dtype / "log.jsonl").read_text())["train_loss"]
        state = load_file(tmp_path / dtype / "state.safetensors")
        assert {value.dtype for name, value in state.items() if name.startswith("model.")} == {torch.float32}
    assert losses["bfloat16"] != losses["float32"] and losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.02)
