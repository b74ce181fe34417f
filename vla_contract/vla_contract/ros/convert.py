"""Chunks, reports, policy info and trajectories to messages and back, field by field."""

from __future__ import annotations

import uuid
from array import array
from typing import Protocol

import numpy as np
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint
from unique_identifier_msgs.msg import UUID

from vla_contract.action_space import ActionSpace
from vla_contract.chunk import ActionChunk, ChunkError
from vla_contract.policy_info import PolicyInfo
from vla_contract.report import ChunkReport, Clamp, Phase, Verdict
from vla_contract.ros.images import ImageError, array_to_image, compressed_to_array, image_to_array
from vla_contract.ros.stamps import ns_to_duration, ns_to_stamp, stamp_to_ns
from vla_msgs.msg import ActionChunk as ChunkMsg
from vla_msgs.msg import ChunkClamp as ClampMsg
from vla_msgs.msg import ChunkReport as ReportMsg
from vla_msgs.msg import PolicyInfo as InfoMsg

__all__ = [
    "ImageError", "array_to_image", "chunk_from_msg", "chunk_to_msg", "compressed_to_array", "image_to_array",
    "info_from_msg", "info_to_msg", "ns_to_duration", "ns_to_stamp", "report_from_msg", "report_to_msg",
    "run_id_from_msg", "run_id_to_msg", "stamp_to_ns", "trajectory_from_msg", "trajectory_to_msg",
]  # fmt: skip


class TrajectoryLike(Protocol):
    """What ``trajectory_to_msg`` reads; vla_motion's JointTrajectory has it."""

    stamp_ns: int
    joint_names: tuple[str, ...]
    times_ns: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray | None
    accelerations: np.ndarray | None


def _floats(values: np.ndarray) -> array:
    return array("d", np.ascontiguousarray(values, dtype=np.float64).tobytes())


def run_id_to_msg(run_id: str) -> UUID:
    """32 hex digits, with or without dashes, to the message. An empty id is all zeros. ChunkError names other text."""
    try:
        value = uuid.UUID(run_id) if run_id else uuid.UUID(int=0)
    except ValueError:
        raise ChunkError(f"run_id: {run_id!r}, allowed is a UUID of 32 hex digits") from None
    return UUID(uuid=np.frombuffer(value.bytes, dtype=np.uint8))


def run_id_from_msg(message: UUID) -> str:
    """32 hex digits; empty for all zeros."""
    digits = bytes(message.uuid).hex()
    return digits if digits.strip("0") else ""


def chunk_to_msg(chunk: ActionChunk) -> ChunkMsg:
    """Every field of the chunk; nothing is checked beyond what the chunk was."""
    message = ChunkMsg()
    message.header.stamp = ns_to_stamp(chunk.stamp_ns)
    message.header.frame_id = chunk.frame_id
    message.image_stamps = [ns_to_stamp(ns) for ns in chunk.image_stamps_ns]
    message.state_stamp = ns_to_stamp(chunk.state_stamp_ns)
    message.run_id = run_id_to_msg(chunk.run_id)
    message.sequence = int(chunk.sequence)
    message.card_hash = chunk.card_hash
    message.action_space = int(chunk.action_space)
    message.names = list(chunk.names)
    message.horizon = chunk.horizon
    message.actions = _floats(chunk.actions)
    message.step_period = ns_to_duration(chunk.step_period_ns)
    message.valid_for = ns_to_duration(chunk.valid_for_ns)
    message.committed_steps = int(chunk.committed_steps)
    message.reference_positions = _floats(chunk.reference_positions)
    message.inference_start = ns_to_stamp(chunk.inference_start_ns)
    message.inference_end = ns_to_stamp(chunk.inference_end_ns)
    message.inference_start_steady_ns = int(chunk.inference_start_steady_ns)
    message.inference_end_steady_ns = int(chunk.inference_end_steady_ns)
    message.image_receipt_steady_ns = int(chunk.image_receipt_steady_ns)
    return message


def chunk_from_msg(message: ChunkMsg) -> ActionChunk:
    """ChunkError names what does not fit: actions against horizon and names, or an unknown action space."""
    return ActionChunk(
        stamp_ns=stamp_to_ns(message.header.stamp),
        frame_id=message.header.frame_id,
        image_stamps_ns=tuple(stamp_to_ns(stamp) for stamp in message.image_stamps),
        state_stamp_ns=stamp_to_ns(message.state_stamp),
        run_id=run_id_from_msg(message.run_id),
        sequence=message.sequence,
        card_hash=message.card_hash,
        action_space=message.action_space,
        names=tuple(message.names),
        actions=_rows(message.actions, message.horizon, len(message.names), "actions", "horizon"),
        step_period_ns=stamp_to_ns(message.step_period),
        valid_for_ns=stamp_to_ns(message.valid_for),
        committed_steps=message.committed_steps,
        reference_positions=np.asarray(message.reference_positions),
        inference_start_ns=stamp_to_ns(message.inference_start),
        inference_end_ns=stamp_to_ns(message.inference_end),
        inference_start_steady_ns=message.inference_start_steady_ns,
        inference_end_steady_ns=message.inference_end_steady_ns,
        image_receipt_steady_ns=message.image_receipt_steady_ns,
    )


def _rows(values: array, rows: int, columns: int, what: str, rows_name: str) -> np.ndarray:
    if len(values) != rows * columns:
        raise ChunkError(f"{what}: {len(values)} values, {rows_name} {rows} of {columns} names needs {rows * columns}")
    return np.asarray(values, dtype=np.float64).reshape(rows, columns)


def report_to_msg(report: ChunkReport) -> ReportMsg:
    """Every field of the report."""
    message = ReportMsg()
    message.header.stamp = ns_to_stamp(report.stamp_ns)
    message.header.frame_id = report.frame_id
    message.phase = int(report.phase)
    message.run_id = run_id_to_msg(report.run_id)
    message.sequence = int(report.sequence)
    message.chunk_stamp = ns_to_stamp(report.chunk_stamp_ns)
    message.verdict = int(report.verdict)
    message.message = report.message
    message.action_space = int(report.action_space)
    message.names = list(report.names)
    message.planned_actions = _floats(report.planned_actions)
    message.step_stamps = [ns_to_stamp(ns) for ns in report.step_stamps_ns]
    message.anchor = list(report.anchor)
    message.commanded_minus_measured = _floats(report.commanded_minus_measured)
    message.first_executed = ns_to_stamp(report.first_executed_ns)
    message.last_executed = ns_to_stamp(report.last_executed_ns)
    message.steps_executed = int(report.steps_executed)
    message.steps_skipped = int(report.steps_skipped)
    message.steps_clamped = int(report.steps_clamped)
    message.steps_superseded = int(report.steps_superseded)
    message.clamps = [
        ClampMsg(step=int(clamp.step), limit=int(clamp.kind), name=clamp.limit, amount=float(clamp.amount))
        for clamp in report.clamps
    ]
    message.received_steady_ns = int(report.received_steady_ns)
    message.published_steady_ns = int(report.published_steady_ns)
    return message


def report_from_msg(message: ReportMsg) -> ChunkReport:
    """ChunkError where the planned actions do not fit the step stamps and names."""
    steps = len(message.step_stamps) if message.planned_actions else 0
    return ChunkReport(
        stamp_ns=stamp_to_ns(message.header.stamp),
        frame_id=message.header.frame_id,
        phase=Phase(message.phase),
        run_id=run_id_from_msg(message.run_id),
        sequence=message.sequence,
        chunk_stamp_ns=stamp_to_ns(message.chunk_stamp),
        verdict=Verdict(message.verdict),
        message=message.message,
        action_space=ActionSpace(message.action_space),
        names=tuple(message.names),
        planned_actions=_rows(message.planned_actions, steps, len(message.names), "planned_actions", "step_stamps"),
        step_stamps_ns=np.array([stamp_to_ns(stamp) for stamp in message.step_stamps], dtype=np.int64),
        anchor=tuple(message.anchor),
        commanded_minus_measured=np.asarray(message.commanded_minus_measured),
        first_executed_ns=stamp_to_ns(message.first_executed),
        last_executed_ns=stamp_to_ns(message.last_executed),
        steps_executed=message.steps_executed,
        steps_skipped=message.steps_skipped,
        steps_clamped=message.steps_clamped,
        steps_superseded=message.steps_superseded,
        clamps=tuple(Clamp(clamp.step, clamp.name, clamp.amount) for clamp in message.clamps),
        received_steady_ns=message.received_steady_ns,
        published_steady_ns=message.published_steady_ns,
    )


def info_to_msg(info: PolicyInfo) -> InfoMsg:
    """Every field of the policy info."""
    message = InfoMsg(stamp=ns_to_stamp(info.stamp_ns))
    for name in _SAME_IN_INFO:
        setattr(message, name, getattr(info, name))
    for name in ("camera_names", "state_names", "action_names"):
        setattr(message, name, list(getattr(info, name)))
    message.action_space = int(info.action_space)
    message.step_period = ns_to_duration(info.step_period_ns)
    message.warm_inference = ns_to_duration(info.warm_inference_ns)
    return message


def info_from_msg(message: InfoMsg) -> PolicyInfo:
    """Inverse of ``info_to_msg``."""
    return PolicyInfo(
        **{name: getattr(message, name) for name in _SAME_IN_INFO},
        **{name: tuple(getattr(message, name)) for name in ("camera_names", "state_names", "action_names")},
        action_space=ActionSpace(message.action_space),
        step_period_ns=stamp_to_ns(message.step_period),
        warm_inference_ns=stamp_to_ns(message.warm_inference),
        stamp_ns=stamp_to_ns(message.stamp),
    )


_SAME_IN_INFO = (
    "policy", "head", "checkpoint", "checkpoint_hash", "card_name", "policy_hash", "card_hash", "horizon",
    "parameter_count", "device",
)  # fmt: skip


def trajectory_to_msg(trajectory: TrajectoryLike) -> JointTrajectory:
    """Points with velocities and accelerations where the trajectory has them. A stamp of 0 means now.

    ChunkError where an array is not (N times, J joint names).
    """
    message = JointTrajectory(joint_names=list(trajectory.joint_names))
    message.header.stamp = ns_to_stamp(trajectory.stamp_ns)
    names = ("positions", "velocities", "accelerations")
    given = {name: getattr(trajectory, name) for name in names}
    points, joints = len(trajectory.times_ns), len(message.joint_names)
    columns = {}
    for name, values in given.items():
        if values is not None:
            if np.shape(values) != (points, joints):
                raise ChunkError(f"{name}: shape {np.shape(values)}, {points} times and {joints} joints need {points, joints}")
            columns[name] = _floats(values)
    for index, time_ns in enumerate(trajectory.times_ns):
        point = JointTrajectoryPoint(time_from_start=ns_to_duration(time_ns))
        for name, values in columns.items():
            setattr(point, name, values[index * joints : (index + 1) * joints])
        message.points.append(point)
    return message


def trajectory_from_msg(message: JointTrajectory) -> dict:
    """The fields of TrajectoryLike as a dictionary.

    Velocities and accelerations are None where no point has them. ChunkError where points disagree in length.
    """
    fields: dict = {
        "stamp_ns": stamp_to_ns(message.header.stamp),
        "joint_names": tuple(message.joint_names),
        "times_ns": np.array([stamp_to_ns(point.time_from_start) for point in message.points], dtype=np.int64),
    }
    joints = len(message.joint_names)
    for name in ("positions", "velocities", "accelerations"):
        rows = [getattr(point, name) for point in message.points]
        if name != "positions" and not any(rows):
            fields[name] = None
            continue
        for index, row in enumerate(rows):
            if len(row) != joints:
                raise ChunkError(f"points[{index}].{name}: {len(row)} values, {joints} joint names need {joints}")
        fields[name] = np.array(rows, dtype=np.float64).reshape(len(rows), joints)
    return fields
