"""The controller fuzzed in virtual time, and judged by a checker that shares no code with its planner."""
