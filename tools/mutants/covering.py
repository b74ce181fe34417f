"""Which tests run a line, and how long they take: from one run of a group's tests under coverage."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path, PurePath
from xml.etree import ElementTree

from coverage import CoverageData
from groups import Group


class Covering:
    """Tests by line. Measured once for what code and tests are, and kept in `folder`."""

    def __init__(self, group: Group, tree: Path, folder: Path, environment: dict[str, str]) -> None:
        self._tree = tree
        self._group = group
        of = f"{group.name}-{_digest(tree, [group.code, *group.tests.split()])}"
        self._file, self._times = folder / f"{of}.coverage", folder / f"{of}.json"
        if not self._times.exists():
            self._measure(environment)
        self.seconds: dict[str, float] = json.loads(self._times.read_text())
        self._data = CoverageData(str(self._file))
        self._data.read()

    def tests_of(self, path: str, line: int) -> list[str]:
        """Tests that run the statement, the shortest first; where none is known to, as it runs at import or is compiled, first
        those that run anything of its file or of the files that use it, then all others of the group."""
        contexts = self._data.contexts_by_lineno(str(self._tree / path))
        first, last = _statement((self._tree / path).read_text(encoding="utf-8"), line)
        found = self._among({name for k in range(first, last + 1) for name in contexts.get(k, ())})
        if not found:
            files = [str(self._tree / file) for file in self._users_of(path)]
            lines = [names for file in files for names in self._data.contexts_by_lineno(file).values()]
            found = self._among({name for names in lines for name in names})
            return sorted(self.seconds, key=lambda test: (test not in found, self.seconds[test]))
        return sorted(found, key=self.seconds.__getitem__)

    def _among(self, contexts: set[str]) -> set[str]:
        return {_test(name) for name in contexts} & self.seconds.keys()

    def _users_of(self, path: str) -> set[str]:
        """The file itself and the group's files that may import it; of compiled ones, which show no test, also their users."""
        texts = {str(file.relative_to(self._tree)): file.read_text(encoding="utf-8") for file in self._group.files(self._tree)}
        users, left = set(), [path]
        while left:
            file = left.pop()
            users.add(file)
            if file == path or "njit" in texts[file]:
                module = PurePath(file).with_suffix("").parts[1:]
                parent, leaf = re.escape(".".join(module[:-1])), re.escape(module[-1])
                both = re.compile(rf"(?s)(?=.*\b{parent}\b)(?=.*\b{leaf}\b)")
                left += [name for name, text in texts.items() if name not in users and both.match(text)]
        return users

    def _measure(self, environment: dict[str, str]) -> None:
        results = self._times.with_suffix(".xml")
        command = [
            sys.executable, "-m", "pytest", "-n0", "-p", "no:cacheprovider", "-o", "junit_family=xunit1", f"--junitxml={results}",
            f"--cov={self._group.code}", "--cov-context=test", "--cov-report=", *self._group.tests.split(),
        ]  # fmt: skip
        environment = {**environment, "COVERAGE_FILE": str(self._file)}
        subprocess.run(command, cwd=self._tree, env=environment, check=False)
        seconds = {}
        for case in ElementTree.parse(results).iter("testcase"):
            if not list(case):  # neither failed nor skipped
                seconds[f"{case.get('file')}::{case.get('name')}"] = float(case.get("time"))
        if not seconds:
            raise SystemExit(f"make mutants: no test of {self._group.name} passed; its tests come first: {results} says why")
        self._times.write_text(json.dumps(seconds))


def _digest(tree: Path, places: list[str]) -> str:
    """Of all Python in folders and files, 12 hex digits."""
    found = hashlib.sha256()
    for place in places:
        path = tree / place
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            found.update(file.read_bytes())
    return found.hexdigest()[:12]


def _test(context: str) -> str:
    """The test of a context "file::test|run"; empty for what ran outside tests."""
    return context.rpartition("|")[0]


def _statement(text: str, line: int) -> tuple[int, int]:
    """First and last line of the innermost statement around a line; of one with a body only its head."""
    first, last = line, line
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.stmt) and node.lineno <= line <= node.end_lineno:
            body = getattr(node, "body", None)
            end = body[0].lineno - 1 if body else node.end_lineno
            if line <= max(end, node.lineno):
                first, last = node.lineno, max(end, node.lineno)
    return first, last
