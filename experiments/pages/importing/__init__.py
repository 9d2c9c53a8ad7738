"""Sweeps of other systems, read before anything is stored."""
