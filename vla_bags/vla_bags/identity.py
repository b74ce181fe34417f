"""What a bag says of card and policy, from the recorder's arguments and from what the graph says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from vla_contract.card import InterfaceCard, load_card, read_card_text
from vla_contract.files import sha256_of
from vla_contract.files.limits import CHECKPOINT


class PolicyInfoLike(Protocol):
    """What is read of vla_msgs/PolicyInfo."""

    policy: str
    head: str
    checkpoint: str
    checkpoint_hash: str
    card_name: str
    card_hash: str
    policy_hash: str


class Identity:
    """Metadata of a bag, as it becomes known.

    Args:
        card_path: Card under which the robot runs.
        checkpoint: Checkpoint file that is said to run; None: not said.
        namespace: Of the recorded robot.

    Raises:
        CardError: The card cannot be read.
        OSError, FileError: The checkpoint cannot be read.
    """

    def __init__(self, card_path: Path, checkpoint: Path | None, namespace: str) -> None:
        self.card: InterfaceCard = load_card(card_path)
        self.metadata = {
            "card": read_card_text(card_path),
            "card_name": self.card.name,
            "card_hash": self.card.card_hash,
            "policy_hash": self.card.policy_hash,
            "namespace": namespace.strip("/"),
        }
        if checkpoint is not None:
            self.metadata["checkpoint"] = str(checkpoint)
            self.metadata["checkpoint_hash"] = sha256_of(checkpoint, CHECKPOINT)

    def hear_policy(self, info: PolicyInfoLike) -> tuple[dict[str, str], list[str]]:
        """What the policy says counts more than what was said of it.

        Returns:
            The metadata that changed, and complaints where it contradicts.
        """
        complaints = []
        given = self.metadata.get("checkpoint_hash")
        if given and info.checkpoint_hash and given != info.checkpoint_hash:
            complaints.append(
                f"the policy runs checkpoint {info.checkpoint} ({info.checkpoint_hash[:12]}), not {self.metadata['checkpoint']} "
                f"({given[:12]}); the bag says what the policy says"
            )
        changed, more = self.hear_card(info.card_name, info.card_hash)
        names = ("policy", "head", "checkpoint", "checkpoint_hash", "policy_hash")
        changed |= self._update({name: getattr(info, name) for name in names if getattr(info, name)})
        return changed, complaints + more

    def hear_card(self, name: str, card_hash: str) -> tuple[dict[str, str], list[str]]:
        """A node of the graph names its card. Another one than ours: ours is taken out, because it would be judged by.

        Returns:
            The metadata that changed, and complaints.
        """
        if not card_hash or card_hash == self.metadata["card_hash"]:
            return {}, []
        complaint = (
            f"the graph runs card {name or '(unnamed)'} ({card_hash}), the recorder was given {self.card.name} "
            f"({self.card.card_hash}): the bag goes without card text; record with --card"
        )
        return self._update({"card": "", "card_name": name, "card_hash": card_hash, "policy_hash": ""}), [complaint]

    def _update(self, values: dict[str, str]) -> dict[str, str]:
        changed = {key: value for key, value in values.items() if self.metadata.get(key) != value}
        self.metadata |= changed
        return changed
