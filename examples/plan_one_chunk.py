"""The controller without ROS: a chunk goes in, a trajectory within the card's limits and a report come out."""

import uuid

import numpy as np

from vla_contract.card import load_card
from vla_contract.chunk import ActionChunk
from vla_contract.shipped import find_card, find_model
from vla_controller.controller import ChunkController
from vla_motion.model import RobotModel

MS = 1_000_000  # [ns]
card = load_card(find_card("ur5e"))
arm = card.arms[0]
model = RobotModel.from_urdf(find_model("ur5e").read_text(), list(arm.joints), arm.tool_frame, arm.base_frame)
controller = ChunkController(card, model)

# The arm stands at home, and has done so for long enough to be believed.
names = [*arm.joints, arm.gripper.joint]
home = [*arm.home, arm.gripper.open_position]
for now in range(1000 * MS, 1300 * MS, 10 * MS):
    controller.on_joint_state(now, names, home, [0.0] * len(names), now)
    controller.tick(now)

# 5 mm a step to the front, with an open hand. The last step asks for half a metre at once.
actions = np.zeros((card.action.horizon, card.action_dim))
actions[:, 0], actions[:, card.gripper_column(arm.name)] = 0.005, arm.gripper.open_value
actions[-1, 0] = 0.5
chunk = ActionChunk(
    stamp_ns=now, frame_id=arm.base_frame, image_stamps_ns=(now,) * len(card.cameras), state_stamp_ns=now,
    run_id=uuid.uuid4().hex, sequence=0, card_hash=card.card_hash, action_space=card.action_space,
    names=tuple(card.action.names), actions=actions, step_period_ns=card.step_period_ns,
    valid_for_ns=round(card.max_open_loop * 1e9),
)  # fmt: skip
output = controller.on_chunk(chunk, now)

report, trajectory = output.reports[0], output.trajectories[0]
print(f"{report.phase.name}: {report.verdict.name} {report.message}".strip())
for clamp in report.clamps:
    print(f"  step {clamp.step}: {clamp.limit}, by {clamp.amount:.2f}")
seconds = (trajectory.times_ns[-1] - trajectory.times_ns[0]) * 1e-9
print(f"{len(trajectory.positions)} points for {trajectory.topic}, over {seconds:.2f} s")
print(f"at the end: velocity {np.abs(trajectory.velocities[-1]).max():.1e} rad/s")
