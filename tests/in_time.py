"""What must be quick whatever it is given: measured so that only slow code is slow."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def in_time(seconds: float, action: Callable[[], Result]) -> Result:
    """What ``action`` returns; it has to take less than ``seconds`` of processor time.

    Only this thread is counted, and the collector rests: it would look at everything
    that the tests before have left. What took too long gets two more tries, for a
    processor that other processes slowed down; code that grows too fast fails them all.
    """
    took = []
    for _ in range(3):
        gc.disable()
        started = time.thread_time()
        try:
            result = action()
        finally:
            took.append(time.thread_time() - started)
            gc.enable()
        if took[-1] < seconds:
            return result
    raise AssertionError(f"it took {took} s of processor time, allowed: {seconds} s")
