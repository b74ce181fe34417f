"""What the benchmarks hear of the graph, and relay into it."""
