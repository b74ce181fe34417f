"""The inner loops of planning, compiled by numba. Types are written out: nothing is ever compiled while an arm moves."""
