"""What a controller at rest costs: measured of the process, and told where it is none."""

import pytest
from shipped_paths import CARD

pytest.importorskip("vla_msgs", reason="needs the built messages")

from vla_bench.controller.idle import measure
from vla_graph.errors import GraphError


def test_joint_states_at_1_khz_cost_little_more_than_at_100_hz():
    """As a ratio, for machines differ; each waking for each message made it 62 % of a core, where 100 Hz took 27 %."""
    shares = measure(CARD, seconds=3.0, rates=(100, 1000))["shares"]
    assert 0.0 < shares["100"] < 0.6
    assert shares["1000"] - shares["100"] < 0.12, shares


def test_a_controller_that_does_not_begin_is_an_error_with_its_words(tmp_path):
    with pytest.raises(GraphError, match="did not begin.*"):
        measure(tmp_path / "none.yaml", seconds=1.0, rates=(100,))
