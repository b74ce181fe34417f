"""What a replay needs beside the bag: card, kinematics and policies, from what the bag says or the user gives."""

from __future__ import annotations

from pathlib import Path

from vla_contract.card import InterfaceCard, load_card
from vla_controller.description import models_from_file, models_from_text
from vla_eval.bags.reader import Bag
from vla_eval.replay.errors import ReplayError
from vla_motion.model import ModelError, RobotModel
from vla_policy_node.policy import Policy


def find_card(bag: Bag, given: Path | None) -> InterfaceCard:
    """The one given, else the bag's. Raises CardError, or BagError where the bag has none."""
    return load_card(given) if given is not None else bag.card()


def find_models(bag: Bag, card: InterfaceCard, given: Path | None) -> tuple[list[RobotModel], str]:
    """Kinematics of the card's arms, and where they are from: the file given, the bag's robot_description, the simulator.

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
    from vla_sim.urdf import robot_urdf

    try:
        return models_from_text(robot_urdf(), card), "the simulator's robot"
    except ModelError:
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
        import hashlib

        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != wanted:
            return None, f"{name} is another file now ({found[:12]}, recorded with {wanted[:12]})"
    return path, ""


def load_policies(
    card: InterfaceCard, checkpoints: dict[str, Path], *, seed: int = 0, threads: int = 2
) -> dict[str, Policy]:
    """Each checkpoint as a policy of its own, warmed up. Raises CheckpointError where one does not fit the card."""
    if not checkpoints:
        return {}
    if threads < 1:
        raise ReplayError(f"threads is {threads}, allowed are 1 and above")
    from vla_policy_node.checkpoint import load_checkpoint

    policies = {name: load_checkpoint(path, card, seed=seed, threads=threads) for name, path in checkpoints.items()}
    for policy in policies.values():
        policy.warm_up()
    return policies
