"""Evidence rows: one for each inference and each episode, with outcome, failure label and score."""
