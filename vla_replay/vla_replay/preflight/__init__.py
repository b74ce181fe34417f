"""Card, graph, bag and checkpoint held against each other before anything moves."""
