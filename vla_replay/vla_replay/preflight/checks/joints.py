"""Does JointState name every joint of the card? The order within the message makes no difference: names decide."""

from __future__ import annotations

from difflib import get_close_matches

import numpy as np

from vla_contract.card import InterfaceCard
from vla_replay.preflight.finding import Finding, error
from vla_replay.preflight.known import Known
from vla_replay.preflight.sample import Sample


def check(card: InterfaceCard, sample: Sample, known: Known) -> list[Finding]:
    """Check ``joints``: names, quantities that the state needs, and values that are finite."""
    silent = {topic for topic in card.state.topics if topic not in sample.streams or not sample.streams[topic].count}
    heard = {key.rpartition(".")[0] for key in sample.state}
    findings = []
    needed = [(f"{joint}.position", f"arms[{i}].joints[{j}]") for i, arm in enumerate(card.arms)
              for j, joint in enumerate(arm.joints)]  # fmt: skip
    needed += [(f"{arm.gripper.joint}.position", f"arms[{i}].gripper.joint") for i, arm in enumerate(card.arms) if arm.gripper]
    named = {key for key, _ in needed}
    needed += [(key, f"state.fields[{i}]") for i, key in enumerate(card.state.fields) if key not in named]
    known_joints = {key.rpartition(".")[0] for key, _ in needed}
    for key, field in needed:
        joint, _, quantity = key.rpartition(".")
        if card.state.topic_of(key) in silent:  # told by the check of presence
            continue
        if key in sample.state:
            bad = int((~np.isfinite(sample.state[key].values)).sum())
            if bad:
                seen, todo = f"{bad} values of {key} are not finite", "repair the driver: the policy refuses such a state"
                findings.append(error(field, "joints", seen, "finite numbers", todo))
        elif joint in heard:
            todo = f"let the driver publish {quantity}, or leave it out of state.fields and train again"
            findings.append(error(field, "joints", f"'{joint}' comes without {quantity}", key, todo))
        else:
            spare = sorted(heard - known_joints)
            close = get_close_matches(joint, spare, n=1, cutoff=0.5)
            seen = f"no joint '{joint}' in '{card.state.topic_of(key)}'"
            seen += f"; '{close[0]}' looks like it" if close else f"; it has {', '.join(sorted(heard)) or 'no names'}"
            todo = "correct the name in the card, the description or the prefix of the driver, or start the driver of this joint"
            findings.append(error(field, "joints", seen, f"'{joint}'", todo))
    return findings
