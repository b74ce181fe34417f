"""Verbs of other people's packages: one that is broken, or claims a name that is taken, is told of, and breaks no other."""

import io
import resource
import subprocess
import sys

import pytest

from vla_bringup import cli
from vla_contract import plugins
from vla_contract.plugins import POLICIES, VERBS, PluginError, load, registered

GOOD = "HELP = 'something of a lab'\ndef add_arguments(parser): pass\ndef run(args):\n    print('it ran')\n    return 0\n"


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """Installs packages: ``lab(name, {module: text}, {verb: module})``."""

    def forget():
        for memory in (plugins._found, plugins._warn, plugins.claims, plugins.registered, plugins.packages):
            memory.cache_clear()

    def install(name, modules, verbs, group=VERBS):
        for module, text in modules.items():
            (tmp_path / f"{module}.py").write_text(text)
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = "".join(f"{verb} = {module}\n" for verb, module in verbs.items())
        (info / "entry_points.txt").write_text(f"[{group}]\n{lines}")
        forget()

    monkeypatch.syspath_prepend(tmp_path)
    forget()
    yield install
    forget()


def line_of(verb, capsys):
    assert cli.main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    found = [line.split(None, 1)[1] for line in lines if line.split()[:1] == [verb]]
    assert len(found) == 1, lines
    return found[0]


def test_a_verb_of_a_lab_is_listed_and_runs(lab, capsys):
    lab("lab", {"lab_fine": GOOD}, {"greet": "lab_fine"})
    assert line_of("greet", capsys) == "something of a lab"
    assert cli.main(["greet"]) == 0
    assert capsys.readouterr().out == "it ran\n"


@pytest.mark.parametrize(("text", "words"), [
    ("import no_such_module_at_all\n", "cannot be loaded: No module named 'no_such_module_at_all'"),
    ("raise RuntimeError('no GPU\\nand more of it')\n", "cannot be loaded: RuntimeError: no GPU)"),
    ("def broken(:\n", "cannot be loaded: SyntaxError: "),
    ("raise SystemExit(3)\n", "cannot be loaded: SystemExit: 3"),
    ("HELP = 'no way to run it'\n", "has no add_arguments, run"),
])
def test_a_broken_verb_says_why_in_its_line_and_breaks_no_other(lab, text, words, capsys):
    lab("lab", {"lab_broken": text}, {"greet": "lab_broken"})
    assert words in line_of("greet", capsys)
    assert line_of("stop", capsys) == load(VERBS, "stop").HELP
    assert cli.main(["greet"]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("vla greet: error: vla.verbs: 'greet' (lab_broken) ") and len(shown.splitlines()) == 1
    assert cli.main(["card", "check", "panda_tabletop"]) == 0


def test_a_name_that_two_packages_claim_is_an_error_for_that_name_alone(lab, capsys):
    lab("lab", {"lab_fine": GOOD}, {"greet": "lab_fine", "wave": "lab_fine"})
    lab("rival", {"vla_rival": GOOD}, {"wave": "vla_rival"})
    words = "'wave' is registered by lab_fine and by vla_rival; rename one"
    assert words in line_of("wave", capsys)
    assert cli.main(["wave"]) == 2
    assert words in capsys.readouterr().err
    assert cli.main(["greet"]) == 0
    with pytest.raises(PluginError, match="rename one"):
        load(VERBS, "wave")


@pytest.mark.parametrize("module", ["lab_fine", "vla_aaa", "vla_bags.verbs.record"])
def test_no_package_takes_a_verb_of_ours_away(lab, module, capsys):
    """Neither one that looks like ours, nor one that points another verb at it."""
    lab("a-lab", {} if "." in module else {module: GOOD}, {"stop": module})
    with pytest.raises(SystemExit) as ended:
        cli.main(["stop", "--help"])
    shown = capsys.readouterr()
    assert ended.value.code == 0 and "something of a lab" not in shown.out and "usage: vla stop" in shown.out
    assert shown.err == f"warning: vla.verbs: 'stop' stays ours; {module} of a-lab is not used\n"
    assert load(VERBS, "stop").__name__ == "vla_graph.verbs.stop"
    assert capsys.readouterr().err == "", "one line is enough"


@pytest.mark.parametrize("text", [b"[vla.verbs]\nstop\n", b"\xff\xfe[vla.verbs]\nstop = a\n"])
def test_a_package_with_damaged_entry_points_stops_nothing(lab, tmp_path, text, capsys):
    lab("lab", {"lab_fine": GOOD}, {"greet": "lab_fine"})
    lab("torn", {}, {})
    (tmp_path / "torn-1.0.dist-info" / "entry_points.txt").write_bytes(text)
    assert load(VERBS, "stop").__name__ == "vla_graph.verbs.stop"
    assert cli.main(["greet"]) == 0
    assert capsys.readouterr().err == "warning: the entry points of torn cannot be read, and are left out\n"


def test_two_rivals_and_a_copy_of_ours_leave_ours(lab):
    lab("one", {"lab_fine": GOOD}, {"stop": "lab_fine"})
    lab("two", {"vla_aaa": GOOD}, {"stop": "vla_aaa"})
    lab("three", {}, {"stop": "vla_graph.verbs.stop"})
    assert load(VERBS, "stop").__name__ == "vla_graph.verbs.stop"


def test_a_rival_without_a_terminal_to_warn_on_stops_nothing(lab, monkeypatch):
    lab("lab", {"lab_fine": GOOD}, {"stop": "lab_fine"})
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    assert load(VERBS, "stop").__name__ == "vla_graph.verbs.stop"


@pytest.mark.parametrize(("group", "name"), [
    (POLICIES, "native"), (POLICIES, "scripted"), (plugins.HEADS, None), (plugins.CODECS, None), (plugins.ENCODERS, None),
])
def test_policies_heads_codecs_and_encoders_of_ours_stay_ours(lab, group, name, capsys):
    name = name or next(iter(registered(group)))
    lab("lab", {"aaa_fine": GOOD}, {name: "aaa_fine", "extra": "aaa_fine"}, group)
    assert load(group, name).__module__.partition(".")[0] == "vla_policy"
    assert f"'{name}' stays ours; aaa_fine of lab is not used" in capsys.readouterr().err
    assert load(group, "extra").HELP == "something of a lab"


def test_nobody_reads_names_of_distributions_while_no_name_is_claimed_twice(monkeypatch, lab):
    """It takes a file each, and `vla stop` has no time for that."""
    monkeypatch.setattr(plugins, "_distribution", lambda point: pytest.fail(f"asked for the distribution of {point}"))
    load(VERBS, "stop")


def test_one_entry_point_that_is_found_twice_is_no_conflict(lab):
    again = registered(VERBS)["stop"].value
    lab("lab", {}, {"stop": again})
    assert load(VERBS, "stop").__name__ == again


def test_a_user_error_of_a_labs_own_class_is_one_line(lab, capsys):
    text = GOOD.replace("print('it ran')", "raise LabError('the lamp is off')")
    lab("lab", {"lab_fails": text + "class LabError(Exception): pass\n"}, {"greet": "lab_fails"})
    assert cli.main(["greet"]) == 2
    assert capsys.readouterr().err == "vla greet: error: the lamp is off\n"


def test_help_comes_at_once():
    """Every verb's module is imported for its line of help: none may import what is slow at its top."""
    code = (
        "import sys; from vla_bringup import cli; assert cli.main(['--help']) == 0; "
        "sys.exit(', '.join({'torch', 'mujoco', 'rclpy', 'scipy', 'rich', 'tqdm'} & set(sys.modules)) or 0)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0, "seconds of the CPU"
