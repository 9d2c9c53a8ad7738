"""`constraints` of a document."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

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
    texts = [value] if isinstance(value, str) else value
    if texts is None:
        return ()
    if not isinstance(texts, list | tuple):
        findings.error(
            FIELD,
            f'constraints must be a list of texts, such as ["{EXAMPLE}"], '
            f"not {shown(value)}.",
        )
        return ()
    if len(texts) > MOST_CONSTRAINTS:
        findings.error(
            FIELD,
            f"There may be {MOST_CONSTRAINTS} constraints, not {len(texts):,}.",
        )
        return ()
    size = sum(len(text) for text in texts if isinstance(text, str))
    if size > MOST_CHARACTERS:
        findings.error(
            FIELD,
            f"constraints may have {MOST_CHARACTERS:,} characters together, "
            f"not {size:,}.",
        )
        return ()
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


def _read(
    text: str, kinds: Mapping[str, frozenset[str]], place: str, findings: Findings
) -> list[Constraint]:
    try:
        return [parse_constraint(text, kinds)]
    except ExpressionError as error:
        findings.error(place, str(error))
        return []
