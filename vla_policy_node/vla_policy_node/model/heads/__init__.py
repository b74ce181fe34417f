"""Action heads. A new one is one file and one line in ``HEADS``."""

from __future__ import annotations

from vla_policy_node.model.heads.base import ActionHead
from vla_policy_node.model.heads.flow_matching import FlowMatchingHead
from vla_policy_node.model.heads.regression import RegressionHead

HEADS: dict[str, type[ActionHead]] = {
    "flow_matching": FlowMatchingHead,
    "regression": RegressionHead,
}


def build_head(name: str, context_dim: int, horizon: int, action_dim: int, options: dict) -> ActionHead:
    """Raises ValueError naming the heads there are, or an option that the head does not have."""
    if name not in HEADS:
        raise ValueError(f"action head {name!r} is unknown, there are {', '.join(sorted(HEADS))}")
    try:
        return HEADS[name](context_dim, horizon, action_dim, **options)
    except TypeError as error:
        raise ValueError(f"action head {name!r}: {error}") from None
