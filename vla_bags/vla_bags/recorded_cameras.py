"""Where a bag has the images of a card's cameras: the one place that knows that they may be packed."""

from __future__ import annotations

from vla_bags.image_packer import PACKED, VIDEO, packed_topic
from vla_bags.reader import Bag
from vla_contract.card import CameraCard
from vla_contract.card_sections import image_type
from vla_contract.files.json_text import JsonError, parse_json


def find_camera(bag: Bag, camera: CameraCard, *, any_type: bool = False) -> tuple[str, CameraCard] | None:
    """Absolute topic of a camera's images, and the camera as it is in the bag; None where it is absent.

    Of a camera that sends raw images the bag may have them packed, on ``<topic>/compressed``: by the recorder of this package, or
    because another one listened there. `packed_images` tells the first from the second.

    any_type: For whoever reads headers only.

    Raises:
        BagError: As `Bag.find`; of another type, unless any_type.
    """
    own = bag.find(camera.image_topic, None if any_type else image_type(camera))
    if not camera.compressed and (own is None or not bag.topics[own].count):
        packed = camera.model_copy(update={"compressed": True})
        topic = bag.find(packed.image_topic, None if any_type else image_type(packed))
        if topic is not None:
            return topic, packed
    return None if own is None else (own, camera)


def packed_images(bag: Bag) -> dict[str, str]:
    """Topics whose raw images the recorder has packed, by the absolute name that they have now, and how ("jpeg, quality 90").

    A video is read as the raw images that it was, under their own name.
    """
    try:
        told = parse_json(bag.metadata.get(PACKED) or "{}")
    except JsonError:
        return {}
    found = told.items() if isinstance(told, dict) else ()
    return {str(topic) if str(how).startswith(VIDEO) else packed_topic(str(topic)): str(how) for topic, how in found}
