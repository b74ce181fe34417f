"""Page of the messages, services and actions: their own text, in which each field is explained."""

from __future__ import annotations

from pathlib import Path

from markdown import page, table

INTRO = """
Units are SI. `header.stamp` is ROS time; fields that end in `_steady_ns` are of a host's steady clock, and are compared only on
that host. Topics are relative: a namespace goes in front of them.
"""
TOPICS = {
    "ActionChunk": "`vla/action_chunk`, `vla/shadow/action_chunk`", "ChunkReport": "`vla/chunk_report`",
    "ControllerStatus": "`vla/controller_status`", "PolicyInfo": "`vla/policy_info` (latched), `vla/shadow/policy_info`",
    "PolicyStatus": "`vla/policy_status`", "TaskState": "`vla/task_state`", "RunTask": "`vla/run_task`",
    "Reset": "`vla_sim/reset`",
}  # fmt: skip
"""Where each is spoken; of the others, within another message."""


def render(root: Path) -> str:
    files = [path for kind in ("msg", "srv", "action") for path in sorted((root / "vla_msgs" / kind).glob(f"*.{kind}"))]
    rows = [(f"[{p.stem}](#{p.stem.lower()})", p.suffix[1:], TOPICS.get(p.stem, "within others"), _first(p)) for p in files]
    parts = [table(("name", "kind", "topic", "what it says"), rows)]
    parts += [f"## {p.stem}\n\n`vla_msgs/{p.suffix[1:]}/{p.stem}`\n\n```\n{p.read_text().rstrip()}\n```\n" for p in files]
    return page("Messages", INTRO, *parts)


def _first(path: Path) -> str:
    """The first sentence of a file's first comment."""
    lines = []
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    return " ".join(lines).split(". ")[0].rstrip(".") + "." if lines else ""
