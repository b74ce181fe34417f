"""Policies of other packages: what one raises or lacks is told in words, and what it says of itself is kept."""

import numpy as np
import pytest
from test_prefix import card_of

from vla_contract import plugins
from vla_contract.policy_spec import PolicySpecError
from vla_policy.backends.scripted import ScriptedPolicy
from vla_policy.describing import empty_observation
from vla_policy.errors import PolicyError, PreprocessError
from vla_policy.observing.assembler import observation_skew_ns
from vla_policy.opening import load_policy
from vla_policy.policy import NOTHING_ASKED


@pytest.fixture
def opened(trouble, card, monkeypatch):
    """Opens `trouble:KIND`."""

    def forget():
        for memory in (m for m in vars(plugins).values() if hasattr(m, "cache_clear")):
            memory.cache_clear()

    monkeypatch.syspath_prepend(trouble)
    forget()
    yield lambda kind: load_policy(f"trouble:{kind}", card)
    forget()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("down", r"policy 'trouble:down' cannot be opened: ConnectionRefusedError: \[Errno 111\] Connection refused$"),
        ("exit", "policy 'trouble:exit' cannot be opened: SystemExit: no licence$"),
        ("other", "policy 'trouble:other' cannot be opened: KeyError: 'other'$"),
        ("none", "policy 'trouble:none': lab_trouble:open_policy gave None, which has no infer and no reset; a policy has"),
        ("lacking", "lab_trouble:open_policy gave a Lacking, which has no reset; a policy has infer and reset"),
    ],
)
def test_a_policy_that_cannot_be_opened_says_which_and_why(opened, kind, words):
    with pytest.raises(PolicySpecError, match=words):
        opened(kind)


def test_what_a_policy_warms_up_on_is_black_still_and_all_of_one_instant(card):
    seen = empty_observation(card)
    assert {name: (image.shape, image.dtype, image.any()) for name, image in seen.images.items()} == dict.fromkeys(
        card.camera_names, ((224, 224, 3), np.uint8, False)
    )
    assert seen.state.tolist() == [0.0] * card.state_dim and seen.state_names == tuple(card.state.fields)
    assert (seen.stamp_ns, seen.state_stamp_ns, set(seen.image_stamps_ns.values()), observation_skew_ns(seen)) == (0, 0, {0}, 0)
    assert seen.instruction == card.tasks[0].instructions()[0]


def test_what_a_policy_raises_is_told_with_its_type(opened, card):
    seen = empty_observation(card)
    with pytest.raises(PolicyError, match="^policy 'trouble' failed in infer: RuntimeError: the server hung up$") as told:
        opened("failing").infer(seen, NOTHING_ASKED)
    assert isinstance(told.value.__cause__, RuntimeError)
    with pytest.raises(PolicyError, match="infer gave a ndarray, allowed is a Decision"):
        opened("bare").infer(seen, NOTHING_ASKED)
    with pytest.raises(PolicyError, match="failed in warm_up: TimeoutError$"):
        opened("cold").warm_up()


def test_the_scripted_policy_holds_still_with_grippers_open_and_is_the_only_one(card):
    policy = load_policy("scripted:hold", card)
    actions = policy.infer(empty_observation(card), NOTHING_ASKED).actions
    assert actions.shape == (16, 7) and not actions[:, :6].any() and (actions[:, 6] == card.arms[0].gripper.open_value).all()
    assert (policy.info.policy, policy.info.head, policy.info.card_hash) == ("scripted", "hold", card.card_hash)
    with pytest.raises(PolicySpecError, match="^scripted:wave: there is only scripted:hold$"):
        load_policy("scripted:wave", card)


def test_holding_still_takes_actions_that_are_changes_and_a_function_takes_any(card):
    pose = card_of(card, "EE_POSE")
    with pytest.raises(PolicySpecError, match="'hold' needs a delta or relative action space, card panda_tabletop has EE_POSE"):
        load_policy("scripted:hold", pose)
    there = np.linspace(0.1, 0.9, 112).reshape(16, 7)
    policy = ScriptedPolicy(pose, lambda observation: there.tolist(), "reach")
    assert np.array_equal(policy.infer(empty_observation(pose)).actions, there) and policy.info.head == "reach"
    assert policy.warm_up() == 0


def test_info_and_warm_up_are_each_optional(opened, card):
    with_info, with_warm_up, plain = (opened(kind) for kind in ("info", "warm", "nan"))
    assert (with_info.info.policy, with_info.info.head) == ("mine", "of its own") and with_info.warm_up() > 0
    assert with_warm_up.warm_up() == 42
    for policy, head in ((with_warm_up, "WithWarmUp"), (plain, "Policy")):
        assert (policy.info.policy, policy.info.head, policy.info.policy_hash) == ("trouble", head, card.policy_hash)
    assert np.isnan(plain.infer(empty_observation(card), NOTHING_ASKED).actions).all()


def test_words_that_a_policy_does_not_take_are_told_as_its_own(opened):
    opened("picky").check_instruction("please pick up the red block")
    opened("bare").check_instruction("whatever")
    with pytest.raises(PreprocessError, match="policy 'trouble' does not take these words: TypeError: say please"):
        opened("picky").check_instruction("pick up the red block")
