"""Closed-loop trials: what is asked, under which circumstances, on which engine, and what the results are worth."""
