"""Pools: what every slot does, and who waits for one and why."""
