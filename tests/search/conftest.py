"""Hypothesis without a database: what is found is written down as a test."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "search",
    deadline=None,
    database=None,
    max_examples=40,
    # The contract suites are run by one subclass for each sampler and policy.
    suppress_health_check=[HealthCheck.differing_executors],
)
settings.load_profile("search")
