"""Which suite and which checkpoint made a result."""
