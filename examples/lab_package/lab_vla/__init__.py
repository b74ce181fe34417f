"""A lab's own package: a policy, an action head, a verb."""
