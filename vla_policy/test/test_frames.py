"""Frames on disk: what they hold, what they are refused for, and how little of them is in memory."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from shipped_paths import CARD
from synthetic import write_dataset

from vla_contract.camera_view import CameraView
from vla_contract.demonstration import DatasetInfo, Demonstration, dataset_index
from vla_policy.errors import DatasetError
from vla_policy.native.preprocess import model_image
from vla_policy.training import frame_cache
from vla_policy.training import frames as frames_module
from vla_policy.training.demonstrations import DemonstrationReader
from vla_policy.training.episode import Episode
from vla_policy.training.frame_cache import FOLDER, next_goals
from vla_policy.training.frames import Frames, open_frames, split_episodes


def opened(folder: Path, card, weight: float = 1.0, **options) -> Frames:
    return open_frames([(DemonstrationReader(folder), weight)], card, processes=1, quiet=True, **options)


@pytest.fixture(scope="module")
def folder(card, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("demos")
    write_dataset(path, card, episodes=6, frames=12)
    return path


@pytest.fixture(scope="module")
def frames(card, folder) -> Frames:
    return opened(folder, card)


def seen_at_run_time(path: Path, camera: str, frame: int) -> np.ndarray:
    import cv2

    bgr = cv2.imdecode(np.frombuffer(Demonstration.load(path).images[camera][frame], np.uint8), cv2.IMREAD_COLOR)
    return model_image(CameraView(camera, 224, 224), bgr[..., ::-1])


def test_frames_hold_what_the_model_sees_at_run_time_in_the_order_asked_for(folder, frames):
    paths = dataset_index(folder)
    rows = np.array([65, 3, 41, 40])
    images, columns = frames.images(rows), frames.columns(rows)
    for i, row in enumerate(rows):
        episode, frame = divmod(int(row), 12)
        assert np.array_equal(images["wrist"][i], seen_at_run_time(paths[episode], "wrist", frame))
        demonstration = Demonstration.load(paths[episode], with_images=False)
        assert np.array_equal(columns["state"][i], demonstration.state[frame])
        assert np.array_equal(columns["actions"][i], demonstration.actions[frame])
        assert np.isnan(columns["points"][i]).all(), "nobody knows"
    assert frames.episode_of(rows).tolist() == [5, 0, 3, 3]


def test_failed_and_masked_frames_are_left_out(card, folder, tmp_path):
    DatasetInfo.load(folder).save(tmp_path)
    for i, path in enumerate(dataset_index(folder)[:4]):
        episode = Demonstration.load(path)
        episode.success = i > 0
        episode.mask[: i + 1] = False
        episode.save(tmp_path / path.name)
    few = opened(tmp_path, card, 0.5)
    assert np.diff(few.first).tolist() == [10, 9, 8] and (few.weight == 0.5).all()
    second = dataset_index(folder)[1]
    assert np.array_equal(few.images(np.array([0]))["front"][0], seen_at_run_time(second, "front", 2))
    assert np.diff(opened(tmp_path, card, only_successes=False).first).tolist() == [11, 10, 9, 8]


def test_a_dataset_of_another_card_is_refused_by_field(card, folder, tmp_path):
    info = DatasetInfo.load(folder)
    for key, value in (("action_space", "EE_POSE"), ("step_period_ns", 5), ("policy_hash", "0" * 16)):
        DatasetInfo(**(vars(info) | {key: value})).save(tmp_path)
        with pytest.raises(DatasetError, match=f"{key} is {value}, card panda_tabletop has"):
            opened(tmp_path, card)
    info.save(tmp_path)
    with pytest.raises(DatasetError, match="no successful demonstration"):
        opened(tmp_path, card)


def test_an_episode_that_cannot_be_used_is_named(card, folder, tmp_path):
    DatasetInfo.load(folder).save(tmp_path)
    episode = Demonstration.load(dataset_index(folder)[0])
    episode.state[3, 0] = np.nan
    episode.save(tmp_path / "lame.npz")
    with pytest.raises(DatasetError, match="lame: state holds values that are not finite"):
        opened(tmp_path, card)
    episode.state[3, 0], episode.actions[5, 2, 1] = 0.0, np.inf
    episode.save(tmp_path / "lame.npz")
    with pytest.raises(DatasetError, match="lame: actions holds values that are not finite"):
        opened(tmp_path, card)
    episode.mask[5] = False
    episode.save(tmp_path / "lame.npz")
    assert len(opened(tmp_path, card)) == 11, "frames that are left out may hold anything"
    episode.images = {"front": episode.images["front"]}
    episode.save(tmp_path / "lame.npz")
    with pytest.raises(DatasetError, match="lame: no camera wrist, it has front"):
        opened(tmp_path, card)


def test_an_episode_of_other_sizes_or_of_another_number_of_frames_than_is_kept_is_named(card, folder, tmp_path):
    DatasetInfo.load(folder).save(tmp_path)
    whole = Demonstration.load(dataset_index(folder)[0])
    for change, words in (
        ({"actions": whole.actions[:, :9]}, r"lame: actions are \(9, 7\) a frame, card panda_tabletop has \(16, 7\)"),
        ({"state": whole.state[:, :5]}, "lame: 5 state fields, card panda_tabletop has 8"),
    ):
        Demonstration(**vars(whole) | change).save(tmp_path / "lame.npz")
        with pytest.raises(DatasetError, match=words):
            opened(tmp_path, card)
    whole.save(tmp_path / "lame.npz")
    frames = opened(tmp_path, card)
    with pytest.raises(DatasetError, match="1 episode, at least 2 are needed"):
        split_episodes(frames, 0.2, seed=0)
    columns = Path(f"{frames.kept[0].stem}.columns.npy")
    np.save(columns, np.load(columns)[:7])
    images = Path(f"{frames.kept[0].stem}.images.npy")
    np.save(images, np.load(images)[:7])
    frame_cache._mapped.cache_clear()
    with pytest.raises(DatasetError, match=f"lame has 12 frames, its kept form another number: remove {FOLDER}"):
        opened(tmp_path, card)


def test_a_replaced_episode_does_not_train_with_its_old_images(card, folder, tmp_path):
    """Also where the new file is as old as the one before it, as after unpacking an archive."""
    DatasetInfo.load(folder).save(tmp_path)
    first, second = (path.read_bytes() for path in dataset_index(folder)[:2])
    episode = tmp_path / "pick.npz"
    episode.write_bytes(first)
    os.utime(episode, (1e9, 1e9))
    before = opened(tmp_path, card).images(np.arange(12))["front"]
    unchanged = {path: path.stat().st_mtime_ns for path in (tmp_path / FOLDER / "pick").iterdir()}
    opened(tmp_path, card)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / FOLDER / "pick").iterdir()} == unchanged, "decoded once"
    episode.write_bytes(second)
    os.utime(episode, (1e9, 1e9))
    after = opened(tmp_path, card)
    assert np.array_equal(after.images(np.array([4]))["front"][0], seen_at_run_time(episode, "front", 4))
    assert not np.array_equal(after.images(np.arange(12))["front"], before)
    assert np.array_equal(after.columns(np.arange(12))["state"], Demonstration.load(episode).state)
    assert len(list((tmp_path / FOLDER / "pick").iterdir())) == len(unchanged), "the old ones take no room"


HOLD = """
import sys
import numpy as np
from pathlib import Path
from vla_contract.card import load_card
from vla_policy.training.mixture import Mixture, Source
from vla_policy.training.frames import open_frames
card = load_card(sys.argv[1])
def anonymous():
    status = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return int(status["RssAnon"].split()[0])
before, most, seen = anonymous(), 0, set()
frames = open_frames([(Source(Path(sys.argv[2])).reader(), 1.0)], card, processes=1, quiet=True)
most = anonymous()
mixture = Mixture.of([frames], 0.04, 0)
draws = mixture.draw(8, 0)
while len(seen) < len(mixture.parts[0].learn) - 8:
    draw = next(draws)
    images = frames.images(draw.rows)
    seen |= set(draw.rows.tolist())
    most = max(most, anonymous())
print(most - before, 2 * len(seen) * 112 * 112 * 3 // 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux to say what a process holds")
def test_memory_does_not_grow_with_the_data(card, tmp_path):
    held, images = {}, {}
    for episodes in (20, 80):
        write_dataset(tmp_path / str(episodes), card, episodes=2, frames=20)
        first = tmp_path / str(episodes) / "pick_00000.npz"
        for i in range(2, episodes):
            (tmp_path / str(episodes) / f"pick_{i:05d}.npz").write_bytes(first.read_bytes())
        program = [sys.executable, "-c", HOLD, str(CARD), str(tmp_path / str(episodes))]
        done = subprocess.run(program, capture_output=True, text=True, timeout=110)
        assert done.returncode == 0, done.stderr
        held[episodes], images[episodes] = map(int, done.stdout.split())
    assert images[80] - images[20] > 60_000, "kB of images more"
    assert held[80] - held[20] < 8_000, "kB held more"


def test_statistics_are_of_all_frames_or_of_so_many(frames, monkeypatch):
    rows = np.arange(len(frames))
    state, actions = frames.sample(rows)
    assert len(state) == len(actions) == 72 and np.array_equal(state, frames.columns(rows)["state"])
    monkeypatch.setattr(frames_module, "STATISTICS_FRAMES", 20)
    few, _ = frames.sample(rows)
    assert np.array_equal(few, state[::4]), "evenly chosen, at most 20"


def test_no_episode_is_in_both_parts(frames):
    learn, held = split_episodes(frames, 0.2, seed=0)
    assert len(learn) + len(held) == len(frames) and len(held) == 12
    assert not set(frames.episode_of(learn)) & set(frames.episode_of(held))
    assert np.array_equal(split_episodes(frames, 0.2, seed=0)[1], held)


def test_the_next_goal_is_where_the_gripper_next_acts():
    gripper = np.array([1, 1, 1, 0, 0, 1, 1], dtype=np.float32)
    actions = np.zeros((7, 2, 3), np.float32)
    actions[:, :, 2] = gripper[:, None]
    state = np.arange(7, dtype=np.float32)[:, None]
    episode = Episode(state, actions, np.ones(7, bool), "pick", True, (), None)
    assert next_goals(episode, (2,))[:, 0].tolist() == [3, 3, 3, 5, 5, 6, 6]


def test_data_on_a_read_only_disk_is_trained_on_from_the_users_cache(card, tmp_path, monkeypatch):
    data, cache = tmp_path / "data", tmp_path / "cache"
    write_dataset(data, card, episodes=2, frames=5)
    there = frame_cache.own_folder

    def read_only(folder, name):
        if Path(folder) == data:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(Path(folder) / name))
        return there(folder, name)

    monkeypatch.setattr(frame_cache, "own_folder", read_only)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    images = opened(data, card).images(np.arange(10))["front"]
    assert not (data / FOLDER).exists() and len(list(cache.rglob("*.images.npy"))) == 2
    monkeypatch.setenv("XDG_CACHE_HOME", str(dataset_index(data)[0] / "below a file"))
    with pytest.raises(DatasetError, match=f"{data}: cannot be written to, nor can .*set XDG_CACHE_HOME"):
        opened(data, card)
    monkeypatch.setattr(frame_cache, "own_folder", there)
    assert np.array_equal(opened(data, card).images(np.arange(10))["front"], images)
    monkeypatch.setattr(frame_cache, "own_folder", read_only)
    assert np.array_equal(opened(data, card).images(np.arange(10))["front"], images), "what is kept beside the data is read"
