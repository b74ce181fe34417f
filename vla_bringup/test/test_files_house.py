"""Who reads, writes or tells what may be of others does it through `vla_contract.files` and `vla_contract.printing`."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OWN = ("vla_contract/vla_contract/files/", "vla_contract/vla_contract/printing.py", "vla_bench/")
METHODS = {"read_text", "write_text", "read_bytes", "write_bytes"}
FUNCTIONS = {
    "open", "print", "np.load", "json.load", "yaml.load", "yaml.safe_load", "safe_open", "load_file", "pq.read_table", "os.open",
    "zstandard.decompress", "lz4.frame.decompress", "np.savez", "np.save", "Console", "importlib.import_module", "import_module",
}  # fmt: skip
ALLOWED = {
    # What is not of others: files of the installation, and what the line before has opened or made.
    ("vla_bags/vla_bags/bag_folder.py", "open"): "a new file in a new folder",
    ("vla_bags/vla_bags/definitions.py", "read_text"): "definitions of installed packages",
    ("vla_bags/vla_bags/mcap_bytes.py", "zstandard.decompress"): "after the frame was asked how large it is",
    ("vla_bags/vla_bags/reader.py", "importlib.import_module"): "after the type was looked up",
    ("vla_bags/vla_bags/unpacking.py", "open"): "a new file in a temporary folder",
    ("vla_contract/vla_contract/demonstration.py", "open"): "a draft",
    ("vla_contract/vla_contract/demonstration.py", "np.savez"): "a draft",
    ("vla_contract/vla_contract/gripper_actions.py", "import_module"): "one package, and names of a table",
    ("vla_policy_node/vla_policy_node/ros/node.py", "importlib.import_module"): "our own name",
    ("vla_evidence/vla_evidence/provenance/suite.py", "read_bytes"): "the suite's own source",
    ("vla_evidence/vla_evidence/report/report.py", "read_text"): "the suite's own templates",
    ("vla_graph/vla_graph/launch/supervisor.py", "open"): "the null device",
    ("vla_graph/vla_graph/standard_output.py", "os.open"): "the null device",
    ("vla_graph/vla_graph/process.py", "read_text"): "the log that this process writes",
    ("vla_graph/vla_graph/ros/run_watch.py", "print"): "a line that is drawn over",
    ("vla_graph/vla_graph/launch/node_command.py", "yaml.safe_load"): "what this user gives for an argument",
    ("vla_motion/vla_motion/__init__.py", "import_module"): "our own names",
    ("vla_policy/vla_policy/__init__.py", "import_module"): "our own names",
    ("vla_policy/vla_policy/checkpoint.py", "safe_open"): "after the file was looked at",
    ("vla_policy/vla_policy/training/frame_cache.py", "np.load"): "what a training has kept, under a name from its content",
    ("vla_policy/vla_policy/training/frame_cache.py", "np.save"): "a draft",
    ("vla_policy/vla_policy/training/frame_cache.py", "open"): "a draft",
    ("vla_policy/vla_policy/training/run.py", "safe_open"): "after the file was looked at",
    ("vla_policy/vla_policy/training/run.py", "load_file"): "after the file was looked at",
    ("vla_replay/vla_replay/preflight/known.py", "safe_open"): "after the file was looked at",
    ("vla_sim/vla_sim/rendering.py", "importlib.import_module"): "one library by its name, which need not be there",
    ("vla_sim/vla_sim/scene.py", "read_text"): "the suite's own scene",
    ("vla_trials/vla_trials/trials/inference_file.py", "open"): "a draft",
}


def calls(path: Path) -> set[str]:
    """Names of these functions that a file calls, as it writes them."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if name in FUNCTIONS:
            found.add(name)
        elif isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
            found.add(node.func.attr)
    return found


def test_files_and_words_go_one_way():
    files = [path for package in ROOT.glob("vla_*/package.xml") for path in package.parent.rglob("*.py")]
    code = [path.relative_to(ROOT) for path in files if not {"test", "launch_test"} & set(path.relative_to(ROOT).parts)]
    found = {
        (str(path), name) for path in code if not str(path).startswith(OWN) and path.name != "setup.py"
        for name in calls(ROOT / path)
    }  # fmt: skip
    consoles = {one for one in found if one[1] == "Console" and "vla_evidence.console" in (ROOT / one[0]).read_text()}
    assert sorted(found - consoles - ALLOWED.keys()) == [], "it goes through vla_contract.files and vla_contract.printing"
    assert sorted(ALLOWED.keys() - found) == [], "no longer there"
