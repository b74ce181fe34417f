"""`make mutants`: puts single faults into the code, one at a time, and counts those that the tests of the package notice.

Faults are drawn by a seed and made by cosmic-ray, in copies of the tracked files. Interrupted, it goes on where it was; faults of
code that has changed since are drawn again. What is not noticed is listed with its explanation, or without one.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from covering import Covering
from groups import GROUPS, ROOT
from tqdm import tqdm

if "COSMIC_RAY" in os.environ:  # behind our own packages, and not for the tests
    sys.path.append(os.environ["COSMIC_RAY"])

from draw import Fault, draw, mutated

EXPLAINED = Path(__file__).with_name("explained.json")
"""Fault -> why no test has to notice it, or why none does."""
_SAME = "the same"
"""So explanations begin of faults that nobody can notice."""
SLACK_S = 60.0


def make_tree(tree: Path) -> None:
    """A copy of the tracked files, and of those that git does not ignore."""
    shutil.rmtree(tree, ignore_errors=True)
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    ).stdout.decode()
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)


def environment_of(tree: Path) -> dict[str, str]:
    """In which the tree's own packages come before the installed ones."""
    packages = [str(path.parent) for path in sorted(tree.glob("vla_*/setup.py"))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([*packages, os.environ.get("PYTHONPATH", "")])}


def notices(fault: Fault, tree: Path, tests: list[str], limit_s: float) -> tuple[bool, str]:
    """Whether a test fails with the fault in the tree, and which: the first, or that they did not end."""
    path = tree / fault.path
    text = path.read_text(encoding="utf-8")
    environment = environment_of(tree)
    with tempfile.TemporaryDirectory(prefix="vla_mutant_") as folder:
        (Path(folder) / "tests").write_text("\n".join(tests))
        if "njit" in text:  # kernels that call this one are kept compiled with the old one in them
            environment["NUMBA_CACHE_DIR"] = folder
        path.write_text(mutated(text, fault), encoding="utf-8")
        try:
            done = subprocess.run(
                [sys.executable, "-m", "pytest", "-n0", "-x", "-q", "-p", "no:cacheprovider", f"@{folder}/tests"],
                cwd=tree, env=environment, capture_output=True, text=True, timeout=limit_s,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return True, f"not ended after {limit_s:.0f} s"
        finally:
            path.write_text(text, encoding="utf-8")
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return done.returncode != 0, failed[0][:200] if failed else ""


def main() -> int:
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__.splitlines()[0])
    parser.add_argument("--faults", type=int, default=50, help="of each group (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    parser.add_argument("--lanes", type=int, default=1, help="faults at a time, each in a copy of its own (default: %(default)s)")
    parser.add_argument("--only", nargs="+", choices=[group.name for group in GROUPS], help="groups (default: all)")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "mutants", help="default: out/mutants")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    groups = [group for group in GROUPS if args.only is None or group.name in args.only]
    drawn = {group.name: draw(group, ROOT, args.faults, args.seed) for group in groups}
    results = args.out / "results.jsonl"
    rows = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    known = {row["fault"]: row for row in rows if row["noticed"]}  # the others are tried again: tests may have been added
    trees: queue.Queue[Path] = queue.Queue()
    for lane in range(args.lanes):
        make_tree(args.out / f"tree{lane}")
        trees.put(args.out / f"tree{lane}")
    for group in groups:
        covering = Covering(group, args.out / "tree0", args.out, environment_of(args.out / "tree0"))
        missing = [fault for fault in drawn[group.name] if fault.name not in known]

        def run(fault: Fault, covering: Covering = covering) -> dict:
            tests = covering.tests_of(fault.path, fault.line)
            limit_s = SLACK_S + 4 * sum(covering.seconds[test] for test in tests)
            tree, begun = trees.get(), time.monotonic()
            try:
                noticed, by = notices(fault, tree, tests, limit_s)
            finally:
                trees.put(tree)
            return {"group": fault.group, "fault": fault.name, "noticed": noticed, "by": by, "tests": len(tests),
                    "seconds": round(time.monotonic() - begun, 1)}  # fmt: skip

        with ThreadPoolExecutor(args.lanes) as pool, open(results, "a", encoding="utf-8") as file:
            for row in tqdm(pool.map(run, missing), total=len(missing), desc=group.name, unit="fault"):
                known[row["fault"]] = row
                file.write(json.dumps(row) + "\n")
                file.flush()
    return report({name: [known[fault.name] for fault in faults] for name, faults in drawn.items()})


def report(rows: dict[str, list[dict]]) -> int:
    """Prints shares and survivors. 1 where fewer than 90 % were noticed, or a survivor is not explained."""
    explained = json.loads(EXPLAINED.read_text()) if EXPLAINED.exists() else {}
    every = [row for group in rows.values() for row in group]
    for name, group in rows.items():
        print(f"{name:12} {sum(row['noticed'] for row in group):3} of {len(group):3} noticed")
    share = sum(row["noticed"] for row in every) / len(every)
    print(f"{'all':12} {sum(row['noticed'] for row in every):3} of {len(every):3} noticed, {share:.1%}")
    same = sum(explained.get(row["fault"], "").startswith(_SAME) for row in every if not row["noticed"])
    print(f"{same} of the others change nothing that the code does: of the rest {share * len(every) / (len(every) - same):.1%}")
    unexplained = 0
    for row in every:
        if not row["noticed"]:
            why = explained.get(row["fault"], "")
            unexplained += not why
            print(f"not noticed: {row['fault']}\n    {why or 'NOT EXPLAINED'}")
    return 0 if share >= 0.9 and not unexplained else 1


if __name__ == "__main__":
    sys.exit(main())
