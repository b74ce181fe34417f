"""What is in a stream of images is told as it is: to a draft of a card, to the preflight, and to a replay."""

import numpy as np
import pytest
from preflight_samples import card_with_small_images, made_up, sample_of

pytest.importorskip("sensor_msgs.msg._image", reason="ROS 2 is not there")

from vla_contract.card import parse_card
from vla_contract.image_encodings import ENCODINGS
from vla_contract.ros.images import array_to_image, camera_message
from vla_contract.ros.streams import read_frame
from vla_replay.preflight.draft import Draft, DraftArm, as_yaml
from vla_replay.preflight.events import ImageEvent
from vla_replay.preflight.from_ros import EventMaker
from vla_replay.preflight.known import Known
from vla_replay.preflight.preflight import preflight
from vla_replay.preflight.topics import COMPRESSED, IMAGE
from vla_replay.ros.draft_graph import _camera, _keeper, _unusable

SIDE = 64
ALL_BUT_DEPTH = [encoding for encoding in ENCODINGS if encoding != "16UC1"]


def card_of(encoding: str, compressed: bool = False, **more):
    content = card_with_small_images(SIDE).to_dict()
    content["cameras"][0] |= {"encoding": encoding, "compressed": compressed, **more}
    return parse_card(content)


def pixels(number: int) -> np.ndarray:
    image = np.full((SIDE, SIDE, 3), (200, 100, 30), np.uint8)
    image[number % 32 : number % 32 + 16, 10:40] = (240, 160, 60)
    return image


def shots_of(card, count: int = 3) -> list:
    """What the draft keeps of messages of the card's first camera."""
    shots, camera = [], card.cameras[0]
    keep = _keeper(shots, COMPRESSED if camera.compressed else IMAGE)
    for number in range(count):
        keep(camera_message(camera, pixels(number), 1_000_000_000 + number * 50_000_000))
    return shots


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("encoding", ALL_BUT_DEPTH)
def test_a_draft_has_the_encoding_of_the_stream_and_its_card_reads_it(encoding, compressed):
    given = card_of(encoding, compressed)
    shots, kind = shots_of(given), COMPRESSED if compressed else IMAGE
    assert _unusable(shots) == ""
    drafted = _camera("eye/image_raw/compressed" if compressed else "eye/image_raw", kind, shots)
    arm = DraftArm("arm", ["j1"], gripper=None)
    card = parse_card(as_yaml(Draft("cell", "a test", [arm], [drafted], "joint_states", ["j1.position"])))
    camera = card.cameras[0]
    assert (camera.encoding, camera.compressed, camera.width, camera.topic) == (encoding, compressed, SIDE, "eye/image_raw")
    assert camera.rate == 20.0
    frame = read_frame(camera, camera_message(given.cameras[0], pixels(5), 7))
    assert frame.pixels is not None and frame.pixels.shape == (SIDE, SIDE, 3)


@pytest.mark.parametrize(
    ("make", "encoding"), [(lambda grey: grey, "mono8"), (lambda grey: np.stack([grey, 255 - grey, grey // 2], axis=2), "rgb8")]
)
def test_a_draft_of_a_stream_without_words_looks_into_the_file(make, encoding):
    cv2 = pytest.importorskip("cv2")
    message = camera_message(card_of("rgb8", True).cameras[0], pixels(0), 1)
    message.format, message.data = "jpeg", cv2.imencode(".jpg", make(pixels(0)[..., 0]))[1].tobytes()
    shots: list = []
    _keeper(shots, COMPRESSED)(message)
    assert _unusable(shots) == "" and _camera("eye/compressed", COMPRESSED, shots).encoding == encoding


def test_what_no_card_can_have_is_left_out_with_the_reason():
    depth = shots_of(card_of("16UC1", depth={"near": 0.1, "far": 1.0}))
    assert _unusable(depth).startswith("encoding '16UC1' is depth: add it by hand, with distances to show (depth: {near")
    mixed = [*shots_of(card_of("rgb8"), 2), *shots_of(card_of("mono8"), 1)]
    assert _unusable(mixed) == "images of several kinds come on it: mono8 64x64, rgb8 64x64; a camera has one"
    shots: list = []
    strange = array_to_image(pixels(0), 1, "eye")
    strange.encoding = "nv21"
    _keeper(shots, IMAGE)(strange)
    assert _unusable(shots).startswith("encoding 'nv21', allowed are rgb8")
    video = camera_message(card_of("rgb8", True).cameras[0], pixels(0), 1)
    video.format = "h264"
    _keeper(shots, COMPRESSED)(video)
    assert _unusable(shots).startswith("format 'h264', allowed are jpeg, png")


def findings(card, messages) -> list[tuple[str, str, str, str]]:
    maker, camera = EventMaker(card), card.cameras[0]
    kind = COMPRESSED if camera.compressed else IMAGE
    others = [event for event in made_up(card) if not (isinstance(event, ImageEvent) and event.topic == camera.topic)]
    stamps = [event.receive_ns for event in others if isinstance(event, ImageEvent)]
    shown = [maker.event(camera.image_topic, kind, message, at) for at, message in zip(stamps, messages)]
    events = sorted([*others, *shown], key=lambda event: event.receive_ns)
    found = preflight(card, sample_of(card, events), Known()).findings
    return [(f.check, f.field, f.seen, f.todo) for f in found if f.check in ("encoding", "size")]


def sent(card, count: int = 60) -> list:
    return [camera_message(card.cameras[0], pixels(number), 1 + number) for number in range(count)]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("encoding", ["bgr8", "mono8", "yuv422", "bayer_gbrg8"])
def test_the_preflight_finds_nothing_where_the_stream_is_the_cards_and_says_what_comes_where_not(encoding, compressed):
    assert findings(card_of(encoding, compressed), sent(card_of(encoding, compressed))) == []
    ((check, field, seen, _),) = findings(card_of("rgb8", compressed), sent(card_of(encoding, compressed)))
    assert (check, field, seen) == ("encoding", "cameras[0].encoding", encoding)


def test_the_preflight_takes_a_plain_jpeg_for_the_cards_where_it_can_be():
    messages = sent(card_of("bgr8", True))
    for message in messages:
        message.format = "jpeg"
    assert findings(card_of("bgr8", True), messages) == []
    ((_, _, seen, _),) = findings(card_of("mono8", True), messages)
    assert seen == "rgb8"


def test_the_preflight_says_which_node_helps():
    messages = sent(card_of("rgb8"))
    for message in messages:
        message.encoding = "32FC1"
    ((_, _, seen, todo),) = findings(card_of("rgb8"), messages)
    assert seen == "32FC1" and "depth_image_proc's convert_metric" in todo
