"""Vision-language-action policies: observation assembly, the native model, training, and the policy node.

Importing this package, the assembler and the session needs neither torch nor ROS; `model`, `train` and `checkpoint` need torch,
`node` needs rclpy.
"""
