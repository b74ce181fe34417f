"""A part of the hostile corpus, and that the runner notices what it looks for. `vla hostile` runs the whole."""

import json
import os
import subprocess
import sys
import textwrap

from vla_bench.hostile.corpus import corpus
from vla_bench.hostile.page import faults_of

GROUPS = {"card", "bag", "run", "write", "agree", "checkpoint", "data", "model"}


def python(*words: str, **more) -> subprocess.CompletedProcess:
    """In a process of its own: cases are forks of one that has no threads."""
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=110, **more)


def test_hostile_files_and_texts_are_told_in_a_line_and_bounded(tmp_path):
    done = python("-m", "vla_bringup.cli", "hostile", "--representative", "--json", str(tmp_path / "outcomes.json"))
    outcomes = json.loads((tmp_path / "outcomes.json").read_text())["outcomes"]
    assert {one["name"]: one["faults"] for one in outcomes if one["faults"]} == {}, done.stdout
    assert done.returncode == 0 and len(outcomes) >= 55
    assert {one["name"].partition(":")[0] for one in outcomes} == GROUPS


def test_there_are_hundreds_of_them_and_each_group_is_among_them():
    cases = corpus()
    assert len(cases) >= 400 and {case.group for case in cases} == GROUPS
    assert all(0 < len([case for case in cases if case.group == group]) for group in GROUPS)


def test_the_runner_notices_what_it_looks_for():
    script = textwrap.dedent("""
        import os, sys, json, time
        import vla_bringup.cli as cli
        from vla_bench.hostile import runner
        from vla_bench.hostile.case import Case, victim
        runner.PATIENCE_S, runner.MOST_S = 8.0, 0.5

        def wrong(argv):
            what = argv[0]
            if what == "traceback":
                raise ValueError("not told")
            if what == "memory":
                return len(bytearray(600_000_000)) and 2
            if what == "processor":
                until = time.process_time() + 0.8
                while time.process_time() < until: pass
                return 2
            if what == "hang":
                time.sleep(60)
            if what == "code":
                return 0
            if what == "terminal":
                print("\\x1b[31m\\u202e")
            if what == "link":
                open("report.html", "w").write("x")
            if what == "outside":
                open("../beside", "w").write("x")
            if what == "home":
                open(os.path.expanduser("~/left"), "w").write("x")
            if what == "ran":
                open("pwned", "w")
            return 2

        cli.main = wrong
        names = "fine traceback memory processor hang code terminal link outside home ran".split()
        cases = [Case(f"x: {name}", (name,), lambda at: victim(at / "report.html"), codes=(2,)) for name in names]
        print(json.dumps({o.name: o.faults for o in runner.run_cases(cases)}))
    """)
    faults = json.loads(python("-c", script, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, check=True).stdout)
    wanted = {
        "traceback": "a traceback",
        "memory": "took 6",
        "processor": "took ",
        "hang": "did not end in 8 s",
        "code": "ended with 0",
        "terminal": "wrote U+001B, U+202E",
        "link": "changed a file",
        "outside": "made beside outside",
        "home": "left left in home",
        "ran": "ran what was not ours",
    }
    assert faults.pop("x: fine") == []
    for name, words in wanted.items():
        found = faults.pop(f"x: {name}")
        assert [fault for fault in found if fault.startswith(words)] and len(found) < 3, (name, found)
    assert faults == {}


def test_a_page_that_runs_or_loads_something_is_noticed():
    policy = "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'\">"
    page = f"<html>{policy}<style></style><script></script>%s</html>"
    assert faults_of(page % "<a href='#x'>x</a><img src='data:,'>") == []
    for more, words in (
        ("<script>1</script>", "2 scripts"),
        ("<iframe>", "iframe"),
        ("<p onclick=x>", "<p> has onclick"),
        ("<img src='http://x'>", "<img> has src"),
        ("\u202e", "holds U+202E"),
    ):
        assert words in "; ".join(faults_of(page % more))
    assert "no policy" in "; ".join(faults_of("<style></style><script></script>"))
