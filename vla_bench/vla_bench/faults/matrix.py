"""The fault matrix: what the real graph, as processes, does when something in it fails.

    python -m vla_bench.faults.matrix [--only WORD ...] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from vla_bench.faults import arm_cases, chunk_cases, posture_cases, process_cases, rival_cases
from vla_bench.faults.bench import FaultBench, Row
from vla_bench.faults.graph import FaultGraph, write_launch_file
from vla_bench.faults.stop import STOP_MS, stops, summary
from vla_contract.arguments import whole
from vla_contract.card import InterfaceCard, load_card
from vla_evidence.console import Console
from vla_evidence.fitted_table import FittedTable
from vla_graph.domains import free_domain
from vla_graph.ros.client import GraphClient, GraphError

STREAMED = {
    "nan_chunk": chunk_cases.nan_chunk,
    "permuted_names": chunk_cases.permuted_names,
    "wrong_card": chunk_cases.wrong_card,
    "replayed_run": chunk_cases.replayed_run,
    "flood": chunk_cases.flood,
    "joint_states_stopped": arm_cases.joint_states_stopped,
    "states_in_parts": posture_cases.states_in_parts,
    "state_of_the_future": posture_cases.state_of_the_future,
    "states_with_gaps": posture_cases.states_with_gaps,
    "stuck_joint": arm_cases.stuck_joint,
    "moved_by_hand": arm_cases.moved_by_hand,
    "second_commander": rival_cases.second_commander,
    "second_nodes": rival_cases.second_nodes,
}
"""Faults that chunks of a script show best: they need no policy."""
WITH_POLICY = {
    "camera_stopped": process_cases.camera_stopped,
    "camera_repeats": process_cases.camera_repeats,
    "camera_frozen": process_cases.camera_frozen,
    "stop_under_policy": process_cases.stop_under_policy,
    "second_policy": rival_cases.second_policy,
    "controller_killed": process_cases.controller_killed,
    "policy_killed": process_cases.policy_killed,
}
ON_ANOTHER_CLOCK = {
    "policy_of_another_card": process_cases.policy_of_another_card,
    "ignored_trajectories": arm_cases.ignored_trajectories,
    "silent_controller": arm_cases.silent_controller,
    "reactivations": posture_cases.reactivations,
    "lost_messages": posture_cases.lost_messages,
    "clock_set_back": arm_cases.clock_set_back,
}
"""In a graph on the simulator's clock, whose policy has another card than the controller."""
STOPS = ("stop_pressed",)
START_S = 90.0
"""Longest wait for a graph to come up [s]."""
FAULTS = (*STREAMED, *STOPS, *WITH_POLICY, *ON_ANOTHER_CLOCK)


class _Matrix:
    def __init__(self, only: Sequence[str], progress: bool, stop_repeats: int, stop_allowed_ms: float) -> None:
        self.only, self.stop_repeats, self.stop_allowed_ms = only, stop_repeats, stop_allowed_ms
        self.console = Console(stderr=True, quiet=not progress)
        self.rows: list[Row] = []
        self.stop_times: list[float] = []
        self.quiet_times: list[float] = []

    def wants(self, names) -> bool:
        return any(name in self.only for name in names)

    def run(self, bench: FaultBench, faults: dict[str, Callable[[FaultBench], Row]]) -> None:
        for name, fault in faults.items():
            if name in self.only:
                self.add(name, bench, fault)

    def add(self, name: str, bench: FaultBench, measure: Callable[[FaultBench], Row]) -> None:
        begun = time.monotonic()
        try:
            row = measure(bench)
        except GraphError as error:
            row = Row(name.replace("_", " "), problems=[str(error)])
        finally:
            bench.end_streams()
        self.rows.append(row)
        word = "[green]held[/green]" if row.passed else "[red]failed[/red]"
        self.console.print(f"{row.fault:<46} {word} {time.monotonic() - begun:5.1f} s  {'; '.join(row.problems)}")

    def stops(self, bench: FaultBench) -> None:
        fewer, allowed = max(2, self.stop_repeats // 4), self.stop_allowed_ms
        self.add("stop pressed", bench, lambda b: stops(b, self.stop_repeats, self.stop_times, allowed, stream=True))
        self.add("stop pressed", bench, lambda b: stops(b, fewer, self.quiet_times, allowed, stream=False))


class _Graph:
    """A running graph with its bench, as a context manager. Started once more where its nodes do not find each other."""

    def __init__(self, card: InterfaceCard, launch_file: Path, log: Path, domain: int, *, sim_time: bool) -> None:
        self._arguments = (launch_file, log, domain)
        self._card, self._sim_time = card, sim_time
        self.restarts = 0

    def __enter__(self) -> FaultBench:
        for last in (False, True):
            self._graph = FaultGraph(*self._arguments)
            self._client = GraphClient("fault_matrix", keep_chunks=False)
            try:
                return self._ready()
            except GraphError:
                self.__exit__()
                if last:
                    raise
                self.restarts += 1

    def _ready(self) -> FaultBench:
        graph, client = self._graph, self._client
        bench = FaultBench(graph, client, self._card, sim_time=self._sim_time)
        client.wait_until(
            lambda: graph.check_alive() or client.controller_status is not None, "the controller to come up", START_S
        )
        bench.begin()
        if graph.pid("policy"):
            client.wait_ready(START_S)
        return bench

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._graph.stop()


def measure(
    progress: bool = True, domain: int | None = None, *, only: Sequence[str] = FAULTS, card_path: str | None = None,
    checkpoint: str | None = None, stop_repeats: int = 20, stop_allowed_ms: float = STOP_MS, folder: Path | None = None,
) -> dict:  # fmt: skip
    """Runs the faults through processes.

    Args:
        progress: One line for each on standard error.
        domain: ROS_DOMAIN_ID; None: one that depends on this process.
        only: Names of faults, of FAULTS.
        card_path: Path of a card with EE_DELTA actions; None: the shipped one.
        checkpoint: Path of a policy for it; None: the shipped one.
        stop_repeats: How often stop is pressed.
        stop_allowed_ms: The latest first braking setpoint after a stop, at the 95th percentile [ms].
        folder: For launch files and logs; None: a temporary one, which goes.

    Returns:
        total, failed: numbers of rows. rows: dictionaries of `Row`. stop_ms: the 95th percentile from the request of
        vla/stop to the first braking setpoint while chunks stream at 10 Hz; stop: median, 95th percentile and maximum with
        them (`streaming`) and on one chunk (`one_chunk`) [ms]. late: trajectories that arrived after the instant at which
        their motion was to take over, and the largest step that this made; the machine was too busy for the margins.

    Raises:
        ValueError: An unknown fault. GraphError: The graph does not come up.
    """
    from vla_contract.shipped import find_card, find_checkpoint

    unknown = sorted(set(only) - set(FAULTS))
    if unknown:
        raise ValueError(f"no fault {', '.join(unknown)}; there are: {', '.join(FAULTS)}")
    card_path = str(find_card(card_path or "panda_tabletop"))
    checkpoint = str(find_checkpoint(checkpoint or "panda_tabletop"))
    card = load_card(card_path)
    domain = free_domain() if domain is None else domain
    matrix = _Matrix(only, progress, stop_repeats, stop_allowed_ms)
    with tempfile.TemporaryDirectory(prefix="vla_faults_") as temporary:
        where = Path(folder or temporary)
        where.mkdir(parents=True, exist_ok=True)
        if matrix.wants((*STREAMED, *STOPS, *WITH_POLICY)):
            policy = checkpoint if matrix.wants(WITH_POLICY) else None
            launch = write_launch_file(where, card, card_path, policy, sim_time=False)
            with _Graph(card, launch, where / "graph.log", domain, sim_time=False) as bench:
                matrix.run(bench, WITH_POLICY)
                if policy is not None:  # one that was killed loads its model on all cores, and times would be of that
                    bench.client.wait_ready(START_S)
                if matrix.wants(STOPS):
                    matrix.stops(bench)
                matrix.run(bench, STREAMED)
                matrix.add("end", bench, _end)
        if matrix.wants(ON_ANOTHER_CLOCK):
            policy = checkpoint if "policy_of_another_card" in only else None
            other = _other_card(card, where)
            launch = write_launch_file(where, card, card_path, policy, sim_time=True, policy_card=other)
            with _Graph(card, launch, where / "graph_sim_time.log", domain, sim_time=True) as bench:
                matrix.run(bench, ON_ANOTHER_CLOCK)
                matrix.add("end", bench, _end)
    streaming = summary(matrix.stop_times)
    late = [late for row in matrix.rows for late in row.late]
    return {
        "total": len(matrix.rows),
        "failed": sum(not row.passed for row in matrix.rows),
        "rows": [row.to_dict() for row in matrix.rows],
        "stop_ms": streaming.get("p95_ms"),
        "late": {
            "messages": len(late),
            "ms": round(max((x.ms for x in late), default=0.0), 2),
            "rad": max((x.rad for x in late), default=0.0),
            "rad_s": max((x.rad_s for x in late), default=0.0),
        },
        "stop": {"streaming": streaming, "one_chunk": summary(matrix.quiet_times)},
    }


def _end(bench: FaultBench) -> Row:
    """Ctrl-C: what was never killed ends with code 0."""
    row = Row("Ctrl-C at the end", named="exit codes")
    if bench.graph.pid("policy"):  # one that was killed may be loading its model still
        bench.client.wait_ready(START_S)
    killed = bench.graph.unexpected_deaths()
    bench.client.close()
    bench.graph.stop()
    row.problems = killed + [text for text in bench.graph.unexpected_deaths() if not text.endswith(("code 0", "SIGINT"))]
    row.alive = not row.problems
    return row


def _other_card(card: InterfaceCard, folder: Path) -> str:
    """A card with the same policy contract and a little less tool speed."""
    content = card.to_dict()
    content["arms"][0]["limits"]["tool_speed"] *= 0.9
    path = folder / "other_card.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def table(result: dict) -> FittedTable:
    """One row for each fault."""
    made = FittedTable("Faults through the real graph")
    for name, right, rank in (
        ("fault", False, 0), ("named", False, 0), ("first braking setpoint", True, 1), ("allowed", True, 1), ("at rest", True, 2),
        ("processes", False, 3), ("verdict", False, 0),
    ):  # fmt: skip
        made.add_column(name, right=right, rank=rank, wraps=name in ("fault", "named"))
    for row in result["rows"]:
        verdict = "[green]held[/green]" if row["passed"] else "[red]failed[/red]"
        made.add_row(
            row["fault"], row["named"], _ms(row["first_braking_ms"]), _ms(row["allowed_ms"]), _ms(row["to_rest_ms"]),
            "alive" if row["alive"] else "[red]died[/red]", verdict,
        )  # fmt: skip
    return made


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.0f} ms" if value >= 100 else f"{value:.1f} ms"


def main() -> int:
    """Entry point: 0 where every fault was held."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=FAULTS, default=FAULTS, metavar="FAULT", help=", ".join(FAULTS))
    parser.add_argument("--stops", type=whole(1), default=20, help="how often stop is pressed (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="for launch files and logs, which then stay")
    parser.add_argument("--json", type=Path, help="file for the results")
    args = parser.parse_args()
    result = measure(only=args.only, stop_repeats=args.stops, folder=args.folder)
    console = Console()
    console.print(table(result))
    for row in result["rows"]:
        if row["problems"]:
            console.print(f"[red]{row['fault']}[/red]: {'; '.join(row['problems'])}")
    console.print(f"trajectories that arrived late: {result['late']}")
    console.print(f"from vla/stop to the first braking setpoint: {result['stop']}")
    if args.json:
        args.json.write_text(json.dumps(result, indent=2) + "\n")
    return 1 if result["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
