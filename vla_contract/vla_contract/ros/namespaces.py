"""Whether a namespace is in the graph: one that nobody is in is a mistake, and not a robot that says nothing."""

from __future__ import annotations

import time

from rclpy.node import Node

from vla_contract.namespaces import has_namespace, no_such_namespace
from vla_contract.ros.rival_watch import full_name

KNOWN_S = 4.0
"""After this long all nodes are known: without our Fast DDS profile they say only every 3 s that they are there [s]."""
_POLL_S = 0.05
_EVERYWHERE = ("/rosout", "/parameter_events")
"""Of every node, this one too."""


def names_of_others(node: Node) -> list[str]:
    """Absolute names of the other nodes, and of topics that somebody publishes on."""
    own = node.get_fully_qualified_name()
    nodes = [full_name(*found) for found in node.get_node_names_and_namespaces()]
    topics = [name for name, _ in node.get_topic_names_and_types() if name not in _EVERYWHERE and node.count_publishers(name)]
    return [name for name in [*nodes, *topics] if name.startswith("/") and name != own]


def absent_namespace(node: Node, namespace: str) -> str:
    """That nobody else is in a namespace, and which there are; empty: somebody is, or it is none. Looks once."""
    names = names_of_others(node)
    return "" if has_namespace(names, namespace) else no_such_namespace(namespace, names, "the graph")


def wait_for_namespace(node: Node, namespace: str) -> str:
    """As ``absent_namespace``, once somebody is in it or the graph has become known."""
    deadline = time.monotonic() + KNOWN_S
    while True:
        words = absent_namespace(node, namespace)
        if not words or time.monotonic() >= deadline:
            return words
        time.sleep(_POLL_S)
