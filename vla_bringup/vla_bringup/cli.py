"""The `vla` command. Each verb lives in a module of its own, imported when the verb is used."""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from types import ModuleType

from vla_bringup import standard_output

VERBS = {
    "up": ("vla_bringup.cli_up", "start a launch file: vla up sim task:=pick"),
    "run": ("vla_bringup.cli_run", "run the policy on an instruction, until it ends or Ctrl-C"),
    "stop": ("vla_bringup.cli_service", "brake the arm and latch, until resume"),
    "resume": ("vla_bringup.cli_service", "release a stop"),
    "home": ("vla_bringup.cli_service", "move the arm to the card's home position"),
    "reset": ("vla_bringup.cli_reset", "lay out a task in the simulated cell"),
    "card": ("vla_bringup.cli_card", "check an interface card against graph, bag or checkpoint; draft one"),
    "checkpoint": ("vla_policy_node.cli_checkpoint", "show what a checkpoint was trained for, and how"),
    "demos": ("vla_eval.cli_demos", "write demonstrations of the scripted expert"),
    "train": ("vla_policy_node.cli_train", "train a policy on demonstrations"),
    "eval": ("vla_eval.cli_eval", "closed-loop trials in lockstep, with success rate and interval"),
    "agree": ("vla_eval.cli_agree", "whether two setups of `vla eval` tell the same about several policies"),
    "evidence": ("vla_eval.cli_evidence", "episodes and inferences of a bag as rows, with outcomes and failure labels"),
    "label": ("vla_eval.cli_label", "say how a recorded run ended, and why it failed"),
    "demo": ("vla_eval.cli_demo", "trials through the running ROS 2 graph, with pictures"),
    "record": ("vla_eval.cli_record", "record what the graph says into a rosbag2 folder"),
    "bench": ("vla_eval.cli_bench", "latency and speed of graph, policy and simulator"),
    "replay": ("vla_eval.cli_replay", "replay a bag: open-loop errors of policies, faults, gates; or into the graph"),
    "report": ("vla_eval.cli_report", "a run folder as one HTML file that needs no network"),
    "fuzz": ("vla_eval.cli_fuzz", "random chunks and faults for the controller, judged by an independent checker"),
    "ledger": ("vla_eval.cli_ledger", "where the time from camera to arm goes, from a bag or live"),
    "figures": ("vla_eval.cli_figures", "write the README figures from the results in out/"),
}
USER_ERROR = 2
"""Exit code of a mistake in what the user gave."""
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Of a write, which does not know the name of its file."""


def usage() -> str:
    """The verbs and what they do."""
    verbs = "\n".join(f"  {verb:10} {help_text}" for verb, (_, help_text) in VERBS.items())
    return f"usage: vla VERB [OPTIONS]\n\n{verbs}\n\n`vla VERB --help` tells the options of one verb."


def is_user_error(error: BaseException) -> bool:
    """Errors of our own classes, files that cannot be opened, and disks that take no more are told in a line; all others are
    faults of ours."""
    return type(error).__module__.partition(".")[0].startswith("vla_") or (
        isinstance(error, OSError) and (error.filename is not None or error.errno in _DISK))


def describe(error: BaseException) -> str:
    """An error in words for the user."""
    if isinstance(error, OSError) and (error.filename is not None or error.errno in _DISK):
        return f"{error.filename or 'what was to be written'}: {error.strerror}"
    return str(error)


def resolve_names(args: argparse.Namespace) -> None:
    """Replaces the names of shipped cards and checkpoints by their paths."""
    if getattr(args, "card", None) is None and not hasattr(args, "checkpoint"):
        return
    from vla_bringup.names import find_card, find_checkpoint

    if getattr(args, "card", None) is not None:
        args.card = find_card(args.card)
    for name in ("checkpoint", "against") if hasattr(args, "checkpoint") else ():
        if getattr(args, name, None) not in (None, "expert"):
            setattr(args, name, find_checkpoint(getattr(args, name)))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a verb. Returns its exit code: 0 for success, 2 for a mistake of the user, 130 after Ctrl-C, 141 where nobody
    reads the output any more."""
    words = list(sys.argv[1:] if argv is None else argv)
    name = f"vla {words[0]}" if words and words[0] in VERBS else "vla"
    try:
        code = _run(words)
        sys.stdout.flush()  # here, where a full disk can still be told
        return code
    except KeyboardInterrupt:
        print(f"\n{name}: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    except Exception as error:
        if isinstance(error, BrokenPipeError) and standard_output.reader_is_gone():
            standard_output.silence()
            return 128 + signal.SIGPIPE
        if os.environ.get("VLA_TRACEBACK") or not is_user_error(error):
            raise
        print(f"{name}: error: {describe(error)}", file=sys.stderr)
        standard_output.flush_or_silence()
        return USER_ERROR


def _run(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if words else USER_ERROR
    verb, *rest = words
    if verb not in VERBS:
        print(f"vla: error: no verb '{verb}'; there are: {', '.join(VERBS)}", file=sys.stderr)
        return USER_ERROR
    module = importlib.import_module(VERBS[verb][0])
    args = parser_of(verb, module).parse_args(rest)
    resolve_names(args)
    return module.run(args)


def parser_of(verb: str, module: ModuleType) -> argparse.ArgumentParser:
    """The parser of a verb's options. `args.verb` says which one it was, where several share a module."""
    parser = argparse.ArgumentParser(prog=f"vla {verb}", description=VERBS[verb][1].capitalize() + ".")
    parser.set_defaults(verb=verb)
    module.add_arguments(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
