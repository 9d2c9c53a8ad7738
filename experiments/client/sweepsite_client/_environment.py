"""What a trial finds in its environment."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def params() -> dict[str, Any]:
    """This trial's parameters by name; {} outside a sweep."""
    return dict(json.loads(os.environ.get("SWEEPSITE_PARAMS") or "{}"))


def outputs() -> str:
    """An existing folder, whose files are kept with the trial."""
    folder = os.environ.get("SWEEPSITE_OUTPUTS") or os.path.abspath("outputs")
    os.makedirs(folder, exist_ok=True)
    return folder


def resume_from() -> Path | None:
    """A read-only folder with what an earlier attempt left in outputs(), or None."""
    from pathlib import Path  # few trials need it, and it would delay the others

    return Path(found) if (found := os.environ.get("SWEEPSITE_RESUME_FROM")) else None


def trial_id() -> str:
    """This trial's id on the site; "" outside a sweep."""
    return os.environ.get("SWEEPSITE_TRIAL_ID", "")


def trial_name() -> str:
    """This trial's name, such as "digits-3/17"; "" outside a sweep."""
    return os.environ.get("SWEEPSITE_TRIAL_NAME", "")


def primary_metric() -> str:
    """The metric that the sweep optimizes; "" outside a sweep."""
    return os.environ.get("SWEEPSITE_PRIMARY_METRIC", "")
