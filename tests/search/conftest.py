"""Hypothesis without a database: what is found is written down as a test."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("search", deadline=None, database=None, max_examples=40)
settings.load_profile("search")
