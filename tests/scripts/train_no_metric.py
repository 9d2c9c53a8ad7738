"""Succeeds without a single metric."""

from __future__ import annotations

from witness import witness

witness("START")
print("all went well, said nobody")
witness("END")
