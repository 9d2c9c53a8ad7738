"""What is collected of an attempt, as its specification says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from experiments.runner.collectors.lines import LineFormat

OUTPUTS = "outputs"


@dataclass(frozen=True, kw_only=True)
class CollectorSettings:
    """Where to look for metrics; `event_files` is a folder and `file` a path below the
    working folder."""

    primary: str
    output: LineFormat | None = None
    event_files: str | None = None
    file: tuple[str, LineFormat] | None = None

    @property
    def is_on(self) -> bool:
        return (self.output, self.event_files, self.file) != (None, None, None)


def read_collectors(fields: object) -> CollectorSettings | None:
    """From the specification of an attempt; None if nothing is collected."""
    if not isinstance(fields, Mapping):
        return None
    primary = str(fields["primary_metric"])
    chosen = fields.get("metrics_collector")
    if not isinstance(chosen, Mapping):
        return CollectorSettings(
            primary=primary, output=LineFormat(), event_files=OUTPUTS
        )
    output, events, file = (chosen.get(k) for k in ("stdout", "tensorboard", "file"))
    return CollectorSettings(
        primary=primary,
        output=None if output is None else line_format(output, primary),
        event_files=None if events is None else str(events.get("path", OUTPUTS)),
        file=None if file is None else (str(file["path"]), line_format(file, primary)),
    )


def line_format(fields: Mapping[str, object], primary: str) -> LineFormat:
    """The format that `stdout` and `file` of a sweep document have."""
    names = fields.get("metrics")
    listed = [primary, *names] if isinstance(names, Sequence) else None
    return LineFormat(
        kind=str(fields.get("format", "name_value")),
        pattern=str(fields.get("pattern", "")),
        names=None if listed is None else frozenset(map(str, listed)),
    )
