"""Small images of the demonstrations in a checkpoint, for those who check cameras."""

import argparse
import json
import shutil

import cv2
import numpy as np
import pytest
import torch
from synthetic import write_dataset

from vla_contract.demonstration import Demonstration, DemonstrationError, dataset_index
from vla_policy.checkpoint import read_checkpoint
from vla_policy.errors import DatasetError
from vla_policy.training.reference_images import EPISODES, FRAMES, SIDE, small_images, thumbnail
from vla_policy.verbs import checkpoint as cli_checkpoint


@pytest.fixture(scope="module")
def demos(card, tmp_path_factory):
    folder = tmp_path_factory.mktemp("demos")
    write_dataset(folder, card, episodes=30, frames=9)
    return folder


@pytest.mark.parametrize("shape", [(224, 224), (480, 640), (33, 47), (10, 200)])
def test_a_thumbnail_has_the_means_of_areas(shape):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    small = thumbnail(pixels)
    assert small.shape == (SIDE, SIDE, 3) and small.dtype == np.float32
    if shape == (224, 224):
        np.testing.assert_allclose(small, pixels.reshape(32, 7, 32, 7, 3).mean((1, 3)), atol=1e-3)
    assert abs(small.mean() - pixels.mean()) < 6.0
    np.testing.assert_allclose(thumbnail(np.full((*shape, 3), 93, np.uint8)), 93.0)


def test_images_come_from_many_episodes_and_moments_in_their_own_colours(card, demos):
    paths = dataset_index(demos)
    images = small_images(paths, card.camera_names)
    assert {name: p.shape for name, p in images.items()} == dict.fromkeys(card.camera_names, (EPISODES * FRAMES, SIDE, SIDE, 3))
    first = Demonstration.load(paths[0])
    bgr = cv2.imdecode(np.frombuffer(first.images["front"][0], np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(images["front"][0], np.rint(thumbnail(bgr[..., ::-1])).astype(np.uint8))
    assert len(np.unique(images["front"].reshape(len(images["front"]), -1), axis=0)) > EPISODES
    assert small_images(paths, ["ceiling"]) == {}


def test_they_are_written_into_a_checkpoint_and_leave_the_rest_as_it_was(card, demos, tiny_checkpoint, tmp_path, capsys):
    path = tmp_path / "policy.safetensors"
    shutil.copy(tiny_checkpoint, path)
    before = read_checkpoint(path)
    assert before.embodiments[0].images == {}
    for _ in range(2):  # those of before are replaced
        assert cli_checkpoint.run(argparse.Namespace(checkpoint=str(path), images_from=[demos])) == 0
    shown, _ = json.JSONDecoder().raw_decode(capsys.readouterr().out)
    assert shown["embodiments"][0]["images"] == dict.fromkeys(card.camera_names, EPISODES * FRAMES)
    after = read_checkpoint(path)
    assert after.weights.keys() == before.weights.keys()
    assert all(torch.equal(after.weights[name], before.weights[name]) for name in before.weights)
    assert after.training == before.training and after.sha256 != before.sha256
    wanted = small_images(dataset_index(demos), card.camera_names)
    assert all(np.array_equal(after.embodiments[0].images[name], wanted[name]) for name in wanted)
    assert path.stat().st_mode & 0o044 == 0o044, "others may read it"


def test_demonstrations_that_do_not_fit_leave_the_file_alone(card, tiny_checkpoint, tmp_path, demos):
    path = tmp_path / "policy.safetensors"
    shutil.copy(tiny_checkpoint, path)
    before = path.read_bytes()
    with pytest.raises(DemonstrationError, match="nowhere"):
        cli_checkpoint.run(argparse.Namespace(checkpoint=str(path), images_from=[tmp_path / "nowhere"]))
    for source in sorted(demos.iterdir()):
        (tmp_path / "blind").mkdir(exist_ok=True)
        if source.suffix == ".npz":
            episode = Demonstration.load(source)
            episode.images = {"front": episode.images["front"]}
            episode.save(tmp_path / "blind" / source.name)
        elif source.is_file():
            shutil.copy(source, tmp_path / "blind")
    with pytest.raises(DatasetError, match="no images of camera wrist"):
        cli_checkpoint.run(argparse.Namespace(checkpoint=str(path), images_from=[tmp_path / "blind"]))
    assert path.read_bytes() == before
