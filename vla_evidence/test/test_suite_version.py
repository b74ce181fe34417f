"""Which suite a trial is run with: the version, and a hash of the source that results depend on."""

import hashlib
import re
from importlib import metadata

from vla_evidence.provenance.suite import sources, suite


def test_it_is_the_version_and_16_digits_of_a_hash_over_names_sizes_and_contents():
    text = b"".join(f"{name}:{path.stat().st_size}:".encode() + path.read_bytes() for name, path in sources())
    version, _, digits = suite().partition("+")
    assert version == metadata.version("vla_evidence") and re.fullmatch("[0-9a-f]{16}", digits)
    assert hashlib.sha256(text).hexdigest().startswith(digits)


def test_it_covers_the_controller_and_not_the_words_of_the_report():
    names = [name for name, _ in sources()]
    assert names.index("vla_contract/card.py") < names.index("vla_controller/controller.py")
    assert "vla_controller/planning/slower.py" in names and "vla_sim/assets/panda.xml" in names
    assert not [name for name in names if name.startswith("vla_evidence/report")]
