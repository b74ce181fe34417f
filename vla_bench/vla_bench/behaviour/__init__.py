"""Whether a change of the code changed what the arm does: digests of what it did, held against recorded ones."""
