"""What ships is found by its name, in whatever prefix the package is installed."""

import pytest

from vla_contract import shipped


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A prefix with a card and two descriptions; another one, before it, without the package."""
    prefix, other = tmp_path / "install", tmp_path / "other"
    index = prefix / "share" / "ament_index" / "resource_index" / "packages"
    for folder in (index, prefix / "share" / "vla_bringup" / "cards", prefix / "share" / "vla_bringup" / "robots", other):
        folder.mkdir(parents=True)
    (index / "vla_bringup").touch()
    for name in ("cards/arm.yaml", "cards/bare.yaml", "robots/arm.urdf", "robots/other.urdf", "robots/scene.xml"):
        (prefix / "share" / "vla_bringup" / name).write_text(name)
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{other}::{prefix}")
    return prefix / "share" / "vla_bringup"


def test_the_description_beside_a_shipped_card(installed, tmp_path, monkeypatch):
    assert shipped.model_of_card(installed / "cards" / "arm.yaml") == installed / "robots" / "arm.urdf"
    assert shipped.model_of_card(installed / "cards" / "bare.yaml") is None
    mine = tmp_path / "arm.yaml"
    mine.write_text("mine")
    assert shipped.model_of_card(mine) is None, "a card of one's own that has the same name"
    monkeypatch.chdir(installed / "cards")
    assert shipped.model_of_card("arm.yaml") == installed / "robots" / "arm.urdf"


def test_names_and_paths(installed, tmp_path):
    assert shipped.find_card("arm") == installed / "cards" / "arm.yaml"
    assert shipped.find_model("other") == installed / "robots" / "other.urdf"
    assert shipped.find_model(installed / "robots" / "scene.xml") == installed / "robots" / "scene.xml"
    assert shipped.shipped_models() == [installed / "robots" / "arm.urdf", installed / "robots" / "other.urdf"]
    mine = tmp_path / "mine.yaml"
    mine.write_text("x")
    assert shipped.find_card(mine) == mine
    with pytest.raises(shipped.NotShippedError, match="no card 'leg': give a file, or one of: arm, bare"):
        shipped.find_card("leg")
    with pytest.raises(shipped.NotShippedError, match="card file leg.yaml does not exist"):
        shipped.find_card("leg.yaml")
    with pytest.raises(shipped.NotShippedError, match="card file cards/arm does not exist"):
        shipped.find_card("cards/arm")


def test_a_package_that_is_nowhere_is_named(installed):
    with pytest.raises(shipped.NotShippedError, match="package 'vla_nothing' not found in AMENT_PREFIX_PATH"):
        shipped.share("vla_nothing")
    assert shipped.package_prefix("vla_bringup") == installed.parents[1]
