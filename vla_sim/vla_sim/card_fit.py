"""Whether a card describes the cell that is simulated here."""

from __future__ import annotations

import mujoco

from vla_contract.card import InterfaceCard
from vla_contract.card_state import WRENCH
from vla_contract.image_encodings import PLAIN


class WorldError(ValueError):
    """The card does not fit this simulator. The message names the field and what is allowed."""


def check_card(card: InterfaceCard, model: mujoco.MjModel) -> None:
    """Raises WorldError where the card names arms, joints or cameras that the scene does not have."""

    def known(kind: int, count: int) -> list[str]:
        return [mujoco.mj_id2name(model, kind, i) for i in range(count)]

    if len(card.arms) != 1:
        raise WorldError(f"{card.name}: arms: this scene has 1 arm, the card has {len(card.arms)}")
    arm = card.arms[0]
    joints = [j for j in known(mujoco.mjtObj.mjOBJ_JOINT, model.njnt) if not j.endswith("_free")]
    cameras = known(mujoco.mjtObj.mjOBJ_CAMERA, model.ncam)
    for joint in arm.joints:
        if joint not in joints:
            raise WorldError(f"{card.name}: arms[0].joints: '{joint}' is not in the scene, it has {joints}")
    if arm.gripper is None or arm.gripper.joint not in joints:
        raise WorldError(f"{card.name}: arms[0].gripper: the scene's gripper joint is 'panda_finger_joint1'")
    for index, source in enumerate(card.state.sources):
        if source.type == WRENCH:
            raise WorldError(f"{card.name}: state.sources[{index}]: the scene has no force sensor, as the mock has")
    for camera in card.cameras:
        if camera.name not in cameras:
            raise WorldError(f"{card.name}: cameras: '{camera.name}' is not in the scene, it has {cameras}")
        if camera.encoding not in PLAIN:
            raise WorldError(
                f"{card.name}: cameras: '{camera.name}' is {camera.encoding}, the simulator's cameras give {', '.join(PLAIN)}"
            )
