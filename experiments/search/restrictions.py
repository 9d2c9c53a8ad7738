"""`constraints` of a document."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from experiments.search.addresses import Named
from experiments.search.constraints import EXAMPLE, Constraint, parse_constraint
from experiments.search.problems import Findings, join, shown
from experiments.search.source import ExpressionError

FIELD = "constraints"
MOST_CONSTRAINTS = 200
MOST_CHARACTERS = 10_000
# After so many that cannot be read the others are not looked at.
MOST_UNREAD = 20
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_constraints(
    value: object,
    known: Mapping[str, Named],
    findings: Findings,
    *,
    unread: Collection[str] = (),
) -> tuple[Constraint, ...]:
    """The constraints over what is `known`; problems are noted.

    What names an `unread` parameter, one with a problem of its own, is passed over.
    """
    texts = _texts(value, findings)
    kinds = {address: named.kinds for address, named in known.items()}
    found: list[Constraint] = []
    mark = len(findings.problems)
    for number, text in enumerate(texts):
        if len(findings.problems) - mark == MOST_UNREAD:
            findings.error(
                FIELD, f"After these {MOST_UNREAD} no others were looked at."
            )
            break
        place = join(FIELD, number)
        if not isinstance(text, str):
            findings.error(
                place, f'A constraint is text, such as "{EXAMPLE}", not {shown(text)}.'
            )
        elif not set(unread).intersection(WORD.findall(text)):
            found += _read(text, kinds, place, findings)
    return tuple(found)


def _texts(value: object, findings: Findings) -> Sequence[object]:
    """The entries of the document's field; none, with a problem, if it is no list."""
    if value is None:
        return ()
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple):
        findings.error(
            FIELD,
            f'constraints must be a list of texts, such as ["{EXAMPLE}"], '
            f"not {shown(value)}.",
        )
        return ()
    size = sum(len(text) for text in texts if isinstance(text, str))
    if len(texts) > MOST_CONSTRAINTS:
        message = f"There may be {MOST_CONSTRAINTS} constraints, not {len(texts):,}."
    elif size > MOST_CHARACTERS:
        message = (
            f"constraints may have {MOST_CHARACTERS:,} characters together, "
            f"not {size:,}."
        )
    else:
        return texts
    findings.error(FIELD, message)
    return ()


def _read(
    text: str, kinds: Mapping[str, frozenset[str]], place: str, findings: Findings
) -> list[Constraint]:
    try:
        return [parse_constraint(text, kinds)]
    except ExpressionError as error:
        findings.error(place, str(error))
        return []
