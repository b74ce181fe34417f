"""One policy for two robots: different state, actions, cameras and horizon."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from shipped_paths import CARD
from synthetic import write_dataset

from vla_contract.card import InterfaceCard, load_card
from vla_contract.demonstration import DatasetInfo, Demonstration, dataset_index
from vla_policy.checkpoint import read_checkpoint
from vla_policy.describing import empty_observation
from vla_policy.opening import load_policy
from vla_policy.policy import Ask
from vla_policy.training.augment import Augmentation
from vla_policy.training.config import TrainConfig
from vla_policy.training.mixture import Source, open_mixture
from vla_policy.training.train import train

TINY = {"width": 48, "attention_heads": 2, "layers": 1, "channels": 16, "bottleneck": 8, "queries": 4}


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> InterfaceCard:
    """Joint deltas in place of the tool's, no wrist camera, no finger in the state, half the horizon."""
    content = yaml.safe_load(CARD.read_text())
    joints = content["arms"][0]["joints"]
    content |= {"name": "other_cell", "cameras": content["cameras"][:1]}
    content["state"]["fields"] = [f"{joint}.position" for joint in joints]
    content["action"] |= {"space": "JOINT_DELTA", "names": [*joints, "arm.gripper"], "horizon": 8}
    path = tmp_path_factory.mktemp("card") / "other_cell.yaml"
    path.write_text(yaml.safe_dump(content))
    return load_card(path)


@pytest.fixture(scope="module")
def folders(card, other, tmp_path_factory) -> list[Path]:
    """The other robot's demonstrations: the same scenes, with actions ten times as large."""
    first, second = (tmp_path_factory.mktemp(name) for name in ("first", "second"))
    write_dataset(first, card, episodes=4, frames=8)
    info = vars(DatasetInfo.load(first)) | {
        "card_name": other.name, "policy_hash": other.policy_hash, "state_names": tuple(other.state.fields),
        "camera_names": ("front",), "action_space": other.action.space,
        "action_names": tuple(other.action.names), "horizon": other.action.horizon,
    }  # fmt: skip
    DatasetInfo(**info).save(second)
    for path in dataset_index(first):
        episode = Demonstration.load(path)
        joints = 10 * np.pad(episode.actions[:, :8, :6], ((0, 0), (0, 0), (0, 1)))
        actions = np.concatenate([joints, episode.actions[:, :8, 6:]], axis=2)
        Demonstration(
            {"front": episode.images["front"]}, episode.state[:, :7], actions,
            episode.mask, episode.instruction, "pick", episode.seed, True, episode.step_period_ns,
        ).save(second / path.name)  # fmt: skip
    return [first, second]


@pytest.fixture(scope="module")
def trained(card, other, folders, tmp_path_factory) -> Path:
    work = tmp_path_factory.mktemp("work")
    mixture = open_mixture([Source(folder) for folder in folders], [card, other], processes=1, quiet=True)
    config = TrainConfig(
        steps=40, batch=8, warm_up_steps=5, learning_rate=3e-3, validations=4, average=0.8, processes=2, model=TINY,
        augmentation=Augmentation(shift=(0,), light=0.0),
    )  # fmt: skip
    train(mixture, config, work, work / "both.safetensors", quiet=True)
    return work / "both.safetensors"


def test_a_checkpoint_holds_both_and_opens_for_each(card, other, trained):
    stored = read_checkpoint(trained)
    assert [one.card_name for one in stored.embodiments] == ["panda_tabletop", "other_cell"]
    assert (stored.model.state_dim, stored.model.action_dim, stored.model.horizon) == (8, 8, 16)
    assert [list(one.images) for one in stored.embodiments] == [["front", "wrist"], ["front"]]
    for own in (card, other):
        policy = load_policy(trained, own)
        decision = policy.infer(empty_observation(own), Ask())
        assert decision.actions.shape == (own.action.horizon, own.action_dim) and np.isfinite(decision.actions).all()


def test_both_learn_and_each_is_judged_in_its_own_columns(card, other, trained):
    rows = [json.loads(line) for line in (trained.parent / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["train_loss"] < 0.8 * rows[0]["train_loss"]
    wanted = [f"{own.name}.{name}" for own in (card, other) for name in own.action.names]
    assert list(rows[-1]["validation"]["all"]) == wanted


def test_each_data_set_goes_to_its_card_by_the_command_line_and_goes_on_from_both(card, other, folders, trained, tmp_path):
    (tmp_path / "other_cell.yaml").write_text(yaml.safe_dump(json.loads(other.model_dump_json())))
    words = f"--card {CARD} --card {tmp_path / 'other_cell.yaml'} --data {folders[1]} --data {folders[0]}:0.5 --init {trained}"
    words += f" --out {tmp_path / 'x.safetensors'} --work {tmp_path} --steps 2 --batch 4"
    program = [sys.executable, "-m", "vla_policy.verbs.train", *words.split()]
    done = subprocess.run(program, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    assert "4 episodes, 32 frames" in done.stdout and "of other_cell" in done.stdout
    kept, own = read_checkpoint(tmp_path / "x.safetensors"), read_checkpoint(trained)
    assert [one.policy_hash for one in kept.embodiments] == [one.policy_hash for one in own.embodiments]
    assert kept.embodiments[1].codec.state().values == own.embodiments[1].codec.state().values


def test_data_that_fit_no_card_are_refused_for_each(card, other, folders, tmp_path, capsys):
    from vla_policy.errors import DatasetError

    DatasetInfo(**(vars(DatasetInfo.load(folders[0])) | {"policy_hash": "0" * 16})).save(tmp_path)
    with pytest.raises(DatasetError, match="policy_hash is 0000.*panda_tabletop has.*; .*state_names is .*other_cell has"):
        open_mixture([Source(tmp_path)], [card, other], quiet=True)
