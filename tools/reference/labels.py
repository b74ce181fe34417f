"""Page of the failure labels and their thresholds, from the module that defines them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

from markdown import code, page, table

SOURCE = "vla_evidence/vla_evidence/labels/finding.py"
INTRO = f"""
Why an episode failed, in the order of precedence: what comes first explains what comes after it. How each is found, and what
fools it, is in [evidence rows](evidence_rows.md#how-labels-are-found). Source: [`{SOURCE}`](../../{SOURCE}).
"""


def render(root: Path) -> str:
    module = ast.parse((root / SOURCE).read_text())
    names = next(node for node in module.body if isinstance(node, ast.ClassDef) and node.name == "Label")
    labels = [(code(name), words) for name, _, words in _explained(names.body)]
    limits = [(code(name), value, words) for name, value, words in _explained(module.body)]
    thresholds = "## Thresholds\n\n" + table(("name", "value", "meaning"), limits)
    return page("Failure labels", INTRO, table(("label", "meaning"), labels), thresholds)


def _explained(body: Sequence[ast.stmt]) -> Iterator[tuple[str, str, str]]:
    """Name, value and docstring of each constant that has one."""
    for node, after in zip(body, body[1:]):
        if isinstance(node, ast.Assign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            yield node.targets[0].id, _number(node.value), after.value.value


def _number(node: ast.expr) -> str:
    value = ast.literal_eval(node)
    return f"{value:,}" if isinstance(value, int) else str(value)
