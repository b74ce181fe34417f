"""Opens a policy by its name and lets it decide once, on what the simulated cell shows. No ROS in it."""

from vla_contract.card import load_card
from vla_contract.observation import VLAObservation
from vla_contract.shipped import find_card, find_checkpoint
from vla_policy.opening import load_policy
from vla_policy.policy import Ask
from vla_sim.world import SimWorld

card = load_card(find_card("panda_tabletop"))
policy = load_policy(f"native:{find_checkpoint('panda_tabletop')}", card)  # or scripted:hold, or a name of your own
print(f"{policy.info.policy}, head {policy.info.head}, trained for policy_hash {policy.info.policy_hash}")

world = SimWorld(card)
task = world.reset("pick", 50_000)
stamp = world.now_ns
names, positions, _ = world.joint_state()
measured = dict(zip(names, positions))
observation = VLAObservation(
    stamp_ns=stamp, images={name: world.render(name) for name in card.camera_names},
    image_stamps_ns=dict.fromkeys(card.camera_names, stamp),
    state=[measured[field.rsplit(".", 1)[0]] for field in card.state.fields], state_names=tuple(card.state.fields),
    state_stamp_ns=stamp, instruction=task.instruction,
)  # fmt: skip
policy.reset()
decision = policy.infer(observation, Ask())
print(f"'{task.instruction}': {decision.actions.shape[0]} steps of {', '.join(card.action.names)}")
print(decision.actions[0].round(4))
