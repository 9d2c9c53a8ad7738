"""Trials side by side."""
