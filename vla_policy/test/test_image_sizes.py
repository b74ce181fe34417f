"""Cameras of any size: the model learns from what it sees at run time, to the byte, cropped and resized as the card says."""

from itertools import product

import numpy as np
import pytest
from shipped_paths import CARD

from vla_contract.camera_view import CameraView, resized
from vla_contract.card import InterfaceCard, load_card, parse_card
from vla_contract.demonstration import DatasetInfo, Demonstration
from vla_contract.observation import VLAObservation
from vla_policy.describing import described, empty_observation
from vla_policy.errors import CheckpointError, DatasetError, PreprocessError
from vla_policy.native.preprocess import model_image, model_words
from vla_policy.opening import load_policy
from vla_policy.policy import NOTHING_ASKED, Decision
from vla_policy.training.config import TrainConfig
from vla_policy.training.demonstrations import DemonstrationReader
from vla_policy.training.frames import open_frames
from vla_policy.training.mixture import Source, open_mixture
from vla_policy.training.train import train

SQUARE = {"x": 184, "y": 0, "width": 480, "height": 480}
SEEN = {
    "640x480": (640, 480, {}),
    "848x480": (848, 480, {}),
    "848x480, a square of it": (848, 480, {"crop": SQUARE}),
    "848x480, letterbox": (848, 480, {"resize": {"width": 224, "height": 224}}),
    "848x480, a square, smaller": (848, 480, {"crop": SQUARE, "resize": {"width": 160, "height": 120, "aspect": "stretch"}}),
}


def card_of(width: int, height: int, seen: dict) -> InterfaceCard:
    """Both cameras of that size; what is seen is the front camera's alone."""
    content = load_card(CARD).to_dict()
    for camera in content["cameras"]:
        camera |= {"width": width, "height": height}
    content["cameras"][0] |= seen
    return parse_card(content)


def demonstrations(folder, card: InterfaceCard, episodes: int = 2, frames: int = 3) -> None:
    """Of images with details as fine as a pixel; a point in the middle of a quarter of each."""
    import cv2

    DatasetInfo(
        card_name=card.name, policy_hash=card.policy_hash, state_names=tuple(card.state.fields),
        action_space=card.action.space, action_names=tuple(card.action.names), camera_names=tuple(card.camera_names),
        horizon=card.action.horizon, step_period_ns=card.step_period_ns, command="made up", licence="Apache-2.0",
    ).save(folder)  # fmt: skip
    for number in range(episodes):
        random = np.random.default_rng(number)
        images = {c.name: [] for c in card.cameras}
        for camera, _ in product(card.cameras, range(frames)):
            shown = random.integers(0, 256, (camera.height, camera.width, 3), dtype=np.uint8)
            images[camera.name].append(cv2.imencode(".png", shown, [cv2.IMWRITE_PNG_COMPRESSION, 0])[1].tobytes())
        actions = random.normal(0, 0.01, (frames, card.action.horizon, card.action_dim))
        actions[..., 6] = actions[..., 6] > 0
        Demonstration(
            images=images, state=random.normal(size=(frames, card.state_dim)), actions=actions, mask=np.ones(frames, bool),
            instruction="pick up the red block", task="pick", seed=number, success=True, step_period_ns=card.step_period_ns,
            points=np.full((frames, 2, 2, 2), -0.5, np.float32),
        ).save(folder / f"pick_{number:05d}.npz")  # fmt: skip


def observation(card: InterfaceCard, seed: int) -> VLAObservation:
    random = np.random.default_rng(seed)
    given = empty_observation(card)
    images = {c.name: random.integers(0, 256, (c.height, c.width, 3), dtype=np.uint8) for c in card.cameras}
    return VLAObservation(1, images, dict.fromkeys(images, 1), given.state, given.state_names, 1, "pick up the red block")


@pytest.mark.parametrize("name", SEEN)
def test_frames_hold_what_the_policy_sees_at_run_time(name, tmp_path):
    card = card_of(*SEEN[name])
    demonstrations(tmp_path, card)
    reader = DemonstrationReader(tmp_path)
    frames = open_frames([(reader, 1.0)], card, processes=1, quiet=True)
    kept = frames.images(np.array([4]))
    shown = next(reader.read("pick_00001").images("front", [1]))
    assert kept["front"].shape == (1, 112, 112, 3) and shown.shape == (card.cameras[0].height, card.cameras[0].width, 3)
    view = CameraView.of(card.cameras[0])
    np.testing.assert_array_equal(kept["front"][0], model_image(view, shown))
    part = shown[:, 184:664] if "crop" in SEEN[name][2] else shown
    if "letterbox" in name:
        seen = resized(part, 224, 127)
        np.testing.assert_array_equal(kept["front"][0][24:87], resized(np.pad(seen, ((48, 49), (0, 0), (0, 0))), 112, 112)[24:87])
        assert not kept["front"][0][:24].any()
    elif "smaller" in name:
        np.testing.assert_array_equal(kept["front"][0], resized(resized(part, 160, 120), 112, 112))
    else:
        np.testing.assert_array_equal(kept["front"][0], resized(part, 112, 112))
    np.testing.assert_allclose(frames.columns(np.array([4]))["points"][0, 0, 0], view.points(np.array([-0.5, -0.5])), atol=1e-6)
    np.testing.assert_allclose(frames.columns(np.array([4]))["points"][0, 1, 0], [-0.5, -0.5])


@pytest.mark.parametrize("name", ["640x480", "848x480, a square, smaller"])
def test_a_policy_for_large_cameras_is_trained_saved_and_decides(name, tmp_path):
    card = card_of(*SEEN[name])
    demonstrations(tmp_path / "demos", card, episodes=3)
    mixture = open_mixture([Source(tmp_path / "demos")], [card], processes=1, quiet=True)
    config = TrainConfig(steps=1, batch=2, processes=1, model={"width": 32, "attention_heads": 2, "layers": 1, "channels": 8,
                                                               "bottleneck": 4, "queries": 2})  # fmt: skip
    out = tmp_path / "large.safetensors"
    train(mixture, config, tmp_path / "work", out, quiet=True)
    policy = load_policy(out, card)
    assert policy.warm_up() > 0
    one, same, other = (policy.infer(observation(card, seed), NOTHING_ASKED).actions for seed in (1, 1, 2))
    assert one.shape == (16, 7) and np.array_equal(one, same) and not np.array_equal(one, other)
    assert policy.sees.startswith(f"front {CameraView.of(card.cameras[0]).words()}, seen by the model as 112x112")
    with pytest.raises(CheckpointError, match=r"cameras\[0\]\.(crop(\.x)?|width): "):
        load_policy(out, card_of(848, 480, {"crop": SQUARE | {"x": 180}}))
    small = observation(load_card(CARD), 1)
    with pytest.raises(PreprocessError, match=rf"front: image is \(224, 224, 3\) uint8, the card has \(480, {SEEN[name][0]}, 3"):
        policy.infer(small, NOTHING_ASKED)


def test_what_is_outside_of_the_crop_changes_nothing(tmp_path):
    card = card_of(848, 480, {"crop": SQUARE})
    view, image = CameraView.of(card.cameras[0]), observation(card, 3).images["front"]
    other = image.copy()
    other[:, :184] ^= 255
    np.testing.assert_array_equal(model_image(view, image), model_image(view, other))
    other[:, 184:] ^= 255
    assert (model_image(view, image) != model_image(view, other)).mean() > 0.9


def test_demonstrations_of_another_size_are_refused_by_episode_camera_and_size(tmp_path):
    """Also those that somebody has cropped already."""
    card = card_of(848, 480, {"crop": SQUARE, "resize": {"width": 224, "height": 224}})
    demonstrations(tmp_path, load_card(CARD))
    info = DatasetInfo.load(tmp_path)
    DatasetInfo(**(vars(info) | {"policy_hash": card.policy_hash})).save(tmp_path)
    with pytest.raises(DatasetError, match=r"pick_00000, frame 0: camera front: image is \(224, 224, 3\).*\(480, 848, 3\)"):
        open_frames([(DemonstrationReader(tmp_path), 1.0)], card, processes=1, quiet=True)


def test_the_same_episode_under_another_crop_is_read_anew(tmp_path):
    first, second = (card_of(848, 480, {"crop": SQUARE | {"x": x}}) for x in (0, 300))
    demonstrations(tmp_path, first)
    before = open_frames([(DemonstrationReader(tmp_path), 1.0)], first, processes=1, quiet=True).images(np.arange(6))
    info = DatasetInfo.load(tmp_path)
    DatasetInfo(**(vars(info) | {"policy_hash": second.policy_hash})).save(tmp_path)
    after = open_frames([(DemonstrationReader(tmp_path), 1.0)], second, processes=1, quiet=True).images(np.arange(6))
    assert (before["front"] != after["front"]).any() and np.array_equal(before["wrist"], after["wrist"])


def test_policies_of_others_see_what_the_card_says(tmp_path):
    card = card_of(848, 480, {"crop": SQUARE, "resize": {"width": 64, "height": 64}})
    seen = []

    class Watching:
        def reset(self):
            pass

        def infer(self, observation, ask):
            seen.append(observation.images)
            return Decision(np.zeros((16, 7)))

    policy, given = described(Watching(), card, name="watching", spec=""), observation(card, 5)
    policy.infer(given, NOTHING_ASKED)
    np.testing.assert_array_equal(seen[-1]["front"], resized(given.images["front"][:, 184:664], 64, 64))
    assert seen[-1]["wrist"] is given.images["wrist"] and given.images["front"].shape == (480, 848, 3)
    policy.warm_up()
    assert seen[-1]["front"].shape == (64, 64, 3)
    with pytest.raises(PreprocessError, match="camera front: image is"):
        policy.infer(observation(load_card(CARD), 5), NOTHING_ASKED)


def test_what_the_model_makes_of_a_camera_is_said():
    assert model_words(CameraView("front", 640, 480)) == (
        "front 640x480, seen by the model as 112x112, its sides stretched to 0.175 and 0.233"
    )
    assert model_words(CameraView("front", 848, 480, (184, 0, 480, 480))) == (
        "front 848x480, cropped to 480x480 at 184,0, seen by the model as 112x112"
    )
