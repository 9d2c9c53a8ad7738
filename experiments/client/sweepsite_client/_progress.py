"""The progress of a sweep, in a terminal, a notebook or a file."""

from __future__ import annotations

import html
import importlib
import shutil
import sys
from collections.abc import Mapping
from typing import Any

BAR = 20
STATES = {
    "running": "running",
    "queued": "queued",
    "completed": "completed",
    "terminated": "ended early",
    "cancelled": "cancelled",
    "failed": "failed",
}
ENDED = ("completed", "terminated", "cancelled", "failed")


class ProgressDisplay:
    """Shows a sweep's facts again and again, and only what has changed."""

    def __init__(self, out: Any = None) -> None:
        self._out = sys.stdout if out is None else out
        self._shown = ""
        self._display: Any = None

    def show(self, facts: Mapping[str, Any]) -> None:
        line = progress_line(facts)
        if line == self._shown:
            return
        if _in_notebook():
            self._show_in_notebook(facts)
        elif self._out.isatty():
            width = shutil.get_terminal_size().columns - 1
            self._out.write(f"\r\x1b[K{line[:width]}")
        else:
            self._out.write(f"{line}\n")
        self._out.flush()
        self._shown = line

    def end(self) -> None:
        if self._shown and self._out.isatty() and self._display is None:
            self._out.write("\n")

    def _show_in_notebook(self, facts: Mapping[str, Any]) -> None:
        display = importlib.import_module("IPython.display")

        share = round(100 * facts["progress"])
        content = display.HTML(
            f'<progress max="100" value="{share}"></progress> '
            f'<a href="{html.escape(facts["url"])}" target="_blank" rel="noopener">'
            f"{html.escape(progress_line(facts, bar=False))}</a>"
        )
        if self._display is None:
            self._display = display.display(content, display_id=True)
        else:
            self._display.update(content)


def progress_line(facts: Mapping[str, Any], *, bar: bool = True) -> str:
    """Such as ``digits-3 running [####----] 8/20  2 running, 6 completed  best …``."""
    filled = round(BAR * facts["progress"])
    drawn = f" [{'#' * filled}{'-' * (BAR - filled)}]" if bar else ""
    counts = facts["counts"]
    ended = sum(counts.get(state, 0) for state in ENDED)
    total = facts["limits"]["max_total_trials"]
    states = [f"{counts[s]} {words}" for s, words in STATES.items() if counts.get(s)]
    best = facts["best_trial"]
    value = (
        f"best {facts['primary_metric']} {best['value']:.6g} (trial {best['number']})"
        if best and best["value"] is not None
        else ""
    )
    head = f"{facts['name']} {facts['state']}{drawn} {ended}/{total}"
    return "  ".join(part for part in (head, ", ".join(states), value) if part)


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and "IPKernelApp" in getattr(shell, "config", {})
