"""Bounds of node parameters, each at its very value, and what goes together."""

import pytest
from shipped_paths import CARDS

from vla_contract.card import load_card
from vla_contract.node_settings import SettingsError, check_away, check_together, is_bounded, number_problem

BOUNDS = [
    ("vla_sim", "sim", "seed", "0", "-1"), ("vla_sim", "sim", "seed", str(2**63 - 1), str(2**63)),
    ("vla_sim", "sim", "rate", "0.01", "0.009"), ("vla_sim", "sim", "rate", "100", "100.1"),
    ("vla_sim", "mock", "away", "-3", "-3.01"), ("vla_sim", "mock", "away", "3", "3.01"),
    ("vla_controller", "controller", "speed_scale", "0.05", "0.049"),
    ("vla_controller", "controller", "speed_scale", "1", "1.01"),
    ("vla_policy_node", "policy", "committed_steps", "0", "-1"), ("vla_policy_node", "policy", "committed_steps", "99", "100"),
    ("vla_policy_node", "policy", "replan_steps", "1", "0"), ("vla_policy_node", "policy", "replan_steps", "100", "101"),
    ("vla_bags", "recorder", "jpeg_quality", "1", "0"), ("vla_bags", "recorder", "jpeg_quality", "100", "101"),
]  # fmt: skip


@pytest.mark.parametrize(("package", "node", "name", "allowed", "beyond"), BOUNDS)
def test_a_bound_is_allowed_and_what_lies_beyond_it_is_told(package, node, name, allowed, beyond):
    assert is_bounded(package, node, name) and number_problem(package, node, name, allowed) == ""
    assert f"is {beyond}" in number_problem(package, node, name, beyond)


def test_of_other_parameters_nothing_is_known():
    assert not is_bounded("vla_sim", "sim", "card") and number_problem("vla_sim", "sim", "card", "-1") == ""
    assert not is_bounded("vla_sim", "mock", "seed")


def test_a_rate_needs_the_simulators_own_clock():
    with pytest.raises(SettingsError, match="rate is 2, allowed is 1 while use_sim_time is false"):
        check_together("vla_sim", "sim", {"rate": 2.0}, None)
    check_together("vla_sim", "sim", {"rate": 2.0, "publish_clock": True}, None)
    check_together("vla_sim", "sim", {"rate": 1.0}, None)


def test_a_mocked_arm_begins_within_the_range_of_its_first_joint():
    card = load_card(CARDS / "fr3.yaml")
    arm = card.arms[0]
    low, high = arm.limits.position_lower[0] - arm.home[0], arm.limits.position_upper[0] - arm.home[0]
    check_away(card, max(low, -3.0))
    check_away(card, min(high, 3.0))
    check_away(card, 0.0)
    with pytest.raises(SettingsError, match=f"allowed are {low:.2f} to {high:.2f}: the limits of fr3_joint1"):
        check_away(card, 2.95)
    with pytest.raises(SettingsError, match="away is 3.5 rad, allowed are -3 to 3"):
        check_away(card, 3.5)
