"""Filters of trials, sweeps and runs: `lr < 0.01 and state = completed`."""
