"""The ledger beside a running graph."""
