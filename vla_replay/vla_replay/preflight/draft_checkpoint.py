"""A draft of a card from a checkpoint: its contract whole, and the ranges of its training data as first limits."""

from __future__ import annotations

from pathlib import Path

from vla_contract.card_hash import fingerprint
from vla_contract.card_state import WRENCH_PARTS
from vla_contract.normalisation import Statistics
from vla_replay.preflight.draft import Draft, DraftArm, DraftCamera, DraftGripper, is_gripper
from vla_replay.preflight.finding import PreflightError
from vla_replay.preflight.known import Known, known_of_contract, read_metadata


def draft_of_checkpoint(path: str | Path) -> Draft:
    """The stored contract as a draft, under the same policy_hash.

    Raises PreflightError for a file without a usable contract, and where joints cannot be given to one of several arms.
    """
    metadata = read_metadata(path)
    known = known_of_contract(metadata, str(path))
    contract = known.contract
    if contract is None or known.findings:
        problems = "; ".join(f"{finding.field}: {finding.seen}" for finding in known.findings) or "no contract"
        raise PreflightError(f"{path}: no card can be drafted from this checkpoint: {problems}")
    try:
        return _draft(contract, metadata.get("card_name", "cell"), Path(path).name, known)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise PreflightError(f"{path}: its contract lacks a part ({error!r}); `vla train` writes a whole one") from None


def _draft(contract: dict, name: str, file: str, known: Known) -> Draft:
    action, fields = contract["action"], list(contract["state"]["fields"])
    felt = {key: key[: -len(part) - 1] for key in fields for part in WRENCH_PARTS if key.endswith(f".{part}")}
    joints = list(dict.fromkeys(key.rpartition(".")[0] for key in fields if key not in felt))
    arms = [_arm(arm, _joints_of(arm, contract, joints), known.state) for arm in contract["arms"]]
    cameras = [
        DraftCamera(
            c["name"], c["width"], c["height"], c["encoding"],
            seen={key: c[key] for key in ("crop", "resize", "depth") if key in c},
        )
        for c in contract["cameras"]
    ]  # fmt: skip
    return Draft(
        name, f"checkpoint {file} (policy_hash {fingerprint(contract)})", arms, cameras, None, fields,
        action["space"], list(action["names"]), action["step_period"], known.horizon, wrenches=list(dict.fromkeys(felt.values())),
    )  # fmt: skip


def _joints_of(arm: dict, contract: dict, joints: list[str]) -> list[str]:
    """Joints of one arm: those of its action columns, all where it is the only one, else those that bear its name."""
    prefix = f"{arm['name']}."
    columns = [n.removeprefix(prefix) for n in contract["action"]["names"] if n.startswith(prefix)]
    named = [joint for joint in columns if joint in joints]
    if named:
        return named + ([joint for joint in joints if is_gripper(joint)] if len(contract["arms"]) == 1 else [])
    own = joints if len(contract["arms"]) == 1 else [joint for joint in joints if joint.startswith(arm["name"])]
    if not own:
        raise PreflightError(f"the checkpoint does not say which joints arm {arm['name']} has; write this card by hand")
    return own


def _arm(arm: dict, joints: list[str], statistics: Statistics | None) -> DraftArm:
    gripper = None
    if arm["gripper"] is not None:
        finger = next((joint for joint in joints if is_gripper(joint)), joints[-1])
        joints = [joint for joint in joints if joint != finger]
        gripper = DraftGripper(finger, open_value=arm["gripper"]["open_value"], closed_value=arm["gripper"]["closed_value"])
        if statistics is not None and f"{finger}.position" in statistics.names:
            column = statistics.names.index(f"{finger}.position")
            gripper.ends = (round(float(statistics.min[column]), 4), round(float(statistics.q99[column]), 4))
    draft = DraftArm(arm["name"], joints, arm["base_frame"], arm["tool_frame"], gripper=gripper)
    keys = [f"{joint}.position" for joint in joints]
    if statistics is not None and set(keys) <= set(statistics.names):
        ranges = statistics.select(keys)
        draft.lower, draft.upper = ([round(float(v), 4) for v in values] for values in (ranges.min, ranges.max))
        draft.home = [round(float(v), 4) for v in ranges.mean]
        draft.home_source = "the mean of the training data"
        draft.limits_source = "what the training data reached"
    return draft
