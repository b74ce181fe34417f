"""A plausible run folder for tests of the report, written through the classes that write real ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import yaml
from ledger_samples import MS, T0, make_chunk, make_reports
from shipped_paths import CARD

from vla_contract.card import InterfaceCard, parse_card
from vla_contract.command import Command
from vla_contract.report import Clamp
from vla_evidence.figures.reading import plain
from vla_evidence.labels.finding import Label
from vla_evidence.rows.row_files import write_rows
from vla_evidence.rows.rows import EpisodeRow, InferenceRow
from vla_motion.trajectory import JointTrajectory

RUNS = ("a" * 32, "b" * 32)
"""Runs that are in the bag, too: episodes 1 (a failure) and 2."""
RUN_NS = 10_000 * MS
CHUNKS = 16
LABELS = (Label.MISSED_GRASP, Label.WRONG_OBJECT, Label.LIMITS_IGNORED, Label.MISSED_GRASP, Label.TOO_SLOW)
TASKS = (("pick", ""), ("pick", "latency=300"), ("stack", "lighting=0.4"))


def run_id(episode: int) -> str:
    """Of the sample's episodes, which count from 1."""
    return RUNS[episode - 1] if episode <= len(RUNS) else f"{episode:032x}"


def episodes(card: InterfaceCard, count: int = 36) -> list[EpisodeRow]:
    """One in four fails, one in nine is UNKNOWN. The first one fails, and is in the bag."""
    rng = np.random.default_rng(7)
    rows = []
    for k in range(count):
        task, perturbation = TASKS[k % len(TASKS)]
        outcome = "UNKNOWN" if k % 9 == 4 else "FAILURE" if k % 4 == 0 else "SUCCESS"
        failed = outcome == "FAILURE"
        start, executed = T0 + k * RUN_NS, int(rng.integers(45, 80))
        clamped = int(rng.integers(0, 8)) + 12 * (k == 0)
        rows.append(EpisodeRow(
            run_id=run_id(k + 1), episode=k + 1, task=task, seed=50_000 + k // len(TASKS),
            instruction=f"pick up the {'red' if k % 2 else 'green'} block",
            card_name=card.name, card_hash=card.card_hash, policy_hash=card.policy_hash,
            checkpoint="native_flow.safetensors",
            checkpoint_hash="9f" * 32, policy="native", head="flow", action_space=card.action.space,
            cameras=tuple(card.camera_names), split="held_out", perturbation=perturbation,
            start_ns=start, end_ns=start + 6_000 * MS, seconds=float(rng.uniform(3.5, 6.0)),
            inferences=CHUNKS, steps_executed=executed, steps_clamped=clamped, clamped_share=clamped / executed,
            refused={"STALE": 1} if k % 7 == 0 else {}, outcome=outcome, outcome_source="" if outcome == "UNKNOWN" else "SIM",
            first_bad_sequence=6 if failed else None, first_bad_stamp_ns=start + 2_750 * MS if failed else None,
            label=str(LABELS[k // 4 % len(LABELS)]) if failed else "", first_touched="red block" if k % 5 else "blue block",
            target="red block", latency_p50_ms=float(rng.uniform(35, 55)), latency_p99_ms=float(rng.uniform(60, 95)),
        ))  # fmt: skip
    return rows


def inferences(card: InterfaceCard, rows: list[EpisodeRow]) -> list[InferenceRow]:
    """`CHUNKS` an episode."""
    rng = np.random.default_rng(8)
    made = []
    for row in rows:
        for sequence in range(CHUNKS):
            bad = sequence == row.first_bad_sequence
            clamps = ({"step": 2, "limit": "velocity panda_joint4", "amount": 0.31},) if bad else ()
            made.append(InferenceRow(
                run_id=row.run_id, episode=row.episode, sequence=sequence, stamp_ns=row.start_ns + sequence * 400 * MS,
                instruction=row.instruction, action_space=card.action.space, horizon=16, card_hash=card.card_hash,
                latency_ms=float(rng.gamma(9.0, 5.0)), inference_ms=float(rng.gamma(9.0, 3.0)), verdict="ACCEPTED",
                steps_executed=4,
                steps_clamped=len(clamps), clamped_share=len(clamps) / 4, clamps=clamps, bad=bad, label=row.label if bad else "",
                message="joint 4 asked beyond its velocity" if bad else "",
            ))  # fmt: skip
    return made


def ledger(card: InterfaceCard) -> dict:
    """Content of ledger.json, from chunks of random times; one is refused."""
    from ledger_samples import Times

    from vla_contract.report import Verdict
    from vla_evidence.ledger.builder import LedgerBuilder

    rng, builder = np.random.default_rng(9), LedgerBuilder(card)
    for k in range(60):
        times = Times().draw(rng)
        chunk = make_chunk(card, k, times)
        builder.on_chunk(chunk, chunk.inference_end_ns)
        for report in make_reports(chunk, times, Verdict.STALE if k == 11 else Verdict.ACCEPTED):
            builder.on_report(report, report.stamp_ns + MS)
    for k in range(700):
        for camera in card.cameras:
            builder.on_image(camera.name, T0 + k * 1000 * MS // 30, T0 + k * 1000 * MS // 30 + MS)
    return {**builder.ledger(source="bag").as_dict(), "command": made_by("ledger", "bag", "--json", "ledger.json")}


def made_by(*words: str) -> dict:
    """A stored command."""
    return Command(("vla", *words), "/work folder").to_json()


def trials(outcomes: Mapping[int, bool | None], task: str = "pick", **changes) -> dict:
    """Content of eval.json: trials of the expert by seed, with other values for some keys."""
    from vla_trials.trials.request import EvalRequest
    from vla_trials.trials.result import TrialResult
    from vla_trials.trials.scores import summarise

    request = EvalRequest(str(CARD), "expert", (task,), tuple(outcomes))
    results = [
        TrialResult(
            task=task, seed=seed, instruction="pick up the red block", success=success, seconds=4.0, virtual_seconds=5.0,
            first_touched="", target="red block", chunks=12, steps_executed=50, steps_clamped=0, split="held_out",
        )
        for seed, success in outcomes.items()
    ]  # fmt: skip
    figures = summarise(request, results, busy=20.0, wall=10.0, jobs=2)
    return {
        **figures, "engine": "process", "resumed": 0, "request": request.identity(), "suites": {}, "without_inferences": None,
        "command": made_by("eval", "--checkpoint", "expert"), **changes,
    }  # fmt: skip


def evaluation(card_path: Path, *, shift: int = 0) -> dict:
    """Content of eval.json: 40 trials of the expert; `shift` moves the failures."""
    from vla_trials.trials.perturbations import parse
    from vla_trials.trials.request import EvalRequest
    from vla_trials.trials.result import TrialResult
    from vla_trials.trials.scores import summarise

    request = EvalRequest(
        str(card_path), "expert", ("pick",), tuple(range(50_000, 50_040)), perturbations=parse(["latency=300", "lighting=0.4"]),
        noise=0.002, replan_steps=6,
    )  # fmt: skip
    rng = np.random.default_rng(10)
    results = [
        TrialResult(
            task="pick", seed=seed, instruction="pick up the red block",
            success=None if seed % 13 == 4 else (seed + shift) % 5 != 0,
            seconds=4.0, virtual_seconds=5.0, first_touched="red block", target="red block", chunks=12, steps_executed=50,
            steps_clamped=int(rng.integers(0, 6)), split="held_out",
        )
        for seed in request.seeds
    ]  # fmt: skip
    figures = summarise(request, results, busy=20.0, wall=10.0, jobs=2)
    return {**figures, "engine": "process", "resumed": 0, "request": request.identity()}


def preflight(card: InterfaceCard) -> dict:
    """Content of preflight.json, with a finding of each severity."""
    from vla_replay.preflight.finding import error, warning
    from vla_replay.preflight.preflight import Preflight

    found = (
        error("cameras[1].rate", "rate", "11.9 images a second", "30 images a second", "look at the camera's driver"),
        warning("state.fields[3]", "z-score", "mean is 4.1 standard deviations off", "below 3", "compare units and joint order"),
    )  # fmt: skip
    unchecked = ("exchanged colours and exchanged cameras: no reference (--reference)",)
    content = Preflight(card, "bag", 19.1, found, unchecked).figures().to_json()
    return {**content, "command": made_by("card", "check", "panda_tabletop", "--bag", "bag")}


def replay(card: InterfaceCard) -> dict:
    """Content of replay.json, with two policies and a shadow."""
    from vla_replay.offline.compare import Comparison
    from vla_replay.offline.divergence import columns_of
    from vla_replay.offline.observations import Rebuilt

    rng, columns = np.random.default_rng(11), columns_of(make_chunk(card, 0))

    def compared(chunks: int, spread: float) -> dict:
        comparison = Comparison(card)
        for _ in range(chunks):
            first = rng.normal(0, 0.01, (16, card.action_dim))
            comparison.add_rows(first, first + rng.normal(0, spread, first.shape), columns)
        return plain(comparison.figures())

    controller = {
        "arm": "follows its commands", "chunks": 20, "accepted": 20, "superseded": 0, "brakes": 0, "refused": {},
        "steps_executed": 80,
        "steps_clamped": 4, "steps_skipped": 0, "clamped_share": 0.05, "clamped_by": {"velocity": 4}, "violations": 0,
        "violations_by": {}, "worst_violation": "",
        "peaks": {"velocity": 0.93, "acceleration": 0.71}, "samples": 8000, "rms_jerk": 12.5,
    }  # fmt: skip
    return {
        "bag": "bag", "truncated": False, "card": card.name, "card_hash": card.card_hash, "seconds": 19.1, "wall_seconds": 4.2,
        "realtime_factor": 4.55, "events": {}, "missing_topics": [], "malformed": [],
        "observations": plain(Rebuilt(20, 19, {"wrist": 1}, [], 19).figures()),
        "recorded": {
            "jumps": {}, "against_executed": compared(20, 0.001), "latency_ms": {"count": 0}, "controller": controller,
            "controller_agreement": {
                "chunks": 20, "equal": 20, "clamped_recorded": 4, "clamped_here": 4, "executed_recorded": 80,
            },
        },
        "policies": {
            name: {"policy": policy, "head": "flow", "checkpoint": f"{policy}.safetensors", "checkpoint_hash": digits * 32,
                   "against_recorded": compared(20, spread), "against_executed": compared(20, spread), "jumps": {},
                   "latency_ms": {"count": 20, "mean": 25.0, "p50": 24.0, "p95": 30.0, "p99": 31.5, "max": 32.0},
                   "failed": {}, "controller": controller}
            for name, policy, digits, spread in (("policy", "native_flow", "9f", 0.002), ("other", "native_mlp", "3c", 0.004))
        },
        "between": compared(19, 0.005), "shadow": compared(17, 0.007),
        "faults": None, "scores": {"violations": 0, "clamped": 0.05, "error": 0.0016, "jerk": None},
        "faults_asked": [], "gates": {}, "exceeded": [], "remarks": [], "model": "the simulator's robot", "seed": 0,
        "threads": 2, "namespace": None, "instruction": None, "command": made_by("replay", "bag"),
    }  # fmt: skip


def with_two_arms(card: InterfaceCard) -> InterfaceCard:
    """The card with a second arm `right` that has the joints of the first one under other names, and no gripper."""
    content = card.to_dict()
    arm = json.loads(json.dumps(content["arms"][0]))
    arm |= {"name": "right", "joints": [f"right_{joint}" for joint in arm["joints"]], "gripper": None}
    content["arms"].append({**arm, "trajectory_topic": "right/joint_trajectory"})
    content["action"]["names"] += [f"right.{axis}" for axis in ("x", "y", "z", "rx", "ry", "rz")]
    return parse_card(content)


def write_bag(folder: Path, card: InterfaceCard, *, of: InterfaceCard | None = None) -> Path:
    """An MCAP file in a folder `bag`: two runs with images of both cameras, chunk reports and trajectories.

    Each arm is half as fast as the one before, and of a second one a joint is clamped in chunk 12 of the first run. of: The
    card that the bag holds, if it is another one.
    """
    from mcap.writer import Writer
    from rclpy.serialization import serialize_message

    from vla_contract.ros.convert import report_to_msg, trajectory_to_msg
    from vla_contract.ros.images import array_to_image

    events: list[tuple[int, str, object]] = []
    limits = np.array(card.arms[0].limits.velocity)
    for n, run in enumerate(RUNS):
        start = T0 + n * RUN_NS
        times = np.arange(0, 6_000 * MS, 50 * MS, dtype=np.int64)
        t = times[:, None] * 1e-9
        pace = 0.9 + 0.13 * np.arange(len(limits))
        reach = (0.97 if n == 0 else 0.6) * limits * np.linspace(1.0, 0.35, len(limits))
        positions, velocities = reach / pace * (1 - np.cos(pace * t)), reach * np.sin(pace * t)
        for sequence in range(CHUNKS - 1):
            chunk = make_chunk(card, sequence, run=run, stamp_ns=start + sequence * 400 * MS)
            fast = n == 0 and sequence in (4, 5, 6, 9)
            clamps = tuple(Clamp(step, "velocity panda_joint1", 0.2) for step in range(4)) if fast else ()
            if len(card.arms) > 1 and n == 0 and sequence == 12:
                clamps = (Clamp(0, f"velocity {card.arms[1].joints[0]}", 0.2),)
            due = chunk.stamp_ns + np.arange(1, 17, dtype=np.int64) * 100 * MS
            for report in make_reports(chunk, run_id=run, clamps=clamps):
                changes = dict(vars(report))
                if report.phase == 0:
                    planned = {"planned_actions": np.zeros((16, card.action_dim)), "names": tuple(card.action.names)}
                    changes |= {"step_stamps_ns": due, **planned}
                else:
                    changes |= {"first_executed_ns": int(due[0]), "last_executed_ns": int(due[3])}
                    changes |= {"steps_executed": 4, "steps_clamped": len(clamps)}
                at = chunk.stamp_ns + (60 if report.phase == 0 else 600) * MS
                events.append((at, "/vla/chunk_report", report_to_msg(type(report)(**changes))))
            window = slice(8 * sequence, 8 * sequence + 24)
            if len(times[window]) > 1:
                begin = int(times[window][0])
                for k, arm in enumerate(card.arms):
                    moved = positions[window] / 2**k, velocities[window] / 2**k
                    curve = JointTrajectory("t", start + begin, tuple(arm.joints), times[window] - begin, *moved)
                    events.append((start + begin + 5 * MS, f"/{arm.trajectory_topic}", trajectory_to_msg(curve)))
        for k in range(30):
            stamp = start + k * 200 * MS
            for camera in card.cameras:
                message = array_to_image(image(k, camera.name != card.cameras[0].name), stamp, camera.frame)
                events.append((stamp + 3 * MS, f"/{camera.topic}", message))
    path = folder / "bag" / "bag_0.mcap"
    path.parent.mkdir(parents=True)
    with open(path, "wb") as file:
        writer = Writer(file)
        writer.start(profile="ros2", library="test")
        text = yaml.safe_dump((of or card).to_dict())
        writer.add_metadata("vla", {"card": text, "card_name": card.name, "namespace": "", "policy": "native"})
        channels: dict[str, int] = {}
        for stamp, topic, message in sorted(events, key=lambda event: event[0]):
            if topic not in channels:
                kind = f"{type(message).__module__.partition('.')[0]}/msg/{type(message).__name__}"
                channels[topic] = writer.register_channel(topic, "cdr", writer.register_schema(kind, "ros2msg", b""))
            writer.add_message(channels[topic], stamp, serialize_message(message), stamp)
        writer.finish()
    return path.parent


def image(frame: int, wrist: bool) -> np.ndarray:
    """A table, a block and a hand that comes nearer. Shape (96, 128, 3) uint8."""
    rows, columns = np.mgrid[0:96, 0:128]
    pixels = np.zeros((96, 128, 3), dtype=np.uint8)
    pixels[:] = 196 - rows[..., None] // 3 - (30 if wrist else 0)
    pixels[30:] = (164, 132, 98)
    pixels[60:74, 78:92] = (186, 52, 44)
    x = 10 + 2 * frame
    pixels[16:58, x : x + 9] = (70, 74, 80)
    pixels[(rows - 58) ** 2 + (columns - x - 4) ** 2 < 60] = (40, 44, 48)
    return pixels


def write_run(folder: Path, card: InterfaceCard, *, bag: bool = True) -> Path:
    """All files of a run folder but eval.json."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = episodes(card)
    write_rows(folder / "episodes.jsonl", rows)
    write_rows(folder / "inferences.jsonl", inferences(card, rows))
    for name, content in (("ledger", ledger(card)), ("preflight", preflight(card)), ("replay", replay(card))):
        (folder / f"{name}.json").write_text(json.dumps(content))
    if bag:
        write_bag(folder, card)
    return folder
