"""Does not get past its first line."""

from __future__ import annotations

import no_such_module  # type: ignore[import-not-found]

print(no_such_module)
