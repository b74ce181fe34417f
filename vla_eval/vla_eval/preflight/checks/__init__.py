"""The checks. Each module has ``check(card, sample, known) -> list[Finding]``, without ROS and without files."""
