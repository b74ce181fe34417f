"""What a policy sees of a camera: the part that the card says, at the size that it says, the same on every machine."""

from fractions import Fraction

import numpy as np
import pytest

from vla_contract.camera_view import CameraView, resized
from vla_contract.card import CardError, parse_card
from vla_contract.card_hash import contract_differences
from vla_contract.image_encodings import ImageError


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def means(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Of the areas, in fractions, rounded half up; slow and without a short cut."""
    rows, columns = image.shape[:2]

    def shares(length: int, count: int) -> list[list[Fraction]]:
        edge = Fraction(length, count)
        return [[max(Fraction(0), min(k + 1, (i + 1) * edge) - max(k, i * edge)) for k in range(length)] for i in range(count)]

    down, across = shares(rows, height), shares(columns, width)
    out = np.empty((height, width, 3), np.uint8)
    for i, j, c in np.ndindex(out.shape):
        total = sum(a * b * int(image[y, x, c]) for y, a in enumerate(down[i]) if a for x, b in enumerate(across[j]) if b)
        out[i, j, c] = int(total / (sum(down[i]) * sum(across[j])) + Fraction(1, 2))
    return out


@pytest.mark.parametrize(
    ("rows", "columns", "height", "width"), [
        (7, 9, 3, 4), (5, 5, 8, 3), (12, 10, 6, 5), (4, 3, 9, 10), (6, 4, 3, 4), (9, 8, 3, 4),
        (6, 12, 3, 4), (6, 8, 3, 4), (3, 8, 3, 4),
    ],
)
def test_each_pixel_is_the_rounded_mean_of_its_area(rows, columns, height, width):
    image = noise(rows, columns)
    np.testing.assert_array_equal(resized(image, width, height), means(image, width, height))


@pytest.mark.parametrize("size", [(640, 480), (848, 480), (1920, 1080), (8192, 8), (97, 61)])
def test_white_stays_white_and_nothing_overflows(size):
    white = np.full((size[1], size[0], 3), 255, np.uint8)
    assert (resized(white, 112, 112) == 255).all() and (resized(white, 8, 8) == 255).all()


def test_a_view_crops_then_resizes_and_keeps_the_proportions():
    image = noise(480, 848)
    assert CameraView("c", 848, 480)(image) is image and CameraView("c", 848, 480).size == (848, 480)
    part = CameraView("c", 848, 480, (184, 0, 480, 480))
    np.testing.assert_array_equal(part(image), image[:, 184:664])
    whole = CameraView("c", 848, 480, (184, 0, 480, 480), (240, 240))
    np.testing.assert_array_equal(whole(image), resized(image[:, 184:664], 240, 240))
    letterbox = CameraView("c", 848, 480, None, (224, 224))
    seen = letterbox(image)
    assert seen.shape == (224, 224, 3) and not seen[:48].any() and not seen[175:].any()
    np.testing.assert_array_equal(seen[48:175], resized(image, 224, 127))
    np.testing.assert_array_equal(CameraView("c", 848, 480, None, (224, 224), False)(image), resized(image, 224, 224))
    assert letterbox.words() == "848x480, resized to 224x224 (224x127 and black beside it)"
    assert whole.words() == "848x480, cropped to 480x480 at 184,0, resized to 240x240"


def test_an_upright_image_gets_its_black_at_the_sides():
    image = noise(40, 20) | 1
    seen = CameraView("c", 20, 40, None, (24, 24))(image)
    np.testing.assert_array_equal(seen[:, 6:18], resized(image, 12, 24))
    assert not seen[:, :6].any() and not seen[:, 18:].any()


def test_a_part_has_a_size_of_its_own():
    view = CameraView("c", 848, 480, (184, 30, 400, 360))
    assert view.size == (400, 360) and view(noise(480, 848)).shape == (360, 400, 3)


@pytest.mark.parametrize(
    ("given", "view", "inside"),
    [
        ((60, 30), (40, 29), (0, 4, 40, 20)),  # width, height; left, upper, width, height
        ((20, 40), (37, 24), (12, 0, 12, 24)),
        ((60, 30), (24, 51), (0, 19, 24, 12)),
        ((20, 40), (30, 16), (11, 0, 8, 16)),
    ],
)
def test_black_fills_a_view_of_any_proportions(given, view, inside):
    image = noise(given[1], given[0]) | 1
    seen = CameraView("c", *given, None, view)(image)
    left, upper, width, height = inside
    expected = np.zeros((view[1], view[0], 3), np.uint8)
    expected[upper : upper + height, left : left + width] = resized(image, width, height)
    np.testing.assert_array_equal(seen, expected)


def test_points_go_where_their_pixels_go():
    view = CameraView("c", 64, 48, (10, 4, 40, 40), (80, 100))
    image = np.zeros((48, 64, 3), np.uint8)
    image[20:22, 30:32] = 255
    seen = view(image)[..., 0].astype(float)
    y, x = (np.indices(seen.shape) * seen).sum(axis=(1, 2)) / seen.sum() + 0.5
    point = np.array([[31 / 64 * 2 - 1, 21 / 48 * 2 - 1]], np.float32)
    np.testing.assert_allclose(view.points(point), [[x / 80 * 2 - 1, y / 100 * 2 - 1]], atol=1e-4)
    outside = np.array([[-0.9, 0.0], [0.0, 0.99], [np.nan, 0.0]], np.float32)
    assert np.isnan(view.points(outside)).all() and view.points(outside).dtype == np.float32
    assert CameraView("c", 64, 48).points(outside) is outside


def test_an_image_of_another_size_is_not_seen():
    view = CameraView("wrist", 848, 480, (184, 0, 480, 480), (224, 224))
    with pytest.raises(ImageError, match=r"camera wrist: image is \(224, 224, 3\) uint8, .* \(480, 848, 3\).*before crop"):
        view(noise(224, 224))


CROP = {"x": 32, "y": 0, "width": 160, "height": 160}
RESIZE = {"width": 96, "height": 80}


def test_a_camera_says_what_is_seen_of_it_and_the_model_depends_on_it(card_text, changed):
    plain = parse_card(card_text)
    cropped = parse_card(changed("cameras", 0, "crop", CROP))
    both = parse_card(changed("cameras", [{**cropped.to_dict()["cameras"][0], "resize": RESIZE}]))
    hashes = {card.policy_hash for card in (plain, cropped, both)} | {card.card_hash for card in (plain, cropped, both)}
    assert len(hashes) == 6
    assert "crop" not in plain.to_dict()["cameras"][0] and "crop" not in plain.policy_contract()["cameras"][0]
    assert parse_card(both.to_dict()).card_hash == both.card_hash
    assert parse_card(changed("cameras", 0, "crop", None)).card_hash == plain.card_hash
    view = CameraView.of(both.cameras[0])
    assert view == CameraView("front", 224, 160, (32, 0, 160, 160), (96, 80)) and view.size == (96, 80)
    assert CameraView.of_contract(both.policy_contract()["cameras"][0]) == view
    stretched = parse_card(changed("cameras", 0, "resize", RESIZE | {"aspect": "stretch"}))
    assert not CameraView.of_contract(stretched.policy_contract()["cameras"][0]).keeps_aspect
    (line,) = contract_differences(plain.policy_contract(), cropped.policy_contract())
    assert line.startswith("cameras[0].crop: nothing, the card has {")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("crop", CROP | {"x": 65}), "cameras[0].crop.width: 160 pixels from x 65 end at 225, the image at 224"),
        (("crop", CROP | {"y": -1}), "cameras[0].crop.y: -1, allowed are 0 and above"),
        (("crop", CROP | {"height": 4}), "cameras[0].crop.height: 4, allowed are 8 and more pixels"),
        (("crop", [0, 0, 9, 9]), "cameras[0].crop: a list of 4, must be a mapping"),
        (("crop", {"x": 0, "y": 0, "width": 9}), "cameras[0].crop.height: missing"),
        (("resize", RESIZE | {"width": 9000}), "cameras[0].resize.width: 9000, allowed are 8 to 8192 pixels"),
        (("resize", RESIZE | {"aspect": "crop"}), "cameras[0].resize.aspect: 'crop', allowed: 'keep', 'stretch'"),
        (("encoding", "16UC1"), "cameras[0].depth: missing; 16UC1 is depth [mm], and needs the distances"),
        (("depth", {"near": 0.2, "far": 1.0}), "cameras[0].depth: rgb8 is no depth"),
        (("encoding", "rgb16"), "cameras[0].encoding: 'rgb16', allowed: 'rgb8', 'bgr8'"),
    ],
)
def test_what_cannot_be_seen_is_told(changed, change, words):
    with pytest.raises(CardError) as error:
        parse_card(changed("cameras", 0, *change))
    assert words in str(error.value)


def test_depth_is_checked_and_part_of_what_a_model_depends_on(changed):
    def card(near, far):
        content = changed("cameras", 0, "encoding", "16UC1")
        content["cameras"][0]["depth"] = {"near": near, "far": far}
        return parse_card(content)

    assert card(0.2, 1.5).policy_hash != card(0.2, 2.0).policy_hash
    assert card(0.2, 1.5).cameras[0].depth_range.far == 1.5
    assert card(0.0, 65.535).cameras[0].depth_range.near == 0.0, "all that 16 bits of millimetres hold"
    for near, far in ((1.0, 0.5), (1.25, 1.25), (-0.1, 1.0), (0.2, 200.0), (0.3, 65.536)):
        with pytest.raises(CardError) as error:
            card(near, far)
        words = f"cameras[0].depth: near {near:g}, far {far:g} m; allowed are 0 to 65.535, near below far"
        assert str(error.value).endswith(words)
    odd = changed("cameras", 0, "width", 225)
    odd["cameras"][0]["encoding"] = "yuyv"
    with pytest.raises(CardError, match="cameras\\[0\\].width: 225, yuyv has its pixels in pairs"):
        parse_card(odd)
