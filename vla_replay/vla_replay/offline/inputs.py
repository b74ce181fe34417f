"""What a replay needs beside the bag: card, kinematics and policies, from what the bag says or the user gives."""

from __future__ import annotations

from pathlib import Path

from vla_bags.reader import Bag
from vla_bags.recorded_cameras import find_camera, packed_images
from vla_contract.card import InterfaceCard, load_card
from vla_contract.files import sha256_of
from vla_contract.files.limits import CHECKPOINT
from vla_contract.shipped import shipped_models
from vla_controller.ros.description import models_from_file, models_from_text
from vla_motion.model import ModelError, RobotModel
from vla_policy.policy import Policy
from vla_replay.offline.errors import ReplayError


def find_card(bag: Bag, given: Path | None) -> InterfaceCard:
    """The one given, else the bag's. Raises CardError, or BagError where the bag has none."""
    return load_card(given) if given is not None else bag.card()


def find_models(bag: Bag, card: InterfaceCard, given: Path | None) -> tuple[list[RobotModel], str]:
    """Kinematics of the card's arms, and where they are from: the file given, the bag's robot_description, a shipped robot.

    An empty list, and why, where none of them has the arms. Raises ModelError for a file given that does not fit.
    """
    if given is not None:
        return models_from_file(str(given), card), str(given)
    topic = bag.find("robot_description")
    if topic is not None:
        for _, message in bag.messages(topics=[topic]):
            try:
                return models_from_text(message.data, card), f"{topic} of the bag"
            except ModelError as error:
                return [], f"{topic} of the bag does not fit the card: {error}"
    for path in shipped_models():
        try:
            return models_from_file(str(path), card), f"{path.name}, which ships with the suite and has the card's joints"
        except ModelError:
            continue
    return [], "no robot_description in the bag; give one with --model"


def recorded_checkpoint(bag: Bag) -> tuple[Path | None, str]:
    """The checkpoint that the bag was recorded with, and why not where it cannot be had."""
    name, wanted = bag.metadata.get("checkpoint", ""), bag.metadata.get("checkpoint_hash", "")
    if not name:
        return None, "the bag names no checkpoint"
    path = Path(name)
    if not path.is_file():
        return None, f"the bag's checkpoint {name} is not there"
    if wanted:
        found = sha256_of(path, CHECKPOINT)
        if found != wanted:
            return None, f"{name} is another file now ({found[:12]}, recorded with {wanted[:12]})"
    return path, ""


def packed_words(bag: Bag, card: InterfaceCard) -> str:
    """That the recorded policy saw other images than the replayed one will, in a line; empty where it did not."""
    how = packed_images(bag)
    found = {camera.name: find_camera(bag, camera, any_type=True) for camera in card.cameras}
    packed = {name: how[place[0]] for name, place in found.items() if place and how.get(place[0], "png") != "png"}
    if not packed:
        return ""
    kept = ", ".join(f"{name} ({words})" for name, words in packed.items())
    return f"images were packed when they were recorded: {kept}; the recorded chunks were decided on the raw ones"


def load_policies(
    card: InterfaceCard, checkpoints: dict[str, str | Path], *, seed: int = 0, threads: int = 2
) -> dict[str, Policy]:
    """Each checkpoint, or `NAME:REST`, as a policy, warmed up. Raises CheckpointError where one does not fit the card."""
    if not checkpoints:
        return {}
    if threads < 1:
        raise ReplayError(f"threads is {threads}, allowed are 1 and above")
    from vla_policy.opening import Opening, load_policy

    policies = {name: load_policy(path, card, Opening(seed, threads)) for name, path in checkpoints.items()}
    for policy in policies.values():
        policy.warm_up()
    return policies
