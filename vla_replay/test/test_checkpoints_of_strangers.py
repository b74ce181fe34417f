"""A checkpoint that says nothing, or too much, is refused alike by those who read it whole and those who read its metadata."""

import json
import struct

import numpy as np
import pytest
from safetensors.numpy import save_file

from vla_bench.hostile.case import endless, fifo, hole
from vla_bench.hostile.checkpoints import checkpoints, good_metadata, tensors
from vla_bringup.cli import main
from vla_policy.checkpoint import read_checkpoint
from vla_policy.errors import CheckpointError
from vla_policy.native.config import ModelConfig
from vla_replay.preflight.finding import PreflightError
from vla_replay.preflight.known import read_images, read_metadata


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("a contract of null", "contract is null, a mapping is needed"),
        ("a contract of null, newer", "embodiments[0].contract is null, a mapping is needed"),
        ("a contract of a list", "embodiments[0].contract is a list, a mapping is needed"),
        ("statistics of null", "state_normaliser is null, a mapping is needed"),
        ("a codec of null", "embodiments[0].codec is null, a mapping is needed"),
        ("a codec of a number", "embodiments[0].codec.name is a number, text is needed"),
        ("a horizon in words", "embodiments[0].horizon is text, a whole number is needed"),
    ],
)
def test_both_refuse_it_in_the_same_words(tmp_path, monkeypatch, capsys, what, words):
    checkpoints()[what](tmp_path)
    path = tmp_path / "c.safetensors"
    with pytest.raises(CheckpointError) as whole:
        read_checkpoint(path)
    with pytest.raises(PreflightError) as metadata:
        read_metadata(path)
    assert words in str(whole.value) and words in str(metadata.value)
    monkeypatch.chdir(tmp_path)
    for argv in (["checkpoint", "c.safetensors"], ["card", "check", "panda_tabletop", "--checkpoint", "c.safetensors"]):
        assert main(argv) == 2
        assert words in capsys.readouterr().err


@pytest.mark.parametrize(("make", "words"), [(fifo, "a named pipe"), (endless, "a device"), (hole, "a hole|at most")])
def test_what_is_no_file_is_no_checkpoint(tmp_path, make, words):
    path = tmp_path / "c.safetensors"
    make(path)
    with pytest.raises(CheckpointError, match=f"c.safetensors: not a safetensors file .*({words})"):
        read_checkpoint(path)
    for read in (read_metadata, read_images):
        with pytest.raises(PreflightError, match=f"c.safetensors: not a checkpoint .*({words})"):
            read(path)


def test_a_header_is_no_larger_than_any_of_ours(tmp_path):
    path = tmp_path / "c.safetensors"
    path.write_bytes(struct.pack("<Q", 40 << 20) + b" " * (40 << 20))
    with pytest.raises(CheckpointError, match="a header of 40 MiB, at most 32 MiB are read"):
        read_checkpoint(path)


def test_images_are_looked_at_before_they_are_read(tmp_path):
    path, hash_ = tmp_path / "c.safetensors", good_metadata()["policy_hash"]
    for array in (
        np.zeros((1, 9, 9, 3), np.uint8),
        np.zeros((2, 32, 32, 3), np.float32),
        np.zeros((5000, 32, 32, 3), np.uint8),
    ):
        save_file({"pictures.front": array}, path, good_metadata())
        with pytest.raises(PreflightError, match="images of front are .* allowed is .1 to 4096, 32, 32, 3. U8"):
            read_images(path, hash_)
    save_file({"pictures.front": np.full((3, 32, 32, 3), 7, np.uint8)}, path, good_metadata())
    assert read_images(path, hash_)["front"].shape == (3, 32, 32, 3)


def test_a_model_is_no_larger_than_what_is_stored_of_it(tmp_path):
    path = tmp_path / "c.safetensors"
    sizes = json.loads(good_metadata()["model"])
    for change, words in (
        ({"width": 900_000, "layers": 900_000}, "weights, and 0 are stored"),
        ({"width": "wide"}, "width is 'wide', allowed are numbers"),
        ({"horizon": 10**9}, "horizon is '1000000000'"),
        ({"layers": True}, "layers is 'True'"),
    ):
        tensors(path, {**good_metadata(), "model": json.dumps({**sizes, **change})})
        with pytest.raises(CheckpointError, match=f"model configuration: .*{words}"):
            read_checkpoint(path)
    ModelConfig.from_dict(sizes).check_size(2_000_000)
