"""The `vla` command. Its verbs are entry points (`vla.verbs`), each a module that is imported when the verb is used."""

from __future__ import annotations

import argparse
import contextlib
import errno
import faulthandler
import os
import signal
import sys
from collections.abc import Sequence
from types import ModuleType

from vla_contract.arguments import Parser
from vla_contract.command import running
from vla_contract.plugins import VERBS, PluginError, load, packages, registered
from vla_contract.printing import tell, write_in_any_encoding
from vla_graph import standard_output

USER_ERROR = 2
"""Exit code of a mistake in what the user gave."""
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Of a write, which does not know the name of its file."""


def usage() -> str:
    """The verbs and what they do."""
    verbs = "\n".join(f"  {verb:10} {help_of(verb)}" for verb in registered(VERBS))
    return f"usage: vla VERB [OPTIONS]\n\n{verbs}\n\n`vla VERB --help` tells the options of one verb."


def help_of(verb: str) -> str:
    """What a verb does, in a line; of one that cannot be loaded, why."""
    try:
        return module_of(verb).HELP
    except PluginError as error:
        return f"({error})"


def module_of(verb: str) -> ModuleType:
    """The module of a verb. Raises PluginError where it cannot be loaded, or is none."""
    module = load(VERBS, verb)
    lacking = [name for name in ("HELP", "add_arguments", "run") if not hasattr(module, name)]
    if lacking:
        raise PluginError(f"{VERBS}: '{verb}' ({registered(VERBS)[verb].value}) has no {', '.join(lacking)}")
    return module


def is_user_error(error: BaseException) -> bool:
    """Errors of our own classes, files that cannot be opened, and disks that take no more are told in a line; all others are
    faults of ours."""
    package = type(error).__module__.partition(".")[0]
    return package.startswith("vla_") or package in packages() or (
        isinstance(error, OSError) and (error.filename is not None or error.errno in _DISK))


def describe(error: BaseException) -> str:
    """An error in words for the user."""
    if isinstance(error, OSError) and (error.filename is not None or error.errno in _DISK):
        return f"{error.filename or 'what was to be written'}: {error.strerror}"
    return str(error)


def resolve_names(args: argparse.Namespace) -> None:
    """Replaces the names of shipped cards and checkpoints by their paths; a policy of another kind keeps its `NAME:REST`.

    A verb that takes several cards finds them itself.
    """
    if getattr(args, "card", None) is None and not hasattr(args, "checkpoint"):
        return
    from vla_contract.policy_spec import find_policy
    from vla_contract.shipped import find_card

    if isinstance(getattr(args, "card", None), str | os.PathLike):
        args.card = find_card(args.card)
    for name in ("checkpoint", "against") if hasattr(args, "checkpoint") else ():
        if getattr(args, name, None) not in (None, "expert"):
            setattr(args, name, find_policy(getattr(args, name)))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a verb. Returns its exit code: 0 for success, 2 for a mistake of the user, 130 after Ctrl-C, 141 where nobody
    reads the output any more."""
    _tell_where_it_crashed()
    write_in_any_encoding()
    words = list(sys.argv[1:] if argv is None else argv)
    name = f"vla {words[0]}" if words and words[0] in registered(VERBS) else "vla"
    try:
        code = _run(words)
        sys.stdout.flush()  # here, where a full disk can still be told
        return code
    except KeyboardInterrupt:
        tell(f"\n{name}: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    except Exception as error:
        if isinstance(error, BrokenPipeError) and standard_output.reader_is_gone():
            standard_output.silence()
            return 128 + signal.SIGPIPE
        if os.environ.get("VLA_TRACEBACK") or not is_user_error(error):
            raise
        tell(f"{name}: error: {describe(error)}", file=sys.stderr)
        standard_output.flush_or_silence()
        return USER_ERROR


def _tell_where_it_crashed() -> None:
    """A crash in a library of the middleware ends a process without a word: now it tells what was being done, and so do the
    nodes that this process starts."""
    os.environ.setdefault("PYTHONFAULTHANDLER", "1")
    if not faulthandler.is_enabled():
        with contextlib.suppress(OSError, RuntimeError, ValueError):  # there is no standard error
            faulthandler.enable()


def _run(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        tell(usage())
        return 0 if words else USER_ERROR
    verb, *rest = words
    if verb not in registered(VERBS):
        tell(f"vla: error: no verb '{verb}'; there are: {', '.join(registered(VERBS))}", file=sys.stderr)
        return USER_ERROR
    module = module_of(verb)
    args = parser_of(verb, module).parse_args(rest)
    resolve_names(args)
    with running(["vla", *words]):
        return module.run(args)


def parser_of(verb: str, module: ModuleType) -> Parser:
    """The parser of a verb's options."""
    parser = Parser(prog=f"vla {verb}", description=f"{module.HELP[0].upper()}{module.HELP[1:]}.")
    module.add_arguments(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
