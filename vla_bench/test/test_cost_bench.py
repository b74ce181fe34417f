import numpy as np
import pytest

from vla_bench.controller.cost import HORIZONS, Cost, chunk_cost, growth_table, markdown
from vla_bench.rig.panda import panda_bench


@pytest.mark.parametrize("joints", [6, 7, 14])
def test_cells_with_more_and_fewer_joints(card, joints):
    bench = panda_bench(card, 8, joints=joints)
    assert sum(len(arm.joints) for arm in bench.card.arms) == joints
    assert bench.card.action.horizon == 8 and bench.card.action_dim == 7 * len(bench.card.arms)
    cost = chunk_cost(bench, 6)
    assert len(cost.seconds) == len(cost.cpu_seconds) == 6
    assert cost.accepted == 6 and (cost.seconds > 0.0).all()


def test_other_numbers_of_joints_are_refused(card):
    with pytest.raises(ValueError, match="joints is 8, allowed are 6, 7 and 14"):
        panda_bench(card, 16, joints=8)


def test_all_steps_of_a_long_chunk_lie_within_the_open_loop_limit(card):
    bench = panda_bench(card, 50)
    assert bench.card.max_open_loop >= 50 * bench.card.action.step_period
    assert panda_bench(card, 16).card.max_open_loop == card.max_open_loop


def test_hostile_chunks_are_in_the_mix(card):
    cost = chunk_cost(panda_bench(card, 16), 20, hostile=0.8)
    assert 0 < cost.accepted < 20, "some ask for what is no number"


def test_percentiles_and_pages():
    cost = Cost(np.arange(101) * 1e-3, np.arange(101) * 5e-4, 101)
    assert cost.percentile_ms(50) == 50.0 and cost.cpu_percentile_ms(99) == 49.5
    keys = [f"{n}{c}_p{p}_ms" for n in ("h16", "h50", "h16_hostile_tenth") for c in ("", "_cpu") for p in (50, 99)]
    figures = dict.fromkeys(keys, 1.25)
    figures["growth"] = [{"joints": j, "horizon": h, "p50_ms": 1.0, "p99_ms": 2.0} for j in (6, 7) for h in HORIZONS]
    assert growth_table(figures).splitlines()[-1].startswith("| 7 | 1.0 (2.0) |")
    assert "| 16 steps | 1.2 ms (1.2) |" in markdown(figures)
