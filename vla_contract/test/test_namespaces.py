"""Which namespaces there are, from names alone."""

import pytest

from vla_contract.namespaces import no_such_namespace


@pytest.mark.parametrize(("names", "told"), [
    (["/left/joint_states", "/right/joint_states", "/rosout"], "it has /left, /right"),
    (["/lab/lights", "/lab/door/open"], "it has /lab, /lab/door"),
    ([], "it has none"),
])  # fmt: skip
def test_robots_are_told_where_there_are_any_else_all_namespaces(names, told):
    assert no_such_namespace("middle", names, "this bag") == f"no namespace /middle in this bag; {told}"
