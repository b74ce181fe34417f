"""Is each topic of the card there, of the right type, and does only one send on it?"""

from __future__ import annotations

from difflib import get_close_matches

from vla_contract.card import InterfaceCard
from vla_contract.gripper_actions import GRIPPER_ACTIONS, type_name
from vla_replay.preflight.finding import Finding, error, warning
from vla_replay.preflight.known import Known
from vla_replay.preflight.sample import Sample, Stream
from vla_replay.preflight.topics import JOINTS, SOLE_TOPICS, CardTopic, card_topics


def check(card: InterfaceCard, sample: Sample, known: Known) -> list[Finding]:
    """Checks ``presence``, ``type`` and ``publishers``."""
    findings: list[Finding] = []
    for topic in card_topics(card):
        stream = sample.streams.get(topic.topic)
        findings += _presence(topic, stream, sample)
        if stream is not None:
            findings += _type(topic, stream) + _publishers(topic, stream)
    return findings + _more_than_one(sample)


def _presence(topic: CardTopic, stream: Stream | None, sample: Sample) -> list[Finding]:
    if topic.is_command:
        return _listener(topic, stream, sample)
    if stream is not None and (stream.count or _other_types(topic, stream)):
        return []
    if stream is None:
        topics = [name for name, other in sample.streams.items() if not any("/action/" in kind for kind in other.types)]
        others = [name for name in topics if topic.type in sample.streams[name].types] or topics
        close = get_close_matches(topic.topic, others, n=1, cutoff=0.3)
        seen = f"no topic '{topic.topic}' in {sample.source}" + (f"; there is '{close[0]}'" if close else "")
        todo = "start what publishes it, remap it, or correct the topic in the card or the namespace"
    else:
        silent = "no publisher" if stream.publishers == 0 else "no message"
        seen = f"{silent} on '{topic.topic}' in {sample.seconds:.1f} s"
        todo = "look whether the driver runs and its QoS fits (sensor data: best effort)"
    return [error(topic.field, "presence", seen, f"{topic.type} on '{topic.topic}'", todo)]


def _listener(topic: CardTopic, stream: Stream | None, sample: Sample) -> list[Finding]:
    """A command needs someone who takes it; in a bag only the commands themselves are seen."""
    if stream is not None and stream.subscribers == 0 or stream is None and _is_graph(sample):
        return [
            error(topic.field, "presence", f"nobody listens on '{topic.topic}'", "a controller that takes its commands",
                  "start and activate the controller of arm or gripper, or correct the topic in the card or the namespace")
        ]  # fmt: skip
    if sample.chunks and (stream is None or not stream.count) and not _is_graph(sample) and "gripper" not in topic.field:
        seen = f"{sample.chunks} chunks with actions and no command on '{topic.topic}'"
        return [
            warning(topic.field, "presence", seen, "trajectories of the controller",
                    "read vla/chunk_report, which says why chunks were refused, or record this topic")
        ]  # fmt: skip
    return []


def _is_graph(sample: Sample) -> bool:
    return any(stream.publishers is not None for stream in sample.streams.values())


def _other_types(topic: CardTopic, stream: Stream) -> list[str]:
    return [kind for kind in stream.types if kind != topic.type]


def _type(topic: CardTopic, stream: Stream) -> list[Finding]:
    wrong = _other_types(topic, stream)
    if not wrong:
        return []
    todo = "correct the topic in the card"
    fits = [interface for interface in GRIPPER_ACTIONS if type_name(interface) in wrong]
    if fits:
        todo = f"set `interface: {fits[0]}` of this gripper in the card"
    if "Image" in topic.type and any("Image" in kind for kind in wrong):
        todo = "set `compressed` of this camera in the card, or take the other topic"
    return [error(topic.field, "type", f"'{topic.topic}' is {', '.join(wrong)}", topic.type, todo)]


def _more_than_one(sample: Sample) -> list[Finding]:
    """Two controllers, policies or simulators in one namespace."""
    found = []
    for topic, what in SOLE_TOPICS.items():
        count = sample.streams[topic].publishers if topic in sample.streams else None
        if count is not None and count > 1:
            todo = f"end all {what} but one: `ros2 topic info --verbose` names them, `vla stop` also the controllers' processes"
            found.append(error(topic, "publishers", f"{count} {what} answer in this namespace", "one", todo))
    return found


def _publishers(topic: CardTopic, stream: Stream) -> list[Finding]:
    if stream.publishers is None or stream.publishers < 2:
        return []
    seen = f"{stream.publishers} publishers on '{topic.topic}'"
    if topic.type == JOINTS:  # a driver for the arm and one for the hand are common, and work
        todo = "make sure that they publish different joints: else the state jumps between two robots"
        return [warning(topic.field, "publishers", seen, "one", todo)]
    todo = "end the second one (`ros2 topic info --verbose` names both), or use a namespace"
    return [error(topic.field, "publishers", seen, "one", todo)]
