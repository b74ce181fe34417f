"""The launch file for real arms, with the mock in the place of each: dry run and motion, side by side in two namespaces."""

import signal
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import rclpy
import yaml
from launching import assert_gone, process_ids, read_until, start_runner
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import String

from vla_bags.reader import Bag
from vla_bringup import cli
from vla_contract.card import InterfaceCard, load_card
from vla_contract.chunk import ActionChunk
from vla_contract.report import Phase, Verdict
from vla_contract.ros.convert import chunk_to_msg, report_from_msg
from vla_contract.ros.qos import LATCHED, RELIABLE, SENSOR
from vla_contract.shipped import find_launch_file
from vla_contract.status import ControllerState
from vla_controller.books.output import Output
from vla_graph.domains import free_domain
from vla_motion.model import RobotModel
from vla_msgs.msg import ActionChunk as ChunkMsg
from vla_msgs.msg import ChunkReport, ControllerStatus

TIMEOUT = 60.0  # [s]
SHARE = Path(__file__).parents[1]
ROBOTS = ["fr3", "panda_tabletop", "ur5e", "wx250s"]


class Graph:
    """A node that listens and speaks in a domain of its own."""

    def __init__(self, domain: int) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node("probe", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.runners: list = []

    @property
    def now_ns(self) -> int:
        return self.node.get_clock().now().nanoseconds

    def until(self, condition, what: str, timeout: float = TIMEOUT) -> None:
        """Spins until the condition holds; fails with what was printed where it takes too long or a launch has ended."""
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > end or any(runner.poll() is not None for runner in self.runners):
                for runner in self.runners:
                    runner.send_signal(signal.SIGINT)
                pytest.fail(f"not seen: {what}\n" + "\n".join(r.communicate(timeout=20)[0] for r in self.runners))
            self.executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)


@pytest.fixture
def graph(monkeypatch):
    domain = free_domain()
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
    graph = Graph(domain)
    yield graph
    graph.close()


@dataclass
class Robot:
    """What one namespace tells."""

    graph: Graph
    namespace: str
    card: InterfaceCard
    joints: dict[str, float] = field(default_factory=dict)
    statuses: list = field(default_factory=list)
    reports: list = field(default_factory=list)

    def __post_init__(self) -> None:
        node, at = self.graph.node, self.namespace
        node.create_subscription(
            JointState, f"{at}/joint_states", lambda m: self.joints.update(zip(m.name, m.position)), SENSOR
        )
        node.create_subscription(ControllerStatus, f"{at}/vla/controller_status", self.statuses.append, RELIABLE)
        node.create_subscription(
            ChunkReport, f"{at}/vla/chunk_report", lambda m: self.reports.append(report_from_msg(m)), RELIABLE
        )
        self.chunks = node.create_publisher(ChunkMsg, f"{at}/vla/action_chunk", RELIABLE)

    @property
    def state(self) -> int | None:
        return self.statuses[-1].state if self.statuses else None

    @property
    def ready(self) -> bool:
        """The controller waits for a chunk, and would get it, and be heard."""
        heard = self.graph.node.count_publishers(f"{self.namespace}/vla/chunk_report")
        return bool(self.state == ControllerStatus.IDLE and self.joints and self.chunks.get_subscription_count() and heard)

    @property
    def q(self) -> np.ndarray:
        return np.array([self.joints[joint] for joint in self.card.arms[0].joints])

    @property
    def gripper(self) -> float:
        return self.joints[self.card.arms[0].gripper.joint]

    def send(self, actions: np.ndarray) -> None:
        now = self.graph.now_ns
        self.chunks.publish(chunk_to_msg(ActionChunk(
            stamp_ns=now, frame_id=self.card.arms[0].base_frame, image_stamps_ns=(now,), state_stamp_ns=now,
            run_id=uuid.uuid4().hex, sequence=0, card_hash=self.card.card_hash, action_space=self.card.action_space,
            names=tuple(self.card.action.names), actions=actions, step_period_ns=self.card.step_period_ns,
            valid_for_ns=2_000_000_000,
        )))  # fmt: skip

    def verdicts(self, phase: Phase) -> list[Verdict]:
        return [report.verdict for report in self.reports if report.phase is phase]


def with_topic_gripper(path: Path, folder: Path) -> Path:
    """The card, its gripper driven by a topic: the action's package need not be installed here."""
    content = yaml.safe_load(path.read_text())
    content["arms"][0]["gripper"].update(interface="binary", topic="hand/commands")
    changed = folder / path.name
    changed.write_text(yaml.safe_dump(content))
    return changed


@pytest.mark.parametrize("robot", ROBOTS)
def test_chunks_move_the_mock_and_a_dry_run_reports_them_and_moves_nothing(graph, tmp_path, robot):
    shipped = SHARE / "cards" / f"{robot}.yaml"
    path = shipped
    if load_card(shipped).arms[0].gripper.interface == "gripper_command":
        path = with_topic_gripper(shipped, tmp_path)
    common = (f"model:={robot}", "policy:=false", "mock:=true", "mock_images:=false")
    launch = find_launch_file("real")
    runners = graph.runners = [
        start_runner(launch, f"card:={robot}", "namespace:=dry", *common),
        start_runner(launch, f"card:={path}", "namespace:=live", "dry_run:=false", "speed_scale:=1.0", *common),
    ]
    dry, live = Robot(graph, "dry", load_card(shipped)), Robot(graph, "live", load_card(path))
    started = ""
    try:
        started = "".join(read_until(runner, "controller started") for runner in runners)
        both = (dry, live)
        graph.until(lambda: all(r.ready for r in both), "both controllers ready")
        assert dry.statuses[-1].dry_run and not live.statuses[-1].dry_run
        home, opened = live.q, live.gripper
        np.testing.assert_allclose(home, live.card.arms[0].home)
        actions = np.zeros((16, 7))
        actions[:, 0], actions[:, 2] = 0.003, -0.003  # to the front and down
        actions[:4, 6] = 1.0  # open, then closed
        dry.send(actions)
        live.send(actions)
        graph.until(lambda: all(r.verdicts(Phase.SCHEDULED) for r in both), "a report from each")
        assert all(v is Verdict.ACCEPTED for r in both for v in r.verdicts(Phase.SCHEDULED))
        graph.until(lambda: live.verdicts(Phase.CLOSED) and live.state == ControllerStatus.IDLE, "the end of the motion")
        model = RobotModel.from_urdf(
            SHARE / "robots" / f"{robot}.urdf", live.card.arms[0].joints, live.card.arms[0].tool_frame,
            live.card.arms[0].base_frame,
        )  # fmt: skip
        moved = (model.forward(live.q) - model.forward(home))[:3, 3]
        # 16 steps of 3 mm and the way that the stop takes; fewer where a busy machine ran into the open-loop limit.
        np.testing.assert_allclose(moved, moved[0] * np.array([1.0, 0.0, -1.0]), atol=0.002)
        assert 0.02 < moved[0] < 0.06
        if live.card.arms[0].gripper.interface == "jtc" or "grippers" in Output.__dataclass_fields__:
            closed = live.card.arms[0].gripper.closed_position
            graph.until(lambda: live.gripper == pytest.approx(closed, abs=1e-3), "a closed gripper")
        np.testing.assert_array_equal(dry.q, home)
        assert dry.gripper == pytest.approx(opened) and dry.statuses[-1].trajectories_published == 0
        for runner in runners:
            runner.send_signal(signal.SIGINT)
        rests = [runner.communicate(timeout=20)[0] for runner in runners]
    finally:
        for runner in runners:
            runner.kill()
    assert [runner.returncode for runner in runners] == [0, 0], rests
    assert not any("Traceback" in rest for rest in rests)
    assert_gone(process_ids(started))


def test_the_mock_serves_what_a_policy_needs(graph):
    """Every camera with its size and calibration, every state field, and the description."""
    card = load_card(SHARE / "cards" / "ur5e.yaml")
    images, infos, descriptions, joints = {}, {}, [], []
    for camera in card.cameras:
        graph.node.create_subscription(Image, camera.topic, lambda m, n=camera.name: images.update({n: m}), SENSOR)
        topic = camera.topic.replace("image_raw", "camera_info")
        graph.node.create_subscription(CameraInfo, topic, lambda m, n=camera.name: infos.update({n: m}), SENSOR)
    graph.node.create_subscription(String, "robot_description", descriptions.append, LATCHED)
    graph.node.create_subscription(JointState, "joint_states", lambda m: joints.append(m.name), SENSOR)
    runner = start_runner(find_launch_file("real"), "card:=ur5e", "policy:=false", "mock:=true", "rule:=splice")
    graph.runners = [runner]
    try:
        graph.until(
            lambda: all(len(seen) == len(card.cameras) for seen in (images, infos)) and descriptions and joints, "inputs"
        )
        for camera in card.cameras:
            image, info = images[camera.name], infos[camera.name]
            assert (image.width, image.height, image.encoding) == (camera.width, camera.height, camera.encoding)
            assert image.header.frame_id == info.header.frame_id == camera.frame
            assert (info.width, info.height) == (camera.width, camera.height) and info.k[0] > 0
        assert "<robot" in descriptions[0].data
        assert {name.rsplit(".", 1)[0] for name in card.state.fields} <= set(joints[0])
        runner.send_signal(signal.SIGINT)
        rest, _ = runner.communicate(timeout=20)
    finally:
        runner.kill()
    assert runner.returncode == 0, rest


RECORDED = ("card:=fr3", "policy:=false", "record:=true")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "launch argument 'card' must be given"),
        (["card:=fr3"], "no checkpoint: give checkpoint:=..."),
        (["card:=fr3", "policy:=false", "namespace:=a/"], "namespace 'a/': invalid namespace: namespace must not end"),
        (["card:=fr3", "policy:=false", "model:=panda"], "no model 'panda': give a file, or one of: fr3, panda_table"),
        (["card:=fr4", "policy:=false"], "no card 'fr4'"),
        ([*RECORDED[:2], "use_sim_time:=true", "mock:=true"], "use_sim_time:=true does not go with mock:=true"),
        ([*RECORDED[:2], "use_sim_time:=true", "dry_run:=false"], "use_sim_time:=true needs dry_run:=true"),
        ([*RECORDED[:2], "mock_away:=0.4"], "mock_away without mock:=true: it is of the mock, and none is started"),
        ([*RECORDED[:2], "mock:=false", "mock_images:=false"], "mock_images without mock:=true"),
        ([*RECORDED[:2], "rule:=splice"], "rule without mock:=true"),
        ([*RECORDED, "record_jpeg_quality:=0"], "record_jpeg_quality is 0, allowed is 1 to 100"),
        ([*RECORDED, "record_images:=h264", "record_jpeg_quality:=80"], "is of record_images:=jpeg, and images are h264"),
        ([*RECORDED, "record_to:=/"], "/ exists already, and a bag is never overwritten"),
        ([*RECORDED, "record_to:=/proc/version/bag"], "/proc/version is no folder that can be written to"),
        ([*RECORDED[:2], "record_to:=out/a"], "record_to without record:=true: nothing would be recorded"),
    ],
)
def test_mistakes_are_told_before_anything_starts(words, expected, capfd):
    assert cli.main(["up", str(SHARE / "launch" / "real.launch.xml"), *words]) == 2
    shown = capfd.readouterr()
    assert expected in shown.err and "started" not in shown.out and "Traceback" not in shown.err


def test_the_mock_of_a_card_of_ones_own_needs_a_model(tmp_path, capfd):
    own = tmp_path / "panda_tabletop.yaml"
    own.write_text((SHARE / "cards" / own.name).read_text())
    assert cli.main(["up", "real", f"card:={own}", "policy:=false", "mock:=true"]) == 2
    assert "mock:=true needs model:=..." in capfd.readouterr().err


def test_a_robot_that_calls_its_topics_otherwise_is_remapped_and_recorded_under_the_cards_names(graph, tmp_path):
    """The example, with the mock: joint states, camera and trajectories go where the rules say, and nowhere else."""
    example = SHARE.parent / "examples" / "remapped.launch.xml"
    statuses, states, images = [], [], []
    graph.node.create_subscription(ControllerStatus, "vla/controller_status", statuses.append, RELIABLE)
    graph.node.create_subscription(JointState, "/ur/joint_states", states.append, SENSOR)
    graph.node.create_subscription(Image, "/rig/image_raw", images.append, SENSOR)
    graph.runners.append(start_runner(
        example, "card:=ur5e", "policy:=false", "mock:=true", "camera:=/rig", "record:=true", f"record_to:={tmp_path / 'bag'}",
    ))  # fmt: skip
    (runner,) = graph.runners
    graph.until(lambda: statuses and statuses[-1].state == ControllerState.IDLE, "a controller that has joint states")
    graph.until(lambda: len(states) > 200 and len(images) > 20, "joint states and images where the rules say")
    names = {name for name, _ in graph.node.get_topic_names_and_types()}
    runner.send_signal(signal.SIGINT)
    output = runner.communicate(timeout=30)[0]
    assert not {"/joint_states", "/wrist/color/image_raw", "/scaled_joint_trajectory_controller/joint_trajectory"} & names
    assert "/joint_trajectory_controller/joint_trajectory" in names and "nobody publishes" not in output
    with Bag(tmp_path / "bag") as bag:
        counts = {name: topic.count for name, topic in bag.topics.items()}
    assert counts["/joint_states"] > 50 and counts["/wrist/color/image_raw"] > 5, counts
