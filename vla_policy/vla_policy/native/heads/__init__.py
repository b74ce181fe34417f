"""Action heads: memory in, chunk out."""
