"""What a bag says of a policy."""
