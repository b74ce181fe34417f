"""What packed images cost: size, pixels, and what the policy makes of them."""
