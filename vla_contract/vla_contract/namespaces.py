"""In which namespaces robots are, told by the names that a graph or a bag has. A namespace that is not there is no other one."""

from __future__ import annotations

from collections.abc import Iterable

from vla_contract.printing import listed

ROBOT_TOPICS = ("vla/action_chunk", "vla/chunk_report", "vla/controller_status", "vla/policy_status", "vla/policy_info")
"""Each robot of the suite has some of them."""
_TOLD = (*ROBOT_TOPICS, "robot_description", "joint_states")
_MOST = 12


def as_told(namespace: str) -> str:
    """As it is told: "/left", and "/" for none."""
    return f"/{namespace.strip('/')}"


def has_namespace(names: Iterable[str], namespace: str) -> bool:
    """Whether one of these absolute names lies in the namespace ("" or "/": none, which is always there)."""
    inside = namespace.strip("/")
    return not inside or any(name.startswith(f"/{inside}/") for name in names)


def robots_in(names: Iterable[str], leaves: Iterable[str] = ROBOT_TOPICS) -> list[str]:
    """Namespaces that have one of these relative topics, as they are told. names: absolute ones of topics."""
    leaves = tuple(leaves)
    return sorted({as_told(name.removesuffix(f"/{leaf}")) for name in names for leaf in leaves if name.endswith(f"/{leaf}")})


def no_such_namespace(namespace: str, names: Iterable[str], where: str) -> str:
    """That a namespace is not among these absolute names, and which are. where: "this bag", "the graph"."""
    names = list(names)
    there = robots_in(names, _TOLD) or sorted({as_told(name.rpartition("/")[0]) for name in names})
    words = f"it has {listed(there, _MOST)}" if there else "it has none"
    return f"no namespace {as_told(namespace)} in {where}; {words}"
