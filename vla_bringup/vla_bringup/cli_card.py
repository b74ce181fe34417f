"""`vla card`: checks an interface card."""

from __future__ import annotations

import argparse

from vla_bringup.names import find_card
from vla_contract.card import InterfaceCard, load_card


class CardCommandError(ValueError):
    """Something that `vla card` was asked to do and cannot."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `vla card`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser("check", help="validate a card and print its hashes")
    check.add_argument("file", help="a card (YAML), or the name of one that ships with the suite")
    check.add_argument("--live", action="store_true", help="compare with the running graph")
    check.add_argument("--bag", help="compare with a recorded bag")


def summary(card: InterfaceCard) -> str:
    """What a card says, in a few lines."""
    action = card.action
    return "\n".join([
        f"{card.name}: valid",
        f"  arms     {', '.join(f'{arm.name} ({len(arm.joints)} joints)' for arm in card.arms)}",
        f"  cameras  {', '.join(f'{c.name} {c.width}x{c.height} at {c.rate:g} Hz' for c in card.cameras)}",
        f"  action   {action.space}, {card.action_dim} columns, {action.horizon} steps of {action.step_period:g} s",
        f"  tasks    {', '.join(task.name for task in card.tasks)}",
        f"  policy_hash {card.policy_hash}",
        f"  card_hash   {card.card_hash}",
    ])


def run(args: argparse.Namespace) -> int:
    """Checks the card. Raises CardError where it is not valid."""
    for option, wanted in (("--live", args.live), ("--bag", args.bag)):
        if wanted:
            raise CardCommandError(f"{option} does not exist yet; without it the card alone is checked")
    print(summary(load_card(find_card(args.file))))
    return 0
