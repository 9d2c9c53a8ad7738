"""Cases are called by their own names."""

from __future__ import annotations


def pytest_make_parametrize_id(config, val, argname):
    return getattr(val, "name", None) if argname == "case" else None
