"""Runs all checks on a sample, and says what could not be checked."""

from __future__ import annotations

from dataclasses import dataclass

from vla_contract.card import InterfaceCard
from vla_contract.command import this_command
from vla_evidence.figures.preflight import PreflightFigures
from vla_replay.preflight.checks import colours, gripper, hashes, images, joints, meaning, presence, timing
from vla_replay.preflight.finding import Finding, Severity
from vla_replay.preflight.known import Known
from vla_replay.preflight.sample import Sample

CHECKS = (presence, timing, images, colours, joints, meaning, gripper, hashes)
FORMAT = "vla preflight 1"


@dataclass(frozen=True)
class Preflight:
    """The outcome: findings, errors first, and what the source did not allow to check."""

    card: InterfaceCard
    source: str
    seconds: float
    findings: tuple[Finding, ...]
    unchecked: tuple[str, ...]

    @property
    def errors(self) -> int:
        """Findings of severity ERROR."""
        return sum(finding.severity is Severity.ERROR for finding in self.findings)

    @property
    def warnings(self) -> int:
        """Findings of severity WARNING."""
        return len(self.findings) - self.errors

    def figures(self) -> PreflightFigures:
        """Content of preflight.json, with the command under way."""
        return PreflightFigures(
            format=FORMAT,
            card=self.card.name,
            card_hash=self.card.card_hash,
            policy_hash=self.card.policy_hash,
            source=self.source,
            seconds=round(self.seconds, 3),
            errors=self.errors,
            warnings=self.warnings,
            findings=tuple(finding.figures() for finding in self.findings),
            unchecked=self.unchecked,
            command=this_command(),
        )


def preflight(card: InterfaceCard, sample: Sample | None, known: Known) -> Preflight:
    """All checks. ``sample`` None: only the checkpoint against the card."""
    if sample is None:
        findings = hashes.check(card, Sample(known.checkpoint), known)
        return Preflight(card, known.checkpoint, 0.0, tuple(findings), ("anything measured: neither --graph nor --bag",))
    findings = [finding for module in CHECKS for finding in module.check(card, sample, known)]
    findings.sort(key=lambda finding: finding.severity is not Severity.ERROR)
    return Preflight(card, sample.source, sample.seconds, tuple(dict.fromkeys(findings)), tuple(gaps(card, sample, known)))


def gaps(card: InterfaceCard, sample: Sample, known: Known) -> list[str]:
    """Checks that lacked what they need, in words."""
    lines = list(sample.notes)
    if known.state is None:
        lines.append("state against training statistics: no usable checkpoint (--checkpoint)")
    if not known.images:
        lines.append("exchanged colours and exchanged cameras: no images (--checkpoint that keeps some, or --reference)")
    arm_joints = [joint for arm in card.arms for joint in arm.joints]
    if not any(joint in sample.commands for joint in arm_joints):
        lines.append("joints against their commands: no trajectory was seen")
    for arm in card.arms:
        if arm.gripper and arm.gripper.joint not in sample.targets:
            lines.append(f"polarity of gripper {arm.gripper.name}: no command was seen")
    if not any(stream.publishers is not None for stream in sample.streams.values()):
        lines.append("two publishers on one topic: a bag does not say who published")
    if not sample.hashes:
        lines.append("card hash of policy and chunks: neither was seen")
    return lines
