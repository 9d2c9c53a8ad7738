"""The progress of a long command: a bar in a terminal, else a line for each step."""

from __future__ import annotations

from typing import Any

from django.core.management.base import OutputWrapper

from experiments.formatting import bytes_text
from experiments.search.wording import visible

WIDTH = 24
CLEAR = "\x1b[K"


class VisibleOutput(OutputWrapper):
    """Names may come from scripts, and a terminal obeys some characters."""

    def write(self, msg: str = "", *args: Any, **options: Any) -> None:  # type: ignore[override]
        super().write(visible(msg), *args, **options)


class Terminal:
    """A command's output as the client writes to one: characters that a terminal obeys
    are only those of the client itself."""

    def __init__(self, out: OutputWrapper) -> None:
        self._out = out

    def isatty(self) -> bool:
        return bool(self._out.isatty())

    def write(self, text: str) -> None:
        plain = text.strip("\r\n").removeprefix(CLEAR)
        start = f"\r{CLEAR}" if CLEAR in text else ""
        OutputWrapper.write(
            self._out, start + visible(plain) + "\n" * text.endswith("\n"), ending=""
        )

    def flush(self) -> None:
        self._out.flush()


class ProgressBar:
    """Shows how much of the current step is done."""

    def __init__(self, out: OutputWrapper) -> None:
        self._out, self._is_terminal = out, out.isatty()
        self._step, self._shown = "", ""

    def __call__(self, step: str, done: int, total: int) -> None:
        if step != self._step:
            self.end()
            self._step = step
            if not self._is_terminal:
                self._out.write(f"{step} …")
        if self._is_terminal:
            self._show(f"{_bar(done, total)} {_amount(step, done, total)}")

    def _show(self, text: str) -> None:
        if text != self._shown:
            self._out.write(f"\r\x1b[K{text}", ending="")
            self._out.flush()
            self._shown = text

    def end(self) -> None:
        """Leave the bar of the last step and begin a new line."""
        if self._shown:
            self._out.write("")
        self._step = self._shown = ""


def _bar(done: int, total: int) -> str:
    filled = WIDTH * done // total if total else 0
    return f"[{'#' * filled}{'.' * (WIDTH - filled)}]"


def _amount(step: str, done: int, total: int) -> str:
    if step.startswith("bytes of "):
        return f"{bytes_text(done)} of {bytes_text(total)}, {step[9:]}"
    return f"{done:,} of {total:,} {step}"
