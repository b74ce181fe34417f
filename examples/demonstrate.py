"""Demonstrations by a script, from a running arm or its mock:  python examples/demonstrate.py ur5e out/demos/mock 8

For cards of EE_DELTA or JOINT_DELTA. Whoever demonstrates at your own arm stands where `script` does; the rest stays as it is.
"""

import sys
import uuid
from pathlib import Path

import cv2
import numpy as np
import rclpy

from vla_contract.card import load_card
from vla_contract.demonstration import DatasetInfo, Demonstration
from vla_contract.ros.convert import chunk_to_msg
from vla_contract.ros.qos import RELIABLE
from vla_contract.shipped import find_card
from vla_msgs.msg import ActionChunk
from vla_policy.backends.scripted import ScriptedPolicy
from vla_policy.errors import ObservationError
from vla_policy.observing.assembler import ObservationAssembler
from vla_policy.running.chunks import decide
from vla_policy_node.ros.subscriptions import subscribe

if len(sys.argv) != 4:
    sys.exit(__doc__)
card, folder, episodes = load_card(find_card(sys.argv[1])), Path(sys.argv[2]), int(sys.argv[3])
STEPS, STEP = 6, 0.005  # out, and as many back [m, or rad of a joint]
horizon, arm, sentences = card.action.horizon, card.arms[0], card.tasks[0].instructions()
if not (card.action_space.is_delta and arm.gripper):
    sys.exit(f"{card.name}: action.space is {card.action.space}; this script needs EE_DELTA or JOINT_DELTA, and a gripper")
rclpy.init()
node, assembler = rclpy.create_node("demonstrate"), ObservationAssembler(card)
chunks, inputs = node.create_publisher(ActionChunk, "vla/action_chunk", RELIABLE), subscribe(node, card, assembler)


def script(angle: float) -> np.ndarray:
    """Out with an open hand, and back with a closed one; then still. (2 * STEPS + horizon, D)."""
    plan = np.zeros((2 * STEPS + horizon, card.action_dim))
    plan[:STEPS, card.arm_columns(arm.name)[:2]] = STEP * np.cos(angle), STEP * np.sin(angle)
    plan[STEPS : 2 * STEPS] = -plan[:STEPS]
    plan[:, card.gripper_columns] = arm.gripper.open_value
    plan[STEPS:, card.gripper_columns] = arm.gripper.closed_value
    return plan


def observe(after_ns: int, instruction: str, told: str = ""):
    """The first observation that is not older; what is missing is said while it is waited for."""
    while True:
        rclpy.spin_once(node, timeout_sec=0.1)
        try:
            seen = assembler.assemble(node.get_clock().now().nanoseconds, instruction)
            if seen.stamp_ns >= after_ns and chunks.get_subscription_count():
                return seen
        except ObservationError as error:
            if (what := f"{error.field} {error.kind}") != told:
                told = what
                print(f"waiting: {error}", flush=True)


DatasetInfo(
    card_name=card.name, policy_hash=card.policy_hash, state_names=tuple(card.state.fields), action_space=card.action.space,
    action_names=tuple(card.action.names), camera_names=tuple(card.camera_names), horizon=horizon,
    step_period_ns=card.step_period_ns, command="examples/demonstrate.py", licence=card.dataset.licence,
).save(folder)  # fmt: skip
for number in range(episodes):
    way, run, seen, due_ns = number % len(sentences), uuid.uuid4().hex, [], node.get_clock().now().nanoseconds
    plan = script(2 * np.pi * way / len(sentences))
    plans = np.stack([plan[step : step + horizon] for step in range(2 * STEPS)])
    for step, says in enumerate(plans):
        seen.append(observe(due_ns, sentences[way]))
        policy = ScriptedPolicy(card, lambda _, says=says: says)
        chunk = decide(policy, card, seen[-1], run, step, lambda: node.get_clock().now().nanoseconds)
        chunks.publish(chunk_to_msg(chunk))
        due_ns = seen[-1].stamp_ns + card.step_period_ns - 10_000_000
    path = Demonstration(
        images={c: [cv2.imencode(".png", one.images[c][..., ::-1])[1].tobytes() for one in seen] for c in card.camera_names},
        state=np.array([one.state for one in seen]), actions=plans, mask=np.ones(len(seen), bool), instruction=sentences[way],
        task=card.tasks[0].name, seed=number, success=True, step_period_ns=card.step_period_ns,
    ).save(folder / f"episode_{number:05d}.npz")  # fmt: skip
    print(f"wrote {path}: {sentences[way]}", flush=True)
