"""The section `state` of a card: proprioceptive fields, and the topics that tell them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from vla_contract.card_sections import MOST_COLUMNS, MOST_JOINTS, Section

JOINT_STATES, WRENCH = "joint_states", "wrench"
TYPES = {JOINT_STATES: "sensor_msgs/msg/JointState", WRENCH: "geometry_msgs/msg/WrenchStamped"}
"""ROS type of each type of source."""
WRENCH_PARTS = tuple(f"{vector}.{axis}" for vector in ("force", "torque") for axis in "xyz")
"""What a source of type wrench tells, behind its name and a point; force [N], torque [Nm]."""
MOST_SOURCES = 16

_TICKS_NS = 20_000_000


class SourceCard(Section):
    topic: str = Field(description="topic of its messages: in the robot's namespace, or absolute")
    type: Literal["joint_states", "wrench"] = Field(
        description="joint_states: sensor_msgs/JointState; wrench: geometry_msgs/WrenchStamped"
    )
    joints: list[str] | None = Field(
        None, min_length=1, max_length=MOST_JOINTS,
        description="of joint_states, needed there: joints that are told here, and whose values on other topics do not count",
    )  # fmt: skip
    name: str | None = Field(
        None, description="of a wrench, needed there: first part of its fields, <name>.force.x to <name>.torque.z [N, Nm]"
    )
    max_age: float = Field(
        description="oldest message to decide from, and furthest in time from the images [s]; in the place of the state's own two"
    )

    @property
    def names(self) -> tuple[str, ...]:
        """Names that a message of it brings values for: joints, or the fields of a wrench."""
        if self.type == WRENCH:
            return tuple(f"{self.name}.{part}" for part in WRENCH_PARTS)
        return tuple(self.joints or ())


class StateCard(Section):
    topic: str = Field(description="topic of the joint states: in the robot's namespace, or absolute")
    fields: list[str] = Field(
        min_length=1, max_length=MOST_COLUMNS,
        description="<joint>.position, .velocity or .effort, or <wrench>.force.x to .torque.z, in the policy's order",
    )  # fmt: skip
    max_age: float = Field(description="oldest joint state to decide from [s]")
    max_skew: float = Field(description="largest distance in time between state and images, and between cameras [s]")
    sources: list[SourceCard] = Field(
        default_factory=list, max_length=MOST_SOURCES, description="further topics that tell some of the fields"
    )

    @model_serializer(mode="wrap")
    def _as_written(self, serialise: SerializerFunctionWrapHandler) -> dict:
        """Without sources where there are none: the hashes of a card that has none stay."""
        content = serialise(self)
        content["sources"] = [{k: v for k, v in source.items() if v is not None} for source in content.get("sources", ())]
        return content if content["sources"] else {key: value for key, value in content.items() if key != "sources"}

    @property
    def topics(self) -> dict[str, str]:
        """Every topic that tells some of the state, with its ROS type; that of the joint states first."""
        return {self.topic: TYPES[JOINT_STATES], **{source.topic: TYPES[source.type] for source in self.sources}}

    def source_of(self, field: str) -> SourceCard | None:
        """The source of a field (``<joint>.position``, ``<wrench>.force.x``), or of a joint; None: ``topic`` itself."""
        if not self.sources:
            return None
        names = (field, field.rpartition(".")[0])
        return next((source for source in self.sources if not set(names).isdisjoint(source.names)), None)

    def topic_of(self, field: str) -> str:
        """Topic that tells a field, or a joint."""
        source = self.source_of(field)
        return self.topic if source is None else source.topic

    def max_age_of(self, field: str) -> float:
        """Oldest value of a field, or of a joint, to decide from [s]."""
        source = self.source_of(field)
        return self.max_age if source is None else source.max_age

    def max_skew_of(self, field: str) -> float:
        """Largest distance in time between a value of a field and the images [s]."""
        source = self.source_of(field)
        return self.max_skew if source is None else source.max_age

    def names_on(self, topic: str, names: Sequence[str]) -> Sequence[str]:
        """The names of a message on one of ``topics``, with "" for each that another topic tells."""
        if not self.sources:
            return names
        mine = next((source.names for source in self.sources if source.topic == topic), None)
        if mine is not None:
            return [name if name in mine else "" for name in names]
        others = {name for source in self.sources for name in source.names}
        return ["" if name in others else name for name in names]

    @property
    def ahead_ns(self) -> int:
        """How far ahead of the clock a joint state may be stamped [ns]: as far as it may be from an image of now.

        Not less than a simulated clock's ticks, by which that clock lags behind what is stamped with it.
        """
        return max(round(self.max_skew * 1e9), _TICKS_NS)

    @property
    def longest_gap_ns(self) -> int:
        """Longest silence of a joint that is bridged between two of its states [ns]: nowhere in it is the nearest further than
        max_skew, and none is older than max_age when the other comes."""
        return min(2 * round(self.max_skew * 1e9), round(self.max_age * 1e9))

    def longest_gap_ns_of(self, field: str) -> int:
        """As ``longest_gap_ns``, of one field [ns]."""
        source = self.source_of(field)
        return self.longest_gap_ns if source is None else round(source.max_age * 1e9)
