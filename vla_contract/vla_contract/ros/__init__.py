"""The only place in this package that touches ROS: the contract to messages and back."""
