"""What is mutated, and which tests have to notice: those of the same package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Group:
    """Files of code and the tests of their package, relative to the repository.

    left_out: Folders and files that these tests do not run: nodes and verbs are tested through processes, by other packages too.
    """

    name: str
    code: str
    tests: str
    left_out: tuple[str, ...] = ()

    def files(self, root: Path) -> list[Path]:
        """Of its code, in the order of their names."""
        found = sorted((root / self.code).rglob("*.py"))
        parts = ("ros", "verbs", "__init__.py", *self.left_out)
        return [path for path in found if not set(path.relative_to(root / self.code).parts) & set(parts)]


GROUPS = (
    Group("contract", "vla_contract/vla_contract", "vla_contract/test"),
    Group("motion", "vla_motion/vla_motion", "vla_motion/test"),
    Group("controller", "vla_controller/vla_controller", "vla_controller/test", ("warm_up.py",)),
    Group("policy", "vla_policy/vla_policy", "vla_policy/test"),
    Group("evidence", "vla_evidence/vla_evidence", "vla_evidence/test", ("statistics",)),
    Group("statistics", "vla_evidence/vla_evidence/statistics", "vla_evidence/test vla_trials/test/test_trials_paired.py"),
)
"""As many faults are drawn for each."""
