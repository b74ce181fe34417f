"""How a policy is named by who types it."""

import pytest

from vla_contract import plugins
from vla_contract.policy_spec import find_policy
from vla_contract.shipped import NotShippedError


def test_a_policy_without_its_colon_is_told_of_the_colon(monkeypatch):
    registered = plugins.registered
    monkeypatch.setattr(plugins, "registered", lambda group: {**registered(group), "mine": None})
    with pytest.raises(NotShippedError, match="no checkpoint 'mine': give a file, .*; or 'mine:' and what it needs"):
        find_policy("mine")
    with pytest.raises(NotShippedError) as told:
        find_policy("yours")
    assert "yours:" not in str(told.value)
    assert find_policy("mine:") == "mine:"
