"""Single faults, drawn by a seed from all that cosmic-ray can make of a group's files. Needs cosmic-ray."""

from __future__ import annotations

import ast
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from groups import Group

_KINDS = (
    "AddNot", "ExceptionReplacer", "NumberReplacer", "ReplaceAndWithOr", "ReplaceBreakWithContinue", "ReplaceContinueWithBreak",
    "ReplaceFalseWithTrue", "ReplaceOrWithAnd", "ReplaceTrueWithFalse", "ZeroIterationForLoop", "ReplaceUnaryOperator_Delete_Not",
    "ReplaceUnaryOperator_Delete_USub", "ReplaceUnaryOperator_USub_UAdd", "ReplaceBinaryOperator_Add_Sub",
    "ReplaceBinaryOperator_Sub_Add", "ReplaceBinaryOperator_Mul_Div", "ReplaceBinaryOperator_Div_Mul",
    "ReplaceBinaryOperator_FloorDiv_Div", "ReplaceBinaryOperator_Mod_FloorDiv", "ReplaceBinaryOperator_Pow_Mul",
    "ReplaceBinaryOperator_BitAnd_BitOr", "ReplaceBinaryOperator_BitOr_BitAnd", "ReplaceComparisonOperator_Lt_LtE",
    "ReplaceComparisonOperator_LtE_Lt", "ReplaceComparisonOperator_Gt_GtE", "ReplaceComparisonOperator_GtE_Gt",
    "ReplaceComparisonOperator_Lt_Gt", "ReplaceComparisonOperator_Gt_Lt", "ReplaceComparisonOperator_Eq_NotEq",
    "ReplaceComparisonOperator_NotEq_Eq", "ReplaceComparisonOperator_Is_IsNot", "ReplaceComparisonOperator_IsNot_Is",
)  # fmt: skip
"""Slips that people make. Others of cosmic-ray's (a sum that becomes a shift of bits) end in a TypeError that any test sees."""


@dataclass(frozen=True)
class Fault:
    """One change of one place. line: where, from 1; was, is_now: that line before and after."""

    group: str
    path: str
    operator: str
    occurrence: int
    line: int
    was: str
    is_now: str

    @property
    def name(self) -> str:
        """The same whenever it is drawn from the same line, wherever that stands in its file."""
        return f"{self.path}: {self.was} -> {self.is_now}"


def draw(group: Group, root: Path, count: int, seed: int) -> list[Fault]:
    """So many faults, each in a line of its own; files weigh by how many they can have. Fewer where there are no more.

    A place is drawn by a hash of the seed and what its line says: a change of the code elsewhere leaves it drawn.
    """
    places = [place for _, *place in sorted(_places(group, root, seed), key=lambda place: place[0])]
    drawn: list[Fault] = []
    lines: set[tuple[str, int]] = set()
    names: set[str] = set()
    for path, operator, occurrence in places:
        fault = _fault(group, root, path, operator, occurrence)
        if fault is not None and (fault.path, fault.line) not in lines and fault.name not in names:
            drawn.append(fault)
            lines.add((fault.path, fault.line))
            names.add(fault.name)
        if len(drawn) == count:
            break
    return drawn


def mutated(text: str, fault: Fault) -> str:
    """The file with the fault. ValueError where it has changed since the fault was drawn."""
    made = mutate_code(text, get_operator(fault.operator)(), fault.occurrence)
    if made is None or _changed_line(text, made) != (fault.line, fault.was, fault.is_now):
        raise ValueError(f"{fault.name}: the file has changed since")
    return made


def _places(group: Group, root: Path, seed: int) -> Iterator[tuple[str, Path, str, int]]:
    """All that can be changed, as (hash, file, operator, occurrence)."""
    for path in group.files(root):
        text = path.read_text(encoding="utf-8")
        lines, nodes = text.splitlines(), list(ast_nodes(get_ast(text)))
        for kind in _KINDS:
            operator, alike = get_operator(f"core/{kind}")(), Counter()
            positions = [position for node in nodes for position in operator.mutation_positions(node)]
            for k, ((line, column), _) in enumerate(positions):
                line_text = lines[line - 1]
                says = f"{path.relative_to(root)} {kind} {column - len(line_text) + len(line_text.lstrip())} {line_text.strip()}"
                alike[says] += 1
                yield hashlib.sha256(f"{seed} {alike[says]} {says}".encode()).hexdigest(), path, f"core/{kind}", k


def _fault(group: Group, root: Path, path: Path, operator: str, occurrence: int) -> Fault | None:
    """None where the change is none at run time: in an annotation or a docstring, or where it is no Python."""
    text = path.read_text(encoding="utf-8")
    made = mutate_code(text, get_operator(operator)(), occurrence)
    if made is None or _meaning(made) in (None, _meaning(text)):
        return None
    line, was, is_now = _changed_line(text, made)
    return Fault(group.name, str(path.relative_to(root)), operator, occurrence, line, was, is_now)


def _changed_line(text: str, made: str) -> tuple[int, str, str]:
    for number, (was, is_now) in enumerate(zip(text.splitlines(), made.splitlines()), 1):
        if was != is_now:
            return number, was.strip(), is_now.strip()
    return 0, "", ""


class _Bare(ast.NodeTransformer):
    """Takes out what is not run, and decorators: whether a kernel is kept on disk, or a record frozen, changes no result."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns, node.decorator_list = None, []
        return self._without_docstring(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.decorator_list = []
        return self._without_docstring(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        self.generic_visit(node)
        return node

    def _without_docstring(self, node):
        self.generic_visit(node)
        node.body = [part for part in node.body if not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))]
        return node


def _meaning(text: str) -> str | None:
    try:
        return ast.dump(_Bare().visit(ast.parse(text)))
    except SyntaxError:
        return None
