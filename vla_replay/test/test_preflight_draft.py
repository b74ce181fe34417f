"""`vla card init --from-checkpoint`."""

import pytest
from preflight_samples import CHECKPOINT
from shipped_paths import CARD

from vla_bringup import cli
from vla_contract.card import load_card, parse_card
from vla_contract.card_hash import contract_differences
from vla_replay.preflight.draft import DraftArm, DraftGripper, as_yaml, todo_list
from vla_replay.preflight.draft_checkpoint import _draft, _joints_of, draft_of_checkpoint
from vla_replay.preflight.finding import PreflightError
from vla_replay.preflight.known import Known


def test_a_draft_of_a_checkpoint_loads_and_the_checkpoint_fits_it(tmp_path, capsys):
    path = tmp_path / "draft.yaml"
    assert cli.main(["card", "init", "--from-checkpoint", "panda_tabletop", "--out", str(path)]) == 0
    card, shipped = load_card(path), load_card(CARD)
    assert contract_differences(card.policy_contract(), shipped.policy_contract()) == []
    assert card.policy_hash == shipped.policy_hash and card.action.horizon == shipped.action.horizon
    for low, high, widest_low, widest_high in zip(
        card.arms[0].limits.position_lower, card.arms[0].limits.position_upper,
        shipped.arms[0].limits.position_lower, shipped.arms[0].limits.position_upper,
    ):  # fmt: skip
        assert widest_low <= low < high <= widest_high  # a guess is never wider than the robot
    assert max(card.arms[0].limits.velocity) <= 0.5
    todo = todo_list(path.read_text())
    assert any(line.startswith("arms[0].limits.jerk: ") for line in todo) and f"{len(todo)} fields" in capsys.readouterr().out
    assert cli.main(["card", "check", str(path), "--checkpoint", "panda_tabletop"]) == 0


def test_a_draft_overwrites_nothing_and_needs_one_source(tmp_path, capsys):
    path = tmp_path / "draft.yaml"
    path.write_text("mine")
    assert cli.main(["card", "init", "--from-checkpoint", "panda_tabletop", "--out", str(path)]) == 2
    assert "exists" in capsys.readouterr().err and path.read_text() == "mine"
    assert cli.main(["card", "init"]) == 2


def test_no_draft_of_a_file_that_is_no_checkpoint():
    with pytest.raises(PreflightError, match="not a checkpoint"):
        draft_of_checkpoint(CARD)


def test_joints_of_two_arms_are_told_apart_by_name_or_not_at_all():
    contract = {"arms": [{"name": "left"}, {"name": "right"}], "action": {"names": ["left.x", "right.x"]}}
    joints = ["left_1", "left_2", "right_1"]
    assert _joints_of({"name": "left"}, contract, joints) == ["left_1", "left_2"]
    with pytest.raises(PreflightError, match="which joints arm right"):
        _joints_of({"name": "right"}, contract, ["j1", "j2"])


def test_polarity_that_is_known_is_kept_and_not_listed():
    draft = draft_of_checkpoint(CHECKPOINT)
    draft.arms = [DraftArm("arm", draft.arms[0].joints, gripper=DraftGripper("f", open_value=0.0, closed_value=1.0))]
    text = as_yaml(draft)
    assert "      open_value: 0.0\n" in text and "closed_value: 1.0\n" in text
    assert "gripper.open_value" not in "".join(todo_list(text))


def test_what_the_model_saw_of_a_camera_is_in_the_draft():
    content = load_card(CARD).to_dict()
    content["cameras"][0] |= {"crop": {"x": 8, "y": 0, "width": 160, "height": 200}, "resize": {"width": 96, "height": 120}}
    content["cameras"][1] |= {"encoding": "16UC1", "depth": {"near": 0.05, "far": 0.8}}
    card = parse_card(content)
    drafted = parse_card(as_yaml(_draft(card.policy_contract(), "cell", "a file", Known())))
    assert contract_differences(drafted.policy_contract(), card.policy_contract()) == []
    assert drafted.policy_hash == card.policy_hash and drafted.cameras[0].resize.aspect == "keep"


def test_a_force_that_the_model_felt_is_a_source_of_the_draft():
    content = load_card(CARD).to_dict()
    content["state"]["fields"] += ["wrist.force.z", "wrist.torque.x"]
    content["state"]["sources"] = [{"topic": "/ft", "type": "wrench", "name": "wrist", "max_age": 0.07}]
    card = parse_card(content)
    text = as_yaml(_draft(card.policy_contract(), "cell", "a file", Known()))
    drafted = parse_card(text)
    assert drafted.policy_hash == card.policy_hash and drafted.arms[0].joints == card.arms[0].joints
    assert [(s.type, s.name) for s in drafted.state.sources] == [("wrench", "wrist")]
    assert any(line.startswith("state.sources[0].topic: where this force sensor publishes") for line in todo_list(text))
