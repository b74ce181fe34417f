"""Where the time of each chunk went, from a bag:  python examples/read_a_ledger.py out/run/bag"""

import sys

from vla_bags.reader import Bag
from vla_evidence.ledger.ledger import build_ledger

with Bag(sys.argv[1]) as bag:
    ledger = build_ledger(bag)

for line in ledger.lines():
    if line.row is None or not line.row.is_complete:
        print(f"chunk {line.sequence}: {'not reported' if line.verdict is None else line.verdict.name}")
        continue
    parts = ", ".join(f"{name} {value / 1e6:.1f}" for name, value in line.row.parts.items())
    print(f"chunk {line.sequence}: {parts} [ms]; the parts and the whole differ by {line.row.error_ns} ns")
print(f"{ledger.as_dict()['overall']['ledger_share']:.0%} of the chunks are accounted for")
