"""One file for each kind of policy that can be opened."""
