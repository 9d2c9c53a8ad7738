"""Places at which a test can have a process killed; see runner/failpoints.py, which is
there because a runner imports nothing else of ours."""

from __future__ import annotations

from experiments.runner.failpoints import CHOSEN, ONCE, PLACES, failpoint

__all__ = ["CHOSEN", "ONCE", "PLACES", "failpoint"]
