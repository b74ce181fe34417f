"""Run records as messages."""

from __future__ import annotations

from vla_contract.ros.convert import run_id_to_msg
from vla_contract.ros.stamps import ns_to_duration, ns_to_stamp
from vla_msgs.action import RunTask
from vla_msgs.msg import PolicyStatus
from vla_policy.running.run_record import RunRecord
from vla_policy.running.session import SessionState


def result_of(record: RunRecord) -> RunTask.Result:
    """Of a run that has ended."""
    return RunTask.Result(
        error_code=int(record.error), message=record.message, outcome=int(record.outcome),
        outcome_source=int(record.outcome_source), timed_out=record.timed_out, run_id=run_id_to_msg(record.run_id),
        elapsed=ns_to_duration(record.elapsed_ns), **vars(record.counts),
    )  # fmt: skip


def feedback_of(record: RunRecord, state: SessionState, now_ns: int) -> RunTask.Feedback:
    """Of a run under way."""
    return RunTask.Feedback(
        state=int(state.state), message=state.message, elapsed=ns_to_duration(max(0, now_ns - record.started_ns)),
        chunks_published=record.counts.chunks_published,
    )  # fmt: skip


def status_of(state: SessionState, record: RunRecord | None, now_ns: int) -> PolicyStatus:
    """Of the node, with the figures of the newest run."""
    message = PolicyStatus(stamp=ns_to_stamp(now_ns), state=int(state.state), input=state.input, message=state.message)
    if record is not None:
        if not record.ended:
            message.run_id = run_id_to_msg(record.run_id)
            message.instruction = record.request.instruction
            if record.meaning is not None:
                message.understood, message.understood_sure = record.meaning.sentence, record.meaning.sure
        message.chunks_published = record.counts.chunks_published
        message.chunks_refused = record.counts.chunks_refused
        message.observation_age = ns_to_duration(record.observation_age_ns)
        message.observation_skew = ns_to_duration(record.observation_skew_ns)
        message.last_inference = ns_to_duration(record.last_inference_ns)
        message.longest_inference = ns_to_duration(record.longest_inference_ns)
    return message
