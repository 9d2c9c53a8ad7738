"""Numbers, durations, times and sources of code as text.

The rules are those of static/js/format.js, so that scripts do not change what a page
shows.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from experiments.models import Sweep
from experiments.search.document.durations import DECIMALS, exact

MINUS = "\u2212"
IN_BYTES = re.compile(r"system/(memory|gpu_\d+_memory|disk_(read|write))")
MINUTE, HOUR, DAY = 60, 3600, 86_400


def number_text(value: object, digits: int = 4) -> str:
    """Integers in full, others with 4 significant digits, a dash for None."""
    if value is None or value == "":
        return "\u2013"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        if math.isnan(value):
            return "NaN"
        return "infinity" if value > 0 else f"{MINUS}infinity"
    if abs(value) < 1e15 and float(value).is_integer():
        return _minus(str(int(value)))
    if isinstance(value, int):
        # It may be too large for a float.
        return _significant(Decimal(value), digits)
    return _significant(value, digits)


def texts(values: Iterable[Any], text: Callable[[Any], str]) -> list[str]:
    """The texts of a column."""
    return [text(value) for value in values]


def metric_text(value: float | None, digits: int = 4) -> str:
    """A metric's value, with its decimals even if it is a whole number."""
    if value is None or value == 0 or not math.isfinite(value):
        return number_text(value)
    return _significant(float(value), digits)


def named_metric_text(value: float | None, name: str, digits: int = 4) -> str:
    """A metric's value; what a worker measures in bytes is a size."""
    if value is None or not IN_BYTES.fullmatch(name) or not math.isfinite(value):
        return metric_text(value, digits)
    return bytes_text(value) + ("/s" if "disk" in name else "")


def distinct_texts(
    one: float | None, other: float | None, *, digits: int = 4
) -> tuple[str, str]:
    """Two values of a metric, with up to 6 digits until they differ."""
    texts = metric_text(one, digits), metric_text(other, digits)
    if texts[0] != texts[1] or one == other or digits == 6:
        return texts
    return distinct_texts(one, other, digits=digits + 1)


def signed_text(value: float | None, digits: int = 4) -> str:
    text = number_text(value, digits)
    return f"+{text}" if value is not None and value > 0 else text


def parameter_text(value: Any, digits: int = 4) -> str:
    """A parameter's value: text as it is, numbers as numbers, anything else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return json.dumps(value, ensure_ascii=False)
    return number_text(value, digits)


def exact_text(value: object) -> str:
    """The shortest text that is parsed as the same number."""
    return "" if value is None else str(value)


def share_text(value: float) -> str:
    return f"{math.floor(value * 100 + 0.5)} %"


def bytes_text(size: float) -> str:
    """A size in B, kB, MB or GB (powers of ten), with 2 or 3 digits."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.1f} {unit}" if unit != "B" and size < 10 else f"{size:.0f} {unit}"


def duration_text(seconds: float | timedelta | None) -> str:
    """``0.9 s``, ``15 s``, ``3 m 02 s``, ``2 h 05 m``, ``2 d 13 h``, or a dash."""
    if isinstance(seconds, timedelta):
        seconds = seconds.total_seconds()
    if seconds is None or not math.isfinite(seconds):
        return "\u2013"
    tenths = math.floor(seconds * 10 + 0.5) / 10
    if tenths < 10:
        return f"{tenths:.0f} s" if tenths.is_integer() else f"{tenths:.1f} s"
    whole = math.floor(seconds + 1e-9)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} m {whole % MINUTE:02d} s"
    if whole < 2 * DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE:02d} m"
    return f"{whole // DAY} d {whole % DAY // HOUR} h"


def rough_duration_text(seconds: float) -> str:
    """``40 s``, ``10 m``, ``2.5 h``, ``3 d``: as far as an estimate is known."""
    units = (("s", 1, 90), ("m", MINUTE, 90 * MINUTE), ("h", HOUR, 2 * DAY))
    known = (each[:2] for each in units if seconds < each[2])
    unit, size = next(known, ("d", DAY))
    number = seconds / size
    digits = 1 if unit in "hd" and number < 10 else 0
    return f"{number:.{digits}f} {unit}".replace(".0 ", " ")


def exact_duration_text(seconds: float) -> str:
    """``1 d 4 h``, ``1 h 30 m``, ``0.5 s``: as a duration in a document."""
    seconds = exact(seconds)
    if not seconds.is_integer():
        return f"{seconds:.{DECIMALS}f}".rstrip("0") + " s"
    parts, rest = [], int(seconds)
    for size, unit in ((DAY, "d"), (HOUR, "h"), (MINUTE, "m"), (1, "s")):
        number, rest = divmod(rest, size)
        parts += [f"{number} {unit}"] * bool(number)
    return " ".join(parts) or "0 s"


def relative_text(moment: datetime, now: datetime) -> str:
    """``now``, ``2 s ago``, ``yesterday``, ``3 Nov 2026``, ``in 21 days``."""
    seconds = (now - moment).total_seconds()
    if abs(seconds) < 1:
        return "now"
    if abs(seconds) >= 30 * DAY:
        return f"{moment.day} {moment:%b %Y}"
    if seconds < 0:
        return f"in {_distance(_rounded(-seconds))}"
    if DAY <= seconds < 2 * DAY:
        return "yesterday"
    return f"{_distance(seconds)} ago"


def _rounded(seconds: float) -> float:
    """To the nearest hour or day: what ends in 7 days says so for some hours."""
    near = seconds + HOUR / 2 if seconds >= HOUR else seconds
    return seconds + DAY / 2 if near >= DAY else near


def _distance(seconds: float) -> str:
    for unit, size in (("s", MINUTE), ("m", HOUR), ("h", DAY)):
        if seconds < size:
            return f"{int(seconds // (size // 60 if unit != 'h' else HOUR))} {unit}"
    days = int(seconds // DAY)
    return "1 day" if days == 1 else f"{days} days"


def _significant(value: float | Decimal, digits: int) -> str:
    mantissa, power = f"{value:.{digits - 1}e}".split("e")
    exponent = int(power)
    if exponent < -4 or exponent >= 6:
        return _minus(f"{mantissa}e{exponent}")
    return _minus(f"{value:.{max(0, digits - 1 - exponent)}f}")


def _minus(text: str) -> str:
    return MINUS + text[1:] if text.startswith("-") else text


SHORT_COMMIT = 12


def code_of(sweep: Sweep) -> dict[str, Any] | None:
    """`kind` is files, git or folder; None if the command uses what the workers have.
    Needs no query."""
    code = sweep.definition.get("trial", {}).get("code")
    if not isinstance(code, dict):
        return None
    if "git" in code:
        return {
            "kind": "git",
            **{part: code["git"].get(part, "") for part in ("url", "ref", "path")},
            "commit": sweep.code_commit,
        }
    if "folder" in code:
        return {"kind": "folder", "folder": code["folder"]}
    return {"kind": "files", "upload": code.get("upload", "")}


def code_words(sweep: Sweep) -> str:
    """One line, such as `commit 3f2a… (main) of https://…/project.git, folder src`.
    Empty for files, which pages list."""
    code = code_of(sweep)
    if code is None or code["kind"] == "files":
        return ""
    if code["kind"] == "folder":
        return f"{code['folder']} on the workers, copied for every trial"
    ref = code["ref"] or "its default branch"
    inner = f", folder {code['path']}" if code["path"] else ""
    if not code["commit"]:
        found = "looked up by the first trial"
        return f"commit of {ref} in {code['url']}{inner}, {found}"
    shown = "" if code["commit"] == ref else f" ({ref})"
    return f"commit {code['commit'][:SHORT_COMMIT]}{shown} of {code['url']}{inner}"


def packages_words(sweep: Sweep) -> str:
    """The interpreter and packages that the document names; empty for none."""
    trial = sweep.definition.get("trial", {})
    words = [f"Python {trial['python']}"] if trial.get("python") else []
    wanted = trial.get("requirements")
    if isinstance(wanted, str):
        words.append(f"packages of {wanted}")
    elif wanted is not None:
        words.append(f"packages {', '.join(wanted) or 'none'}")
    return ", ".join(words)
