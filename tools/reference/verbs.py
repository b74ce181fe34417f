"""Page of the `vla` command, from the parsers of its verbs."""

from __future__ import annotations

import argparse

from markdown import code, page, table

from vla_bringup.cli import parser_of
from vla_contract.plugins import VERBS, load, registered

INTRO = """
`vla VERB --help` says the same in a terminal. Exit code 0: done; 1: done, and the answer is bad (a gate exceeded, findings); 2: a
mistake in what was given, told in one line; 130: Ctrl-C.
"""


def render(packages: frozenset[str]) -> str:
    """Verbs of these packages alone, whatever else is installed. Those of vla_bench, for who works on the suite, last."""
    points = {name: point for name, point in registered(VERBS).items() if point.module.partition(".")[0] in packages}
    ours = sorted(points, key=lambda name: (points[name].module.startswith("vla_bench."), name))
    rows = [(f"[vla {name}](#vla-{name})", load(VERBS, name).HELP) for name in ours]
    parts = [table(("verb", "what it does"), rows)]
    for name in ours:
        parser = parser_of(name, load(VERBS, name))
        parts.append(f"## vla {name}\n\n{parser.description}\n\n{_options(parser)}")
    return page("Verbs of the vla command", INTRO, *parts)


def _options(parser: argparse.ArgumentParser) -> str:
    rows, below = [], []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            below += [f"### {sub.prog}\n\n{_options(sub)}" for sub in action.choices.values()]
        elif not isinstance(action, argparse._HelpAction) and action.help != argparse.SUPPRESS:
            rows.append((_name(action), _words(parser, action)))
    return "\n".join(filter(None, [table(("option", "meaning"), rows), *below])) or "No options.\n"


def _name(action: argparse.Action) -> str:
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    if action.choices is not None:
        metavar = "{" + ",".join(map(str, action.choices)) + "}" if action.metavar is None else metavar
    value = "" if action.nargs == 0 else {None: metavar, "?": f"[{metavar}]", "*": f"[{metavar} ...]", "+": f"{metavar} ..."}.get(
        action.nargs, metavar if not isinstance(action.nargs, int) else " ".join([metavar] * action.nargs))  # fmt: skip
    if not action.option_strings:
        return code(value)
    return code(f"{', '.join(action.option_strings)} {value}".strip())


def _words(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    words = parser._get_formatter()._expand_help(action) if action.help else ""
    return f"{words} (required)" if action.option_strings and action.required else words
