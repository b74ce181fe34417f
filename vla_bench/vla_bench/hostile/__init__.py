"""Two hundred hostile files and texts, and what the verbs do with them."""
