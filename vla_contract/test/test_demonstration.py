"""Demonstrations on disk: what goes in comes out, whole or not at all."""

import os

import numpy as np
import pytest

from vla_contract.demonstration import DatasetInfo, Demonstration, DemonstrationError, dataset_index
from vla_contract.files.arrays import open_npz


def make(frames: int = 3, **changes) -> Demonstration:
    rng = np.random.default_rng(1)
    fields = dict(
        images={
            "front": [rng.bytes(int(n)) for n in rng.integers(0, 50, frames)],
            "wrist/left": [rng.bytes(7) for _ in range(frames)],
        },
        state=rng.normal(size=(frames, 4)), actions=rng.normal(size=(frames, 5, 2)), mask=np.arange(frames) % 2 == 0,
        instruction="pick up the “red” block", task="pick", seed=1000, success=True, step_period_ns=100_000_000,
        meta={"noise": 0.5, "ids": [1, 2]},
    )  # fmt: skip
    return Demonstration(**{**fields, **changes})


def test_round_trip(tmp_path):
    episode = make()
    back = Demonstration.load(episode.save(tmp_path / "new" / "0001.npz"))
    assert back.images == episode.images
    for name in ("state", "actions", "mask"):
        np.testing.assert_array_equal(getattr(back, name), getattr(episode, name))
    assert back.state.dtype == back.actions.dtype == np.float32 and back.mask.dtype == bool
    for name in ("instruction", "task", "seed", "success", "step_period_ns", "meta"):
        assert getattr(back, name) == getattr(episode, name)
    assert len(back) == 3


def test_a_small_file_may_unpack_to_many_times_its_size(tmp_path):
    depth = np.full((200, 300), 7, np.int16)
    np.savez_compressed(tmp_path / "a.npz", depth=depth, scale=np.float64(0.001))
    assert 20 * (tmp_path / "a.npz").stat().st_size < depth.nbytes
    with open_npz(tmp_path / "a.npz", 10_000) as arrays:
        assert set(arrays.names) == {"depth", "scale"}
        np.testing.assert_array_equal(arrays.read("depth"), depth)
        assert arrays.read("scale").shape == () and arrays.read("scale") == 0.001


def test_an_episode_without_frames_is_kept_too(tmp_path):
    back = Demonstration.load(make(0).save(tmp_path / "empty.npz"))
    assert len(back) == 0 and back.images == {"front": [], "wrist/left": []} and back.actions.shape == (0, 5, 2)


def test_reading_without_images(tmp_path):
    back = Demonstration.load(make().save(tmp_path / "a.npz"), with_images=False)
    assert back.images == {} and back.state.shape == (3, 4)


def test_saving_that_fails_leaves_the_old_file_and_no_part_of_the_new(tmp_path, monkeypatch):
    path = make().save(tmp_path / "a.npz")
    before = path.read_bytes()

    def full_disk(file, **arrays):
        file.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(OSError, match="no space left"):
        make(instruction="another").save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.npz"]


def test_the_file_appears_only_when_it_is_whole(tmp_path, monkeypatch):
    seen = []
    replace = os.replace

    def watch(source, target):
        seen.append((os.listdir(tmp_path), [p.name for p in dataset_index(tmp_path)]))
        replace(source, target)

    monkeypatch.setattr(os, "replace", watch)
    make().save(tmp_path / "a.npz")
    ((files, index),) = seen
    assert len(files) == 1 and index == []
    assert [p.name for p in dataset_index(tmp_path)] == ["a.npz"]


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(images={"front": [b""]}), "images.front: 1 frames, the state has 3"),
        (dict(actions=np.zeros((2, 5, 2))), r"actions: shape \(2, 5, 2\), allowed is \(3, horizon, columns\)"),
        (dict(actions=np.zeros((3, 2))), r"actions: shape \(3, 2\)"),
        (dict(mask=np.ones(2)), r"mask: shape \(2,\), allowed is \(3,\)"),
        (dict(state=np.zeros(3)), r"state: shape \(3,\), allowed is \(frames, fields\)"),
    ],
)
def test_parts_that_do_not_fit_are_named(changes, message):
    with pytest.raises(DemonstrationError, match=message):
        make(**changes)


def test_an_episode_has_at_most_twenty_thousand_frames():
    def of(frames: int) -> Demonstration:
        return make(
            images={}, state=np.zeros((frames, 1)), actions=np.zeros((frames, 1, 1)), mask=np.zeros(frames, bool),
        )  # fmt: skip

    assert len(of(20_000)) == 20_000
    with pytest.raises(DemonstrationError, match="^state: 20001 frames, at most 20000 are allowed in an episode$"):
        of(20_001)


def test_files_that_are_no_demonstration_are_named(tmp_path):
    with pytest.raises(DemonstrationError, match=r"gone\.npz: no such file"):
        Demonstration.load(tmp_path / "gone.npz")
    (tmp_path / "text.npz").write_text("hello")
    np.savez(tmp_path / "other.npz", state=np.zeros((1, 1)))
    np.savez(tmp_path / "pickled.npz", header=np.array([{}], dtype=object))
    whole = make().save(tmp_path / "whole.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    for name in ("text", "other", "pickled", "cut"):
        with pytest.raises(DemonstrationError, match=rf"{name}\.npz: not a demonstration"):
            Demonstration.load(tmp_path / f"{name}.npz")
    with pytest.raises(DemonstrationError, match="the name of a demonstration ends"):
        make().save(tmp_path / "a.zip")


def info() -> DatasetInfo:
    return DatasetInfo(
        card_name="cell", policy_hash="ab", state_names=("j1.position",), action_space="EE_DELTA", action_names=("arm.x",),
        camera_names=("front",), horizon=16, step_period_ns=100, command="vla demos", licence="Apache-2.0", meta={"n": 1},
    )  # fmt: skip


def test_what_holds_for_a_whole_data_set(tmp_path):
    info().save(tmp_path / "pick")
    make().save(tmp_path / "pick" / "b.npz")
    make().save(tmp_path / "pick" / "a.npz")
    assert DatasetInfo.load(tmp_path / "pick") == info()
    assert [path.name for path in dataset_index(tmp_path / "pick")] == ["a.npz", "b.npz"]


def test_a_data_set_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DemonstrationError, match=r"dataset\.json: no such file"):
        DatasetInfo.load(tmp_path)
    (tmp_path / "dataset.json").write_text('{"state_names": []}')
    with pytest.raises(DemonstrationError, match=r"dataset\.json: not the description of a data set"):
        DatasetInfo.load(tmp_path)
    with pytest.raises(DemonstrationError, match="nowhere: no such folder"):
        dataset_index(tmp_path / "nowhere")


def test_points_are_kept_and_their_shape_is_checked(tmp_path):
    points = np.random.default_rng(0).normal(size=(3, 2, 2, 2))
    points[1] = np.nan
    back = Demonstration.load(make(points=points).save(tmp_path / "a.npz"))
    np.testing.assert_array_equal(back.points, points.astype(np.float32))
    assert Demonstration.load(make().save(tmp_path / "b.npz")).points is None
    with pytest.raises(DemonstrationError, match=r"points: shape \(2, 2, 2, 2\), allowed is \(3, cameras, 2, 2\)"):
        make(points=points[:2])
