"""What a controller alone may do: command the arms of its card, and serve its namespace."""

from __future__ import annotations

from collections.abc import Mapping

from rclpy.publisher import Publisher

from vla_contract.card import InterfaceCard
from vla_contract.rivals import Claim

ADVICE = "end it first, or start this controller in another namespace or ROS_DOMAIN_ID, where its arm is another one"

STATUS_TOPIC = "vla/controller_status"


def trajectory_topics(card: InterfaceCard) -> tuple[str, ...]:
    """Of the arms, and of grippers that a joint trajectory controller drives; each once."""
    topics = [arm.trajectory_topic for arm in card.arms]
    topics += [arm.gripper.topic for arm in card.arms if arm.gripper and arm.gripper.interface == "jtc"]
    return tuple(dict.fromkeys(topics))


def unheard(card: InterfaceCard, publishers: Mapping[str, Publisher]) -> str:
    """Which arms' trajectories nobody takes, in words; empty: somebody takes all."""
    topics = [arm.trajectory_topic for arm in card.arms if not publishers[arm.trajectory_topic].get_subscription_count()]
    return f"nobody takes trajectories on {', '.join(topics)}: start or activate the trajectory controller" if topics else ""


def claims(card: InterfaceCard, *, dry_run: bool) -> list[Claim]:
    """A dry run commands nothing, so that others may; two controllers of one namespace are wrong all the same.

    A gripper that is driven by an action has no topic, and who else may send goals to it cannot be seen.
    """
    made = [Claim(STATUS_TOPIC, "is a controller of this namespace")]
    if not dry_run:
        made += [Claim(arm.trajectory_topic, "commands the arm") for arm in card.arms]
        grippers = (arm.gripper for arm in card.arms if arm.gripper and arm.gripper.interface != "gripper_command")
        made += [Claim(gripper.topic, "commands the gripper") for gripper in grippers]
    return made
