"""What tests of the running graph share."""

import pytest

from vla_graph.process import GraphProcess
from vla_graph.ros.client import GraphClient, GraphError

PATIENCE_S = 120


def wait_ready(graph: GraphProcess, client: GraphClient) -> None:
    """Until the policy takes goals. Fails with the end of the log where it does not, raises GraphError where the graph ended."""
    for _ in range(PATIENCE_S):
        graph.check_alive()
        try:
            return client.wait_ready(timeout=1.0)
        except GraphError:
            continue
    pytest.fail(f"the graph did not get ready:\n{graph.tail(40)}")
