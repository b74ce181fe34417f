import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from policy_paths import CARD
from synthetic import write_dataset

from vla_contract.demonstration import DatasetInfo, Demonstration, dataset_index
from vla_policy_node.augment import Augmentation
from vla_policy_node.batches import draw_rows
from vla_policy_node.checkpoint import load_checkpoint, read_checkpoint
from vla_policy_node.data import Source, load_frames, next_goals, split_episodes
from vla_policy_node.errors import DatasetError
from vla_policy_node.preprocess import shrink_image
from vla_policy_node.train import TrainConfig, train

TINY = {"width": 48, "attention_heads": 2, "layers": 1, "channels": 16, "bottleneck": 8, "queries": 4}


@pytest.fixture(scope="module")
def folder(card, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("demos")
    write_dataset(path, card, episodes=24, frames=12)
    return path


@pytest.fixture(scope="module")
def frames(card, folder):
    return load_frames([Source(folder)], card, processes=1, quiet=True)


def test_training_learns_stops_and_goes_on(card, frames, tmp_path):
    out, work = tmp_path / "small.safetensors", tmp_path / "work"
    config = dict(
        steps=60, batch=16, warm_up_steps=10, validations=3, average=0.9, processes=1, model=TINY,
        augmentation=Augmentation(shift=(0,), light=0.0),
    )  # fmt: skip
    first = train(frames, card, TrainConfig(**config), work, out, quiet=True, command="vla train ...")
    rows = [json.loads(line) for line in (work / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 60 and len(rows) == 3
    assert rows[-1]["validation"]["loss"] < 0.8 * rows[0]["train_loss"]
    assert set(rows[-1]["validation"]["first"]) == set(card.action.names)
    assert (work / "loss.png").read_bytes()[:4] == b"\x89PNG"
    config["steps"] = 120
    assert {name: len(kept) for name, kept in read_checkpoint(out).pictures.items()} == {"front": 48, "wrist": 48}
    second = train(frames, card, TrainConfig(**config), work, out, quiet=True, resume=True)
    assert first["steps"] == 60 and second["steps"] == 120
    later = [json.loads(line) for line in (work / "log.jsonl").read_text().splitlines()]
    assert later[:3] == rows and [row["step"] for row in later[3:]] == [80, 120]
    assert later[-1]["train_loss"] < rows[-1]["train_loss"]
    stored = read_checkpoint(out)
    assert stored.training["frames"] == len(frames.state) - 12 and stored.policy_hash == card.policy_hash
    assert out.stat().st_size < 20e6
    load_checkpoint(out, card, threads=1).warm_up()
    config |= {"steps": 5, "head": "flow_matching"}
    other = tmp_path / "flow.safetensors"
    train(frames, card, TrainConfig(**config), tmp_path / "work2", other, quiet=True, init=out)
    assert load_checkpoint(other, card).info.head == "flow_matching"
    assert read_checkpoint(other).codec.to_dict() == stored.codec.to_dict()


def test_the_cache_holds_what_the_model_sees_at_run_time(card, folder, frames):
    import cv2

    path = dataset_index(folder)[3]
    pngs = Demonstration.load(path).images["wrist"]
    bgr = cv2.imdecode(np.frombuffer(pngs[5], np.uint8), cv2.IMREAD_COLOR)
    row = np.flatnonzero(frames.episode == frames.episode_paths.index(str(path)))[5]
    assert np.array_equal(frames.images["wrist"][row], shrink_image(bgr[..., ::-1]))


def test_failed_and_masked_frames_are_left_out(card, folder, tmp_path):
    DatasetInfo.load(folder).save(tmp_path)
    for i, path in enumerate(dataset_index(folder)[:4]):
        episode = Demonstration.load(path)
        episode.success = i > 0
        episode.mask[: i + 1] = False
        episode.save(tmp_path / path.name)
    few = load_frames([Source(tmp_path, 0.5)], card, processes=1, quiet=True)
    assert len(few.episode_paths) == 3 and len(few.state) == 10 + 9 + 8
    assert (few.weight == 0.5).all()


def test_a_dataset_of_another_card_is_refused_by_field(card, folder, tmp_path):
    info = DatasetInfo.load(folder)
    for key, value in (("action_space", "EE_POSE"), ("step_period_ns", 5), ("policy_hash", "0" * 16)):
        DatasetInfo(**(vars(info) | {key: value})).save(tmp_path)
        with pytest.raises(DatasetError, match=f"{key} is {value}, card panda_tabletop has"):
            load_frames([Source(tmp_path)], card, quiet=True)
    info.save(tmp_path)
    with pytest.raises(DatasetError, match="no successful demonstration"):
        load_frames([Source(tmp_path)], card, quiet=True)


def test_no_episode_is_in_both_parts(frames):
    learn, held = split_episodes(frames, 0.2, seed=0)
    assert len(learn) + len(held) == len(frames.state)
    assert not set(frames.episode[learn]) & set(frames.episode[held])
    assert np.array_equal(split_episodes(frames, 0.2, seed=0)[1], held)


def test_weights_set_how_often_frames_are_drawn_and_resuming_goes_on_in_the_same_order():
    weight = np.repeat([1.0, 0.25], 1000)
    stream = draw_rows(np.arange(2000), weight, 10, seed=3, start=0)
    drawn = [next(stream).numpy() for _ in range(500)]
    rows = np.concatenate(drawn)
    assert 0.2 < (rows >= 1000).sum() / (rows < 1000).sum() < 0.3
    later = draw_rows(np.arange(2000), weight, 10, seed=3, start=200)
    assert np.array_equal(next(later).numpy(), drawn[200])


def test_sources_are_parsed_and_wrong_weights_named():
    assert Source.parse("out/demos/pick") == Source(Path("out/demos/pick"))
    assert Source.parse("out/demos/stack:0.5") == Source(Path("out/demos/stack"), 0.5)
    with pytest.raises(DatasetError, match="'half' is no number"):
        Source.parse("out/demos/stack:half")
    with pytest.raises(DatasetError, match="weight -1"):
        Source.parse("out/demos/stack:-1")


def test_the_command_tells_a_mistake_in_one_line(capsys, tmp_path, folder):
    import argparse

    from vla_policy_node import cli_train

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
        (["--data", str(folder), "--minutes", "-1"], "--minutes is -1"),
    ):
        assert cli_train.run(parser.parse_args([*base, *words])) == 2
        error = capsys.readouterr().err
        assert "Traceback" not in error
        last = error.splitlines()[-1]
        assert last.startswith("vla train: ") and expected in last


def test_two_processes_take_the_same_steps_as_one(card, folder, tmp_path):
    """Each in a process of its own: forking is only for a process that has trained nothing yet."""
    losses = {}
    for processes in (1, 2):
        work = tmp_path / str(processes)
        words = f"--card {CARD} --data {folder} --out {work}/x.safetensors --work {work} --steps 3 --batch 8 --seed 1"
        words += f" --shift 0 --light 0 --state-noise 0 --processes {processes}"
        done = subprocess.run(
            [sys.executable, "-m", "vla_policy_node.cli_train", *words.split()], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        rows = [json.loads(line) for line in (work / "log.jsonl").read_text().splitlines()]
        losses[processes] = [row["train_loss"] for row in rows] + [rows[-1]["validation"]["loss"]]
    assert losses[1] == pytest.approx(losses[2], rel=1e-3)


def test_the_next_goal_is_where_the_gripper_next_acts():
    gripper = np.array([1, 1, 1, 0, 0, 1, 1], dtype=np.float32)
    actions = np.zeros((7, 2, 3), np.float32)
    actions[:, :, 2] = gripper[:, None]
    state = np.arange(7, dtype=np.float32)[:, None]
    episode = Demonstration({}, state, actions, np.ones(7, bool), "pick", "pick", 0, True, 10**8)
    assert next_goals(episode, [2])[:, 0].tolist() == [3, 3, 3, 5, 5, 6, 6]
