"""The page needs no network, runs no text as a script, names malformed files, and shows well in a browser."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import report_samples as samples

from vla_bringup.cli import main
from vla_evidence.report.errors import ReportError
from vla_evidence.report.folder import FILES
from vla_evidence.report.report import TEMPLATES, make_report
from vla_evidence.rows.row_files import write_rows
from vla_evidence.statistics.paired import Pairs, compare

HOSTILE = """</style></script><script>alert('x')</script><img src="http://evil.example/a.png" onerror=alert(1)> & "quoted" '"""
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Elements(HTMLParser):
    """Tags with their attributes, and the text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.inside, self.text = "", {"script": "", "style": "", "": ""}
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.found.append((tag, dict(attributes)))
        self.inside = tag if tag in ("script", "style") else self.inside

    def handle_endtag(self, tag: str) -> None:
        self.inside = "" if tag == self.inside else self.inside

    def handle_data(self, data: str) -> None:
        self.text[self.inside] += data


def hostile_columns(between: dict) -> dict:
    return {**between, "columns": {HOSTILE: {**next(iter(between["columns"].values())), "unit": HOSTILE}}}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory, card) -> Path:
    """A run folder in which every text that a stranger may have written is hostile."""
    folder = samples.write_run(tmp_path_factory.mktemp("report") / "hostile", card)
    texts = dict.fromkeys(("instruction", "task", "perturbation", "policy", "target"), HOSTILE)
    write_rows(folder / "episodes.jsonl", [replace(row, **texts) for row in samples.episodes(card)])
    for name, field, value in (
        ("ledger.json", "notes", [HOSTILE]),
        ("preflight.json", "unchecked", [HOSTILE]),
        ("preflight.json", "findings", [dict.fromkeys(("severity", "field", "check", "seen", "expected", "todo"), HOSTILE)]),
        ("replay.json", "scores", {HOSTILE: 1.0}),
        ("replay.json", "between", hostile_columns),
        ("ledger.json", "cadence", lambda cadence: {HOSTILE: cadence["joint_states"]}),
        ("ledger.json", "command", {"argv": ["vla", HOSTILE], "folder": HOSTILE}),
    ):
        content = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**content, field: value(content[field]) if callable(value) else value}))
    return folder


def test_hostile_text_stays_text_and_nothing_is_loaded(hostile):
    page = Elements(make_report(hostile))
    tags = [tag for tag, _ in page.found]
    assert tags.count("script") == tags.count("style") == 1
    assert not {"iframe", "object", "embed", "form", "base"} & set(tags)
    assert page.text[""].count("alert('x')") > len(samples.TASKS)  # it is there to be read
    for tag, attributes in page.found:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href", "srcset", "action", "poster", "data"):
            if name in attributes:
                assert attributes[name].startswith(("data:", "#")), (tag, attributes)
        assert tag != "link" or attributes["href"] == "data:,"
    styles = page.text["style"] + "".join(a.get("style", "") for _, a in page.found)
    assert "url(" not in styles and "@import" not in styles and "://" not in styles + page.text["script"]
    policy = next(a["content"] for tag, a in page.found if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'") and "script-src 'sha256-" in policy


def test_templates_are_installed_with_the_package():
    setup = (Path(__file__).resolve().parents[1] / "setup.py").read_text()
    assert re.search(r"package_data=\{PACKAGE: \[[^\]]*\"report/templates/\*\"", setup), "a wheel would lack the templates"
    assert {"page.html", "style.css", "sort.js"} <= {path.name for path in TEMPLATES.iterdir()}


def contents(card) -> dict[str, dict]:
    """Of the files of figures, whole."""
    return {
        "eval.json": samples.trials({1: True, 2: False, 3: None}), "ledger.json": samples.ledger(card),
        "replay.json": samples.replay(card), "preflight.json": samples.preflight(card),
        "compare.json": compare(Pairs(1, 1, 0, 2), ("a", "b")),
    }  # fmt: skip


def changed(content: dict, path: str, value: object) -> dict:
    """With another value at a path like rows.0.label."""
    first, _, rest = path.partition(".")
    copy = dict(content) if isinstance(content, dict) else list(content)
    key = int(first) if isinstance(copy, list) else first
    copy[key] = changed(copy[key], rest, value) if rest else value
    return copy


def told(folder: Path, capsys, words: str) -> None:
    with pytest.raises(ValueError) as caught:
        make_report(folder)
    assert words in str(caught.value)
    assert main(["report", str(folder)]) == 2
    assert words in capsys.readouterr().err and not (folder / "report.html").exists()


@pytest.mark.parametrize(
    ("name", "path", "value", "words"),
    [
        ("ledger.json", "overall.sent", "many", "ledger.json: overall.sent: 'many', allowed is a whole number"),
        ("ledger.json", "overall.parts.wait.p50_ms", True, "overall.parts.wait.p50_ms: True, allowed is a number"),
        ("ledger.json", "command", "vla ledger", "ledger.json: command: 'vla ledger', allowed is null or a mapping with argv"),
        ("eval.json", "rows.0.success", 3, "eval.json: rows[0].success: 3, allowed is true or false"),
        ("eval.json", "rows.1.label", "BAD_LUCK", "eval.json: rows[1]: label: 'BAD_LUCK'"),
        ("replay.json", "policies", 7, "replay.json: policies: 7, allowed is a mapping"),
        ("replay.json", "shadow.columns", {"x": {"mean_abs": 1, "p95": "far"}}, "columns.x.p95: 'far', allowed is a number"),
        ("preflight.json", "findings.0.seen", 4, "preflight.json: findings[0].seen: 4, allowed is text"),
        ("compare.json", "interval", [1], "compare.json: interval: [1], allowed is a list of 2"),
    ],
)
def test_a_value_of_another_kind_is_named(tmp_path, card, capsys, name, path, value, words):
    (tmp_path / name).write_text(json.dumps(changed(contents(card)[name], path, value)))
    told(tmp_path, capsys, words)


@pytest.mark.parametrize(
    ("name", "field", "words"),
    [
        ("ledger.json", "overall", "ledger.json: overall: missing; `vla ledger BAG --json DIR/ledger.json` writes the file anew"),
        ("eval.json", "clamped_share", "eval.json: clamped_share: missing; `vla eval --out DIR` writes the file anew"),
        ("replay.json", "scores", "replay.json: scores: missing; `vla replay BAG --out DIR` writes the file anew"),
        ("preflight.json", "errors", "preflight.json: errors: missing; `vla card check"),
        ("compare.json", "verdict", "compare.json: verdict: missing; `vla eval --against"),
    ],
)
def test_a_file_that_lacks_a_field_is_refused_by_name_and_not_shown_as_blank(tmp_path, card, capsys, name, field, words):
    content = contents(card)[name]
    (tmp_path / name).write_text(json.dumps({key: value for key, value in content.items() if key != field}))
    told(tmp_path, capsys, words)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("ledger.json", "{", "ledger.json: not JSON"),
        ("ledger.json", "[]", "ledger.json: [], allowed is a mapping"),
        ("episodes.jsonl", '{"episode": 1}\n', "episodes.jsonl: line 1: run_id: missing"),
        ("inferences.jsonl", "no row\n", "inferences.jsonl: line 1: not JSON"),
        ("labels.jsonl", '{"run_id": 3}\n', "labels.jsonl: line 1"),
    ],
)
def test_malformed_files_are_named(tmp_path, capsys, name, text, words):
    (tmp_path / "eval.json").write_text(json.dumps(samples.trials({1: True})))
    (tmp_path / name).write_text(text)
    told(tmp_path, capsys, words)


def test_what_is_written_is_what_was_read_and_newer_keys_are_passed_over(tmp_path, card):
    for name, content in contents(card).items():
        kind = FILES[name][1]
        content = json.loads(json.dumps(content))
        written = kind.from_json({**content, "of_a_later_suite": 3}, name).to_json()
        assert written == {key: value for key, value in content.items() if key in written}, name
        assert not [key for key in content.keys() - written.keys() if content[key] not in (None, {}, [], 0)], name


def test_folders_without_anything_are_an_error(tmp_path, card):
    with pytest.raises(ReportError, match="nothing to report; a run folder has at least one of"):
        make_report(tmp_path)
    with pytest.raises(ReportError, match="no such folder"):
        make_report(tmp_path / "nowhere")
    (tmp_path / "preflight.json").write_text(json.dumps({**samples.preflight(card), "errors": 0}))
    assert "The files of this folder score nothing" in make_report(tmp_path)
    (tmp_path / "frames").mkdir()
    shutil.copytree(tmp_path, tmp_path / "other")
    with pytest.raises(ReportError, match="--against compares episodes"):
        make_report(tmp_path, against=tmp_path / "other")


def test_a_folder_is_not_compared_with_itself(tmp_path, card):
    """Under whatever name: the page said that nothing differs."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "preflight.json").write_text(json.dumps(samples.preflight(card)))
    (tmp_path / "b").symlink_to(tmp_path / "a")
    for other in (tmp_path / "a", tmp_path / "b", tmp_path / "a" / ".." / "a"):
        with pytest.raises(ReportError, match="--against is the same folder"):
            make_report(tmp_path / "a", against=other)


def test_the_verb_writes_one_file(hostile, tmp_path, capsys):
    out = tmp_path / "deep" / "page.html"
    assert main(["report", str(hostile), "--out", str(out), "--max-frames", "1"]) == 0
    assert str(out) in capsys.readouterr().out and [p.name for p in out.parent.iterdir()] == ["page.html"]
    assert "The first 1 of 8 failures" in out.read_text()


def test_a_browser_shows_it_without_network_or_complaints(hostile, tmp_path):
    if BROWSER is None:
        pytest.skip(
            "no chromium on PATH: that the page loads nothing is tested on its source alone, in "
            "test_hostile_text_stays_text_and_nothing_is_loaded"
        )
    path = tmp_path / "page.html"
    path.write_text(make_report(hostile))
    log, shot = tmp_path / "net.json", tmp_path / "page.png"
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={tmp_path / 'profile'}",
        "--enable-logging=stderr", f"--log-net-log={log}", "--disable-background-networking", "--disable-component-update",
        "--window-size=900,1200", f"--screenshot={shot}", "--dump-dom", path.as_uri(),
    ]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "CONSOLE" not in result.stderr, result.stderr
    assert "evil.example" not in log.read_text()
    assert "succeeded (75.0" in result.stdout and "Most steps clamped" in result.stdout
    assert result.stdout.count("<th><button>") + result.stdout.count('<th class="n"><button>') > 10  # the script ran
    from PIL import Image

    with Image.open(shot) as image:
        assert image.size == (900, 1200) and len(image.convert("RGB").getcolors(1 << 24)) > 50
