"""How a policy is named by who types it."""

from types import SimpleNamespace

import pytest

from vla_contract import plugins
from vla_contract.policy_spec import find_policy, package_of
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


HEADS = [
    ("chunk", "vla_policy.heads.chunk:Chunk", "vla-policy"),
    ("chunk", "lab_grasps.chunk:Chunk", "lab-grasps"),
    ("chunk", "other_lab:Chunk", "other-lab"),
    ("flow", "vla_policy.heads.flow:FlowHead", "vla-policy"),
    ("flow", "lab_grasps.flow:Flow", "lab-grasps"),
    ("grasp", "lab_grasps.heads.grasp:Grasp", "lab-grasps"),
    ("grasp", "other_lab:Grasp", "other-lab"),
    ("mean", "third_lab.mean:Mean", "third-lab"),
]


@pytest.fixture
def heads(monkeypatch):
    """These are installed, and nothing else."""
    points = [SimpleNamespace(name=n, value=v, dist=SimpleNamespace(name=d), load=lambda v=v: v) for n, v, d in HEADS]
    kept = (plugins.claims, plugins.registered, plugins.packages, plugins._found)
    for function in kept:
        function.cache_clear()
    monkeypatch.setattr(plugins.metadata, "entry_points", lambda group: points if group == plugins.HEADS else [])
    yield
    for function in kept:
        function.cache_clear()


def test_a_name_of_ours_stays_ours_and_rivals_are_told(heads, capsys):
    assert plugins.load(plugins.HEADS, "flow") == "vla_policy.heads.flow:FlowHead"
    assert "'flow' stays ours; lab_grasps.flow:Flow of lab-grasps is not used" in capsys.readouterr().err
    assert plugins.load(plugins.HEADS, "mean") == "third_lab.mean:Mean"
    assert plugins.load(plugins.HEADS, "chunk") == "vla_policy.heads.chunk:Chunk", "however many claim it"
    with pytest.raises(
        plugins.PluginError, match="'grasp' is registered by lab_grasps.heads.grasp:Grasp and by other_lab:Grasp"
    ):
        plugins.load(plugins.HEADS, "grasp")
    with pytest.raises(plugins.PluginError, match="nothing is registered as 'mode', there are: chunk, flow, grasp, mean"):
        plugins.load(plugins.HEADS, "mode")


def test_packages_that_register_anything_are_known_by_their_top(heads):
    assert plugins.packages() == {"vla_policy", "lab_grasps", "other_lab", "third_lab"}


def test_the_package_that_opens_a_policy_is_told_with_its_version(monkeypatch):
    known = SimpleNamespace(dist=SimpleNamespace(name="lab-vla", version="0.3.1"))
    monkeypatch.setattr(plugins, "registered", lambda _: {"mine": known, "built": SimpleNamespace(dist=None)})
    assert package_of("mine:5") == "lab-vla 0.3.1" and package_of("built:5") == ""
