"""Do measurements come often enough, evenly, with stamps that mean something, and together?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vla_contract.card import InterfaceCard
from vla_replay.preflight.finding import Finding, error, warning
from vla_replay.preflight.known import Known
from vla_replay.preflight.sample import Sample, Stream

ENOUGH = 10
"""Messages below which a rate says nothing."""
LOW, VERY_LOW, HIGH = 0.85, 0.5, 1.5
"""Shares of the card's rate: below the first a warning, below the second an error; above the third a warning."""
UNEVEN = 3.5
"""Periods of the card that one in fifty gaps may not exceed."""
AHEAD_NS = 50_000_000
"""How far a stamp may lie after its arrival [ns]: clocks of two hosts under NTP are closer."""
REPEATED = 0.02
"""Share of stamps that may equal the one before: a message sent twice."""


def check(card: InterfaceCard, sample: Sample, known: Known) -> list[Finding]:
    """Checks ``rate``, ``jitter``, ``stamps`` and ``skew``."""
    findings: list[Finding] = []
    for i, camera in enumerate(card.cameras):
        stream = sample.streams.get(camera.image_topic)
        if stream is not None and stream.count:
            stamps = _stamps(stream, f"cameras[{i}]", camera.max_age)
            findings += stamps or _rate(stream, camera.rate, f"cameras[{i}]", camera.max_age)
    stream = sample.streams.get(card.state.topic)
    if stream is not None and stream.count:
        stream = _one_driver(stream, card, sample)
        stamps = _stamps(stream, "state", card.state.max_age)
        findings += stamps or _gaps(stream, "state", card.state.max_age) or _gaps_of_others(card, sample)
    for i, source in enumerate(card.state.sources):
        stream = sample.streams.get(source.topic)
        if stream is not None and stream.count:
            field = f"state.sources[{i}]"
            findings += _stamps(stream, field, source.max_age) or _gaps(stream, field, source.max_age)
    return findings + ([] if any(f.check == "stamps" for f in findings) else _skew(card, sample))


def _one_driver(stream: Stream, card: InterfaceCard, sample: Sample) -> Stream:
    """Joint states that carry the first field of the state: drivers of arm and hand often share the topic, and the stamps."""
    own = [key for key in card.state.fields if card.state.source_of(key) is None]
    series = next((sample.state[key] for key in own if key in sample.state), None)
    if series is None or len(series.at_ns) == stream.count or len(stream.stamp_ns) != stream.count or 0 in stream.stamp_ns:
        return stream
    delay = int(np.median(stream.receive_ns - stream.stamp_ns))
    return replace(stream, receive_ns=series.at_ns + delay, stamp_ns=series.at_ns)


def _gaps_of_others(card: InterfaceCard, sample: Sample) -> list[Finding]:
    """Of drivers that tell fields of the state, but not its first one; each is named by the first field that it tells."""
    seen: list[np.ndarray] = []
    findings = []
    for i, key in enumerate(card.state.fields):
        is_own = key in sample.state and card.state.source_of(key) is None
        at = sample.state[key].at_ns if is_own else np.empty(0, np.int64)
        if len(at) < 2 or any(np.array_equal(at, other) for other in seen):
            continue
        seen.append(at)
        longest = float(np.diff(at).max()) / 1e9
        if longest > card.state.max_age:
            findings.append(
                error(f"state.fields[{i}]", "rate", f"{longest:.2f} s without {key} on '{card.state.topic}'",
                      f"{card.state.max_age:g} s",
                      "the policy stops at such a gap: find what holds this driver up, or raise max_age if that is acceptable")
            )  # fmt: skip
    return findings


def _times(stream: Stream) -> np.ndarray:
    """When each message was taken, by its stamp where it has one [ns], in order."""
    return np.sort(stream.stamp_ns if len(stream.stamp_ns) else stream.receive_ns)


def _rate(stream: Stream, rate: float, field: str, max_age: float) -> list[Finding]:
    findings = _gaps(stream, field, max_age)
    if stream.count < ENOUGH:
        return findings
    gaps = np.diff(_times(stream)) / 1e9
    seen_rate = 1.0 / max(gaps.mean(), 1e-9)
    seen = f"{seen_rate:.1f} Hz over {stream.count} images"
    expected = f"{rate:g} Hz"
    if seen_rate < LOW * rate:
        make = error if seen_rate < VERY_LOW * rate else warning
        todo = "free the CPU or the network, set the camera's rate, or correct the card"
        findings.append(make(f"{field}.rate", "rate", seen, expected, todo))
    elif seen_rate > HIGH * rate:
        todo = "set the camera's rate, look for a second publisher, or correct the card"
        findings.append(warning(f"{field}.rate", "rate", seen, expected, todo))
    late = float(np.quantile(gaps, 0.98))
    if late > UNEVEN / rate and seen_rate >= LOW * rate:
        findings.append(
            warning(f"{field}.rate", "jitter", f"one gap in fifty is {late * 1e3:.0f} ms or longer",
                    f"about {1e3 / rate:.0f} ms, up to {UNEVEN * 1e3 / rate:.0f} ms",
                    "give the driver a higher priority, or use a wired link")
        )  # fmt: skip
    return findings


def _gaps(stream: Stream, field: str, max_age: float) -> list[Finding]:
    if stream.count < 2:
        return [
            error(f"{field}.max_age", "rate", f"one message on '{stream.topic}'", f"one every {max_age:g} s at least",
                  "look whether the driver goes on; one message is no stream")
        ]  # fmt: skip
    longest = float(np.diff(_times(stream)).max()) / 1e9
    if longest <= max_age:
        return []
    return [
        error(f"{field}.max_age", "rate", f"{longest:.2f} s without a message on '{stream.topic}'", f"{max_age:g} s",
              "the policy stops at such a gap: find what holds the driver up, or raise max_age if that is acceptable")
    ]  # fmt: skip


def _stamps(stream: Stream, field: str, max_age: float) -> list[Finding]:
    """What is wrong with the stamps; then the rate, which is taken from them, means nothing."""
    stamps = stream.stamp_ns
    field = f"{field}.topic"
    if len(stamps) != stream.count:
        return []
    zero = int((stamps == 0).sum())
    if zero:
        todo = "let the driver stamp each message with its time of acquisition"
        return [error(field, "stamps", f"{zero} of {len(stamps)} stamps are zero", "time of acquisition", todo)]
    findings: list[Finding] = []
    age = np.median(stream.receive_ns - stamps) / 1e9
    if age < -AHEAD_NS / 1e9:
        findings.append(
            error(field, "stamps", f"stamps lie {-age:.2f} s after the arrival", "before the arrival",
                  "synchronise the clocks of the hosts (chrony, PTP), and set use_sim_time alike on all nodes")
        )  # fmt: skip
    elif age > max_age:
        findings.append(
            error(field, "stamps", f"messages are {_time(age)} old when they arrive", f"{max_age:g} s at most",
                  "find the queue that they wait in, synchronise the clocks, and set use_sim_time alike on all nodes")
        )  # fmt: skip
    steps = np.diff(stamps)
    same, back = int((steps == 0).sum()), int((steps < 0).sum())
    if len(steps) and (same > REPEATED * len(steps) + 1 or back > 1):
        seen = f"of {len(stamps)} stamps {same} repeat the one before and {back} go back"
        todo = "let the driver stamp each image; look for a second publisher or a restarted clock"
        findings.append(error(field, "stamps", seen, "rising stamps", todo))
    return findings


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 1e4 else f"{seconds / 86400:.0f} days"


def _skew(card: InterfaceCard, sample: Sample) -> list[Finding]:
    """Of the first camera's images and the other streams."""
    first = sample.streams.get(card.cameras[0].image_topic)
    if first is None or first.count < ENOUGH or len(first.stamp_ns) != first.count:
        return []
    others = [(camera.image_topic, camera.name, card.state.max_skew, "state.max_skew") for camera in card.cameras[1:]]
    others.append((card.state.topic, "the joint states", card.state.max_skew, "state.max_skew"))
    for i, source in enumerate(card.state.sources):
        others.append((source.topic, f"'{source.topic}'", source.max_age, f"state.sources[{i}].max_age"))
    findings = []
    for topic, name, allowed, field in others:
        stream = sample.streams.get(topic)
        if stream is None or stream.count < ENOUGH or len(stream.stamp_ns) != stream.count:
            continue
        distances = _distance(first, stream)
        apart = float(np.median(distances)) / 1e9 if len(distances) else 0.0
        if apart > allowed:
            findings.append(
                error(field, "skew",
                      f"{apart * 1e3:.0f} ms from an image of {card.cameras[0].name} to the nearest of {name} that has arrived",
                      f"{allowed * 1e3:.0f} ms at most",
                      f"speed up the stream that comes late, trigger the cameras together, or raise {field.rpartition('.')[2]}")
            )  # fmt: skip
    return findings


def _distance(first: Stream, other: Stream) -> np.ndarray:
    """From each image of the first camera to the nearest message that is there by then, as the policy picks. (n,) [ns]."""
    stamps = np.sort(other.stamp_ns)
    arrived = np.searchsorted(np.sort(other.receive_ns), first.receive_ns, side="right")
    at, arrived = first.stamp_ns[arrived > 0], arrived[arrived > 0]
    right = np.searchsorted(stamps, at).clip(1, len(stamps) - 1)
    nearest = np.minimum(np.abs(stamps[right] - at), np.abs(at - stamps[right - 1]))
    newest = stamps[arrived - 1]
    return np.where(newest <= at, at - newest, nearest)
