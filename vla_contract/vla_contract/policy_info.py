"""Which policy runs, under which contract."""

from __future__ import annotations

from dataclasses import dataclass

from vla_contract.action_space import ActionSpace


@dataclass(frozen=True)
class PolicyInfo:
    """Field by field what PolicyInfo.msg carries."""

    policy: str
    """Kind of policy: "native"."""
    head: str
    """Action head: "flow", "regression"."""
    checkpoint: str
    """Where it was loaded from."""
    checkpoint_hash: str
    """SHA-256 of the file, hexadecimal."""
    card_name: str
    policy_hash: str
    card_hash: str
    camera_names: tuple[str, ...]
    state_names: tuple[str, ...]
    action_space: ActionSpace
    action_names: tuple[str, ...]
    step_period_ns: int
    horizon: int
    parameter_count: int = 0
    device: str = "cpu"
    warm_inference_ns: int = 0
    """Duration of one inference after warming up [ns]."""
    stamp_ns: int = 0
    """When the policy was configured, ROS time [ns]."""
