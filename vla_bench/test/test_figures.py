"""The figures of README.md and docs/figures.md: those of the files, and what was not measured is left out."""

import json

import pytest

from vla_bench.figures import BEGIN, END, TASK_WORDS, FiguresError, section, write_between_marks
from vla_bench.headline import write_figures

MACHINE = {"cores": 2, "processor": "Some CPU", "memory_gib": 23.5, "python": "3.11.7"}
LATENCY = {"p50_ms": 1.25, "p99_ms": 9.75}


@pytest.fixture
def out(tmp_path):
    results = {
        "graph": {"camera_to_chunk": {**LATENCY, "model_share": 0.5}, "overhead": LATENCY, "chunk_to_trajectory": LATENCY},
        "policy": {"infer": LATENCY}, "sim": {"steps_per_s": 7000.0, "frames_per_s": 370.0},
        "idle": {"shares": {"1000": 0.118, "100": 0.074}},
        "controller": {"stop_ms": 9.5, "faults": {"total": 21, "failed": 1}},
        "evidence": {"kills": 50, "lost": 2},
        "replay": {"realtime_factor": 4.25, "rss_growth_mb": 0.4, "seconds": 600.0},
        "eval": {"trials": 200, "jobs": 2, "trials_per_hour": 5000.4, "process_speedup": 1.62, "identical": False},
    }  # fmt: skip
    for name, content in {
        "bench/results.json": {"machine": MACHINE, "results": results},
        "demo/summary.json": {"successes": 9, "trials": 10, "seconds": 61.0},
        **{
            f"eval/{task}.json": {
                "successes": 90, "trials": 100, "interval": [0.82, 0.95], "clamped_share": 0.125,
                "realtime_factor": 7.0, "processes": 2,
            }
            for task in TASK_WORDS
        },
    }.items():  # fmt: skip
        path = tmp_path / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    return tmp_path / "out"


@pytest.fixture
def pages(tmp_path):
    """README.md and docs/figures.md with old figures between the marks."""
    paths = tmp_path / "README.md", tmp_path / "docs" / "figures.md"
    paths[1].parent.mkdir()
    for path in paths:
        path.write_text(f"before\n{BEGIN}\nold figures\n{END}\nafter\n")
    return paths


def test_the_page_holds_what_was_measured_and_nothing_else(out, pages):
    write_figures(*pages, out)
    text = pages[1].read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old figures" not in text
    assert "Some CPU" in text and "| 90 of 100 | 82% to 95% | 12.5% |" in text
    assert "| faults through the running graph | 20 of 21 at rest, state named |" in text
    assert "50 times | 2 unreadable, without metadata, lost, counted twice or left running |" in text
    assert "4.2 times real time, memory grows by 0 MB" in text
    assert "5000 an hour, 1.62 times one process; **different rows** from 1, 2 and Ray" in text
    assert "its states: 7% at 100 Hz, 12% at 1000 Hz." in text
    assert "ledger" not in text and "planted" not in text and "fuzz" not in text, "these were not measured"


def test_the_readme_holds_five_figures_with_the_kept_fuzz_among_them(out, pages):
    kept = pages[1].parent / "figures" / "fuzz_long.json"
    kept.parent.mkdir()
    fuzz = {"chunks": 1_002_410, "acceptable_share": 0.6, "violations": 0, "exceptions": 0, "unreported": 0}
    kept.write_text(json.dumps({"date": "2026-11-21", "figures": fuzz}))
    write_figures(*pages, out)
    text = pages[0].read_text()
    assert "old figures" not in text and "Some CPU" in text
    assert [line for line in text.splitlines() if line.startswith("| ") and line != "| | |"] == [
        "| 4 tasks in simulation, scenes never trained on | 360 of 400 trials succeed |",
        "| picks through the whole ROS 2 graph | 9 of 10 |",
        "| camera stamp to action chunk, median / 99 % | 1 / 10 ms |",
        "| random chunks with faults (long fuzz of 2026-11-21) | 1,002,410: 0 limits broken, 0 exceptions, 0 unreported |",
        "| `vla/stop` to the first braking setpoint, 95 % | 10 ms |",
    ]


def test_a_missing_result_names_its_command(out, pages):
    before = [path.read_text() for path in pages]
    (out / "eval" / "stack.json").unlink()
    with pytest.raises(FiguresError, match="vla eval --task stack"):
        write_figures(*pages, out)
    assert [path.read_text() for path in pages] == before, "nothing is lost"


def change(path, edit):
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(("edit", "words"), [
    (lambda c: c["results"].pop("graph"), r"no results.graph; `vla bench --only graph` measures it"),
    (lambda c: c["results"]["graph"]["overhead"].pop("p99_ms"), r"no results.graph.overhead.p99_ms; `vla bench --only graph`"),
    (lambda c: c["results"].pop("sim"), r"no results.sim; `vla bench --only sim` measures it"),
    (lambda c: c["results"].update(policy=3), r"results.policy is no object of figures; `vla bench --only policy`"),
    (lambda c: c["results"]["evidence"].pop("lost"), r"no results.evidence.lost; `vla bench --only kills`"),
    (lambda c: c["results"]["controller"]["faults"].pop("total"), r"no results.controller.faults.total; .* --only faults`"),
    (lambda c: c["results"]["eval"].pop("jobs"), r"no results.eval.jobs; `vla bench --only trials`"),
    (lambda c: c.pop("machine"), r"no machine; `vla bench` measures it"),
    (lambda c: c["results"]["sim"].update(steps_per_s="many"), r"of another kind than expected"),
])  # fmt: skip
def test_a_figure_that_is_not_there_is_named_with_the_command_that_measures_it(out, edit, words):
    change(out / "bench" / "results.json", edit)
    with pytest.raises(FiguresError, match=words) as error:
        section(out)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("content", "words"), [
    (b'{"machine": {', r"results.json: not JSON \(.*`make bench` writes it anew"),
    (b"\xff\xfe", r"results.json: not JSON"),
    (b"[1]", r"results.json: no object of figures"),
])  # fmt: skip
def test_a_damaged_file_is_named_with_the_command_that_writes_it(out, content, words):
    (out / "bench" / "results.json").write_bytes(content)
    with pytest.raises(FiguresError, match=words):
        section(out)


def test_marks_in_the_wrong_order_are_told(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"{END}{BEGIN}")
    with pytest.raises(FiguresError, match="in this order"):
        write_between_marks(readme, "figures")
