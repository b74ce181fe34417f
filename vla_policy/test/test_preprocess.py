import numpy as np
import pytest

from vla_contract.camera_view import CameraView
from vla_contract.normalisation import Normaliser, Statistics
from vla_contract.observation import VLAObservation
from vla_policy.errors import PreprocessError
from vla_policy.native.preprocess import Preprocessor, model_image


def preprocessor() -> Preprocessor:
    stats = Statistics.from_data(("a", "b"), np.array([[0.0, 5.0], [2.0, 5.0]]))
    views = tuple(CameraView(name, 224, 224) for name in ("front", "wrist"))
    return Preprocessor(views, Normaliser(stats, "mean_std", min_scale=0.01), ("a", "b"))


def observation(images, state=(1.0, 5.0), names=("a", "b")) -> VLAObservation:
    return VLAObservation(0, images, dict.fromkeys(images, 0), np.array(state), names, 0, "do it")


def test_shrink_is_the_rounded_mean_of_each_block(make_image):
    image = make_image(3)
    blocks = image.reshape(112, 2, 112, 2, 3).astype(int).sum(axis=(1, 3))
    assert np.array_equal(model_image(CameraView("front", 224, 224), image), (blocks + 2) // 4)


def test_shrink_does_not_overflow_on_white():
    assert (model_image(CameraView("front", 224, 224), np.full((224, 224, 3), 255, np.uint8)) == 255).all()


def test_shrink_names_the_camera_and_the_size_that_is_allowed(make_image):
    with pytest.raises(PreprocessError, match=r"camera wrist.*\(480, 640, 3\).*\(224, 224, 3\)"):
        model_image(CameraView("wrist", 224, 224), np.zeros((480, 640, 3), np.uint8))


def test_state_is_scaled_and_a_constant_column_does_not_explode(make_image):
    given = preprocessor()(observation({"front": make_image(1), "wrist": make_image(2)}, (2.0, 5.001)))
    assert given.state.dtype == np.float32
    assert given.state == pytest.approx([1.0, 0.1], abs=1e-5)


def test_swapped_state_names_are_refused(make_image):
    images = {"front": make_image(1), "wrist": make_image(2)}
    with pytest.raises(PreprocessError, match="state names"):
        preprocessor()(observation(images, (5.0, 1.0), ("b", "a")))


def test_a_missing_camera_is_named(make_image):
    with pytest.raises(PreprocessError, match="wrist is missing"):
        preprocessor()(observation({"front": make_image(1)}))


def test_order_of_images_is_the_models(make_image):
    given = preprocessor()(observation({"wrist": make_image(2), "front": make_image(1)}))
    assert list(given.images) == ["front", "wrist"]
    assert np.array_equal(given.images["front"], model_image(CameraView("front", 224, 224), make_image(1)))
