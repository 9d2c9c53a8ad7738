"""MLflow's search grammar: clauses joined by AND, orders, and page tokens."""

from __future__ import annotations

import base64
import json
import math
import operator
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from experiments.mlflow.errors import invalid

T = TypeVar("T")

KINDS = {
    **dict.fromkeys(("metric", "metrics"), "metric"),
    **dict.fromkeys(("param", "params", "parameter", "parameters"), "param"),
    **dict.fromkeys(("tag", "tags"), "tag"),
    **dict.fromkeys(("attribute", "attributes", "attr", "run"), "attribute"),
    **dict.fromkeys(("dataset", "datasets"), "dataset"),
}
NAMED_KINDS = ["metric", "parameter", "tag", "attribute", "dataset"]
ALIASES = {
    **dict.fromkeys(("created", "Created"), "start_time"),
    **dict.fromkeys(("run name", "Run name", "Run Name"), "run_name"),
}
DATASET_KEYS = {"name", "digest", "context"}
COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
LISTS = {"IN", "NOT IN"}
NULLS = {"IS NULL", "IS NOT NULL"}
NUMERIC = set(COMPARISONS)
TEXTUAL = {"=", "!=", "LIKE", "ILIKE"}
ALLOWED = {
    "metric": NUMERIC | NULLS,
    "number": NUMERIC,
    "param": TEXTUAL | NULLS,
    "tag": TEXTUAL | NULLS,
    "attribute": TEXTUAL | LISTS,
    "dataset": TEXTUAL | LISTS,
}

IDENTIFIER = r"""(?:(?P<kind>\w+)\s*\.\s*)?(?P<key>`[^`]+`|"[^"]+"|[\w./:@\-]+)"""
# Nothing here is read in two ways, and so not in any number of ways.
QUOTED = r"""'(?:[^'\\]|\\.|'')*+'|"[^"]*\""""
CLAUSE = re.compile(
    rf"""\s*{IDENTIFIER}\s*
    (?:(?P<null>\bIS\s+NOT\s+NULL|\bIS\s+NULL)
    |(?P<operator>!=|>=|<=|=|>|<|\bLIKE\b|\bILIKE\b|\bNOT\s+IN\b|\bIN\b)\s*
     (?P<value>{QUOTED}|\((?:[^'")]|{QUOTED})*+\)|[^\s'"()]+))\s*""",
    re.IGNORECASE | re.VERBOSE,
)
AND = re.compile(r"AND\b", re.IGNORECASE)
ORDER = re.compile(rf"\s*{IDENTIFIER}(?:\s+(?P<way>\w+))?\s*")
MAX_PLACE = 2**53
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?)", re.I)


@dataclass(frozen=True)
class Attributes:
    """What of a row itself can be searched."""

    texts: Collection[str]
    numbers: Collection[str]

    def check(self, key: str) -> str:
        key = ALIASES.get(key, key)
        if key not in self.texts and key not in self.numbers:
            valid = sorted([*self.texts, *self.numbers])
            raise invalid(
                f"Invalid attribute key '{key}' specified. Valid keys are '{valid}'"
            )
        return key


@dataclass(frozen=True)
class FilterClause:
    """A comparison such as ``metrics.loss < 0.5``."""

    kind: str
    key: str
    comparator: str
    value: Any = None

    def holds(self, found: Any) -> bool:
        """For a value; None: there is none. A list: one of them must do."""
        if self.comparator in NULLS:
            return (found is None) == (self.comparator == "IS NULL")
        if isinstance(found, list):
            return any(self.holds(each) for each in found)
        if found is None:
            return False
        if self.comparator in LISTS:
            return (found in self.value) == (self.comparator == "IN")
        if self.comparator in COMPARISONS:
            return COMPARISONS[self.comparator](found, self.value)
        return self.value.fullmatch(found) is not None


@dataclass(frozen=True)
class OrderKey:
    kind: str
    key: str
    ascending: bool


def parse_filter(text: str, attributes: Attributes) -> list[FilterClause]:
    clauses: list[FilterClause] = []
    place, end = 0, len(text.rstrip())
    while place < end:
        found = CLAUSE.match(text, place)
        if found is None or found.end() == place:
            raise invalid(f"Invalid clause(s) in filter string: '{text[place:]}'")
        clauses.append(_clause(found, attributes))
        place = found.end()
        if place >= end:
            break
        joined = AND.match(text, place)
        if joined is None or joined.end() >= end:
            raise invalid(f"Invalid clause(s) in filter string: '{text[place:]}'")
        place = joined.end()
    return clauses


def _clause(found: re.Match[str], attributes: Attributes) -> FilterClause:
    kind, key = _identifier(found, attributes)
    sent = found["null"] or found["operator"]
    comparator = " ".join(sent.upper().split())
    is_number = kind == "metric" or (kind == "attribute" and key in attributes.numbers)
    allowed = ALLOWED["number" if is_number and kind == "attribute" else kind]
    if comparator not in allowed:
        raise invalid(f"Invalid comparator '{comparator}' not one of '{allowed}'")
    if comparator in NULLS:
        return FilterClause(kind, key, comparator)
    if is_number:
        value: Any = _number(kind, key, found["value"])
    elif comparator in LISTS:
        value = _texts(found["value"])
    else:
        value = _text(kind, found["value"])
        if comparator in ("LIKE", "ILIKE"):
            value = _pattern(value, comparator)
    return FilterClause(kind, key, comparator, value)


def _identifier(found: re.Match[str], attributes: Attributes) -> tuple[str, str]:
    named, key = found["kind"], found["key"].strip('`"')
    if named is None:
        return "attribute", attributes.check(key)
    kind = KINDS.get(named)
    if kind is None:
        raise invalid(f"Invalid entity type '{named}'. Valid values are {NAMED_KINDS}")
    if kind == "attribute":
        key = attributes.check(key)
    if kind == "dataset" and key not in DATASET_KEYS:
        raise invalid(
            f"Invalid dataset key '{key}' specified. Valid keys are '{DATASET_KEYS}'"
        )
    return kind, key


def _number(kind: str, key: str, sent: str) -> float:
    if not NUMBER.fullmatch(sent):
        of = "metric" if kind == "metric" else f"numeric attribute: {key}"
        raise invalid(f"Expected numeric value type for {of}. Found {sent}")
    return float(sent)


def _text(kind: str, sent: str) -> str:
    if sent[0] not in "'\"":
        raise invalid(
            f"Expected a quoted string value for {kind} (e.g. 'my-value'). Got value"
            f" {sent}. Parameter value is either not quoted or unidentified quote types"
            " used for string value. Use either single or double quotes."
        )
    return sent[1:-1].replace("''", "'")


def _texts(sent: str) -> set[str]:
    parts = re.findall(QUOTED, sent) if sent[0] == "(" else []
    rest = re.sub(QUOTED, "", sent).strip("() \t\n,")
    if not parts or rest:
        raise invalid(
            "While parsing a list in the query, expected a non-empty list of string"
            f" values, but got {sent}"
        )
    return {part[1:-1] for part in parts}


def _pattern(text: str, comparator: str) -> re.Pattern[str]:
    """Each piece between two % is looked for once, from where the one before ends: a
    later place is never better."""
    first, *rest = ("".join(map(_character, piece)) for piece in text.split("%"))
    middle = "".join(f"(?>.*?{piece})" for piece in rest[:-1] if piece)
    last = f".*{rest[-1]}" if rest else ""
    flags = re.DOTALL | (re.IGNORECASE if comparator == "ILIKE" else 0)
    return re.compile(first + middle + last, flags)


def _character(character: str) -> str:
    return "." if character == "_" else re.escape(character)


def parse_orders(sent: Sequence[str], attributes: Attributes) -> list[OrderKey]:
    orders = [_order(text, attributes) for text in sent]
    if len({(each.kind, each.key) for each in orders}) < len(orders):
        raise invalid(f"`order_by` contains duplicate fields: {list(sent)}")
    return orders


def _order(text: str, attributes: Attributes) -> OrderKey:
    found = ORDER.fullmatch(text)
    if found is None:
        raise invalid(f"Invalid order_by clause '{text}'. Could not be parsed.")
    way = (found["way"] or "asc").lower()
    if way not in ("asc", "desc"):
        raise invalid(f"Invalid ordering key in order_by clause '{text}'.")
    kind, key = _identifier(found, attributes)
    if kind == "dataset":
        raise invalid(f"Invalid order_by entity type '{kind}'")
    return OrderKey(kind, key, way == "asc")


def ordered(
    rows: Sequence[T], orders: Sequence[OrderKey], value: Callable[[T, OrderKey], Any]
) -> list[T]:
    """The rows by the orders; equal ones stay as they are. NaN is last, and after it
    those without a value, whatever the direction."""
    found = list(rows)
    for order in reversed(orders):
        values = [(value(row, order), row) for row in found]
        there = [pair for pair in values if not _is_last(pair[0])]
        there.sort(key=operator.itemgetter(0), reverse=not order.ascending)
        nan = [row for known, row in values if known is not None and _is_last(known)]
        none = [row for known, row in values if known is None]
        found = [*(row for _, row in there), *nan, *none]
    return found


def _is_last(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def matching(
    rows: Sequence[T],
    clauses: Sequence[FilterClause],
    orders: Sequence[OrderKey],
    value: Callable[[T, FilterClause | OrderKey], Any],
) -> list[T]:
    """The rows for which all clauses hold, in order."""
    for clause in clauses:
        rows = [row for row in rows if clause.holds(value(row, clause))]
    return ordered(rows, orders, value)


def page_answer(
    name: str,
    found: Sequence[T],
    documents: Callable[[Sequence[T]], list[dict[str, Any]]],
    *,
    start: int,
    most: int,
) -> dict[str, Any]:
    """The answer with a page of documents; `found` begins at `start`, and has one more
    if there is a next page."""
    answer: dict[str, Any] = {name: documents(found[:most])} if found else {}
    if len(found) > most:
        answer["next_page_token"] = page_token(start + most)
    return answer


def page_start(token: str) -> int:
    """The place of a page's first row."""
    if not token:
        return 0
    try:
        start = json.loads(base64.b64decode(token, validate=True))["offset"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise invalid("Invalid page token, could not base64-decode") from error
    if not isinstance(start, int) or not 0 <= start <= MAX_PLACE:
        raise invalid("Invalid page token, parsed value is not a place")
    return start


def page_token(start: int) -> str:
    return base64.b64encode(json.dumps({"offset": start}).encode()).decode()
