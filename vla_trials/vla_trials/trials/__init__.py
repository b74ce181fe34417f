"""Many trials: requests, engines, stores, results."""
