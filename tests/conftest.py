"""What all tests share."""

from __future__ import annotations

import os

# Playwright's synchronous calls run inside an event loop, which Django takes for ours.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
