"""Policy, controller and simulator in virtual time, in one process."""
