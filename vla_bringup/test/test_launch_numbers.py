"""Numbers of launch arguments: a wrong one is a line and code 2 before anything starts, in the bounds that the nodes have."""

import re
import threading
from pathlib import Path

import pytest
import rclpy

from vla_bringup import cli
from vla_contract.card import load_card
from vla_contract.node_settings import RATES, SPEED_SCALES, is_bounded, number_problem
from vla_contract.recording import QUALITIES, RecordingError, check_quality
from vla_controller.planning.stitcher import SLOWEST
from vla_graph.launch.grammar import read_launch_file
from vla_graph.verbs import up
from vla_sim.server import SimServer

ROOT = Path(__file__).parents[1]
SIM, REAL = (str(ROOT / "launch" / f"{name}.launch.xml") for name in ("sim", "real"))
OF_REAL = (REAL, "card:=ur5e", "policy:=false")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((SIM, "rate:=nan"), "launch argument rate is nan, allowed is 0.01 to 100"),
        ((SIM, "rate:=inf", "use_sim_time:=true"), "launch argument rate is inf, allowed is"),
        ((SIM, "rate:=0", "use_sim_time:=true"), "launch argument rate is 0, allowed is"),
        ((SIM, "rate:=2"), "rate is 2, allowed is 1 while use_sim_time is false"),
        ((SIM, "seed:=-1"), "launch argument seed is -1, allowed is 0 to"),
        ((SIM, "seed:=99999999999999999999"), "launch argument seed is 99999999999999999999, allowed is"),
        ((SIM, "seed:=1.5"), "launch argument seed is '1.5', no whole number; allowed is"),
        ((SIM, "committed_steps:=-1"), "launch argument committed_steps is -1, allowed is 0 to 99"),
        ((SIM, "committed_steps:=13"), "committed_steps is 13, allowed are 0 to 12: the horizon, 16"),
        ((SIM, "strategy:=committed_prefix", "committed_steps:=+0"), "needs committed_steps:=1 or more"),
        ((SIM, "record:=true", "record_jpeg_quality:=abc"), "launch argument record_jpeg_quality is 'abc', no whole number"),
        ((SIM, "record:=true", "record_images:=gif"), "launch argument record_images is 'gif', allowed are: 'raw'"),
        ((SIM, "record:=maybe"), "launch argument record is 'maybe', allowed are true"),
        ((SIM, "dry_run:=maybe"), "launch argument dry_run is 'maybe', which is no bool; allowed are true and false"),
        ((*OF_REAL, "mock:=true", "mock_away:=7"), "launch argument mock_away is 7, allowed is -3.0 to 3.0 [rad]"),
        ((*OF_REAL[:1], "card:=fr3", "policy:=false", "mock:=true", "mock_away:=2.9"), "the limits of fr3_joint1"),
        ((*OF_REAL, "speed_scale:=-1"), "launch argument speed_scale is -1, allowed is 0.05 to 1"),
        ((*OF_REAL, "speed_scale:=nan"), "launch argument speed_scale is nan, allowed is"),
        ((*OF_REAL, "speed_scale:=fast"), "launch argument speed_scale is 'fast', no number; allowed is"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_argument(words, told, capfd, monkeypatch):
    monkeypatch.setattr(up, "Supervisor", lambda *_, **__: pytest.fail("nodes are started"))
    assert cli.main(["up", *words]) == 2
    shown = capfd.readouterr()
    assert shown.out == "" and told in shown.err
    assert shown.err.count("\n") == 1 and ".launch.xml" not in shown.err


@pytest.mark.parametrize("words", [(SIM, "rate:=2", "use_sim_time:=true", "seed:=0"), (SIM, "committed_steps:=12"),
                                   (*OF_REAL, "speed_scale:=0.05"), (*OF_REAL, "speed_scale:=1")])  # fmt: skip
def test_a_right_value_starts(words, monkeypatch):
    class Started(Exception):
        pass

    def start(*_, **__):
        raise Started

    monkeypatch.setattr(up, "Supervisor", start)
    with pytest.raises(Started):
        cli.main(["up", *words])


@pytest.mark.parametrize("path", [SIM, REAL])
def test_no_number_of_a_launch_file_is_without_bounds(path):
    found = [
        (node.attributes["pkg"], node.attributes["exec"], param.attributes["name"])
        for node in read_launch_file(Path(path)).children if node.tag == "node"
        for param in node.children if param.attributes.get("type") in ("int", "float")
    ]  # fmt: skip
    assert found and [names for names in found if not is_bounded(*names)] == []


def test_the_bounds_are_those_of_the_nodes():
    assert SPEED_SCALES[0] == SLOWEST
    for rate in (RATES[0] * 0.99, RATES[1] * 1.01, float("nan")):
        with pytest.raises(ValueError, match="allowed are 0.01 to 100"):
            SimServer(None, None, rate=rate)
    for quality in (QUALITIES[0] - 1, QUALITIES[1] + 1):
        assert number_problem("vla_bags", "recorder", "jpeg_quality", str(quality))
        with pytest.raises(RecordingError):
            check_quality(quality)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [("seed", "-1", "'seed' is -1, allowed is 0 to"), ("rate", ".nan", "'rate' is nan, allowed is 0.01")],
)
def test_the_simulator_says_the_same_where_ros2_launch_starts_it(name, value, told):
    from vla_sim.ros.node import SimNode

    card = ROOT / "cards" / "panda_tabletop.yaml"
    assert load_card(str(card))
    rclpy.init(args=["--ros-args", "-p", f"card:={card}", "-p", f"{name}:={value}"])
    try:
        with pytest.raises(ValueError, match=re.escape(f"parameter {told}")):
            SimNode(threading.Event())
    finally:
        rclpy.shutdown()
