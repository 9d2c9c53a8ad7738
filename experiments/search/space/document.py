"""`search_space` and `constraints` of a document."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from experiments.search.fields import Diagnostics, join, shown
from experiments.search.space.conditions import AddressKinds, When, read_condition
from experiments.search.space.constraints import EXAMPLE, Constraint, parse_constraint
from experiments.search.space.distribution import Distribution
from experiments.search.space.expressions import SpaceText, parse_space
from experiments.search.space.notation import read_parameter
from experiments.search.space.source import ExpressionError

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MAX_PARAMETERS = 500
MAX_NAME_LENGTH = 200


@dataclass(frozen=True)
class SpaceDocument:
    """Parameters and conditions; `unread` are the names of invalid parameters."""

    parameters: dict[str, Distribution] = field(default_factory=dict)
    conditions: dict[str, When] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)

    @property
    def readable_conditions(self) -> dict[str, When]:
        """The conditions that name no unread parameter."""
        return {
            name: condition
            for name, condition in self.conditions.items()
            if not self.unread.intersection(
                other.partition(".")[0] for other in condition
            )
        }


def read_parameters(
    document: object, diagnostics: Diagnostics, *, path: str, log_base: float
) -> SpaceDocument:
    """The parameters of a document. Notes problems, and leaves those parts out."""
    read = SpaceDocument()
    for given, value in _entries(document, diagnostics, path).items():
        name = _read_name(given, read, path, diagnostics)
        place = join(path, name or str(given))
        distribution, when = read_parameter(
            value, place, diagnostics, log_base=log_base
        )
        if name is None:
            continue
        if distribution is None:
            read.unread.add(name)
            continue
        read.parameters[name] = distribution
        if when is not None:
            condition = read_condition(when, join(place, "when"), diagnostics)
            read.conditions[name] = {
                converted_name(other): values for other, values in condition.items()
            }
    return read


def _entries(
    document: object, diagnostics: Diagnostics, path: str
) -> Mapping[object, object]:
    """The unread parameters; none if there was a problem."""
    if isinstance(document, str):
        text = read_space_text(document, diagnostics, path=path)
        if text is None:
            return {}
        document = text.parameters
    if not isinstance(document, Mapping) or not document:
        diagnostics.error(
            path,
            "search_space must be a mapping with at least one parameter, such as "
            f"{{lr: {{type: float, low: 0.001, high: 0.1}}}}, not {shown(document)}.",
        )
        return {}
    if len(document) > MAX_PARAMETERS:
        diagnostics.error(
            path,
            f"search_space may have {MAX_PARAMETERS} parameters, not {len(document)}.",
        )
        return {}
    return document


def converted_name(text: str) -> str:
    """A parameter's name in documents: `--learning-rate` becomes `learning_rate`."""
    return text.lstrip("-").replace("-", "_")


def read_space_text(
    text: str, diagnostics: Diagnostics, *, path: str
) -> SpaceText | None:
    """A space written as text; None if there was a problem."""
    try:
        return parse_space(text)
    except ExpressionError as error:
        diagnostics.error(path, str(error))
        return None


def _read_name(
    given: object, read: SpaceDocument, path: str, diagnostics: Diagnostics
) -> str | None:
    """A parameter's name. A dashed one, `--learning-rate`, is converted."""
    text = str(given)
    name = converted_name(text)
    place = join(path, text)
    if not NAME.fullmatch(name) or len(name) > MAX_NAME_LENGTH:
        diagnostics.error(
            place,
            "A parameter's name must be letters, digits and underscores, not starting "
            f"with a digit, such as learning_rate, not {shown(text)}.",
        )
        return None
    if name in read.parameters or name in read.unread:
        diagnostics.error(place, f"There is another parameter named {name}.")
        return None
    if name != text:
        diagnostics.warn(place, f"The parameter {text} is called {name} here.")
    return name


FIELD = "constraints"
MAX_CONSTRAINTS = 200
MAX_CHARACTERS = 10_000
# After this many invalid constraints the others are not read.
MAX_UNREAD = 20
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_constraints(
    value: object,
    known: Mapping[str, AddressKinds],
    diagnostics: Diagnostics,
    *,
    unread: Collection[str] = (),
) -> tuple[Constraint, ...]:
    """The constraints on `known` addresses; notes problems.

    Skips constraints that name an `unread` parameter, which has problems already.
    """
    texts = _texts(value, diagnostics)
    kinds = {address: named.kinds for address, named in known.items()}
    found: list[Constraint] = []
    mark = len(diagnostics.problems)
    for number, text in enumerate(texts):
        if len(diagnostics.problems) - mark == MAX_UNREAD:
            diagnostics.error(FIELD, f"After these {MAX_UNREAD} no others were read.")
            break
        place = join(FIELD, number)
        if not isinstance(text, str):
            diagnostics.error(
                place, f'A constraint is text, such as "{EXAMPLE}", not {shown(text)}.'
            )
        elif not set(unread).intersection(WORD.findall(text)):
            found += _read(text, kinds, place, diagnostics)
    return tuple(found)


def _texts(value: object, diagnostics: Diagnostics) -> Sequence[object]:
    """The entries of the field; notes a problem if it is not a list."""
    if value is None:
        return ()
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple):
        diagnostics.error(
            FIELD,
            f'constraints must be a list of texts, such as ["{EXAMPLE}"], '
            f"not {shown(value)}.",
        )
        return ()
    size = sum(len(text) for text in texts if isinstance(text, str))
    if len(texts) > MAX_CONSTRAINTS:
        message = f"There may be {MAX_CONSTRAINTS} constraints, not {len(texts):,}."
    elif size > MAX_CHARACTERS:
        message = (
            f"constraints may have {MAX_CHARACTERS:,} characters together, "
            f"not {size:,}."
        )
    else:
        return texts
    diagnostics.error(FIELD, message)
    return ()


def _read(
    text: str, kinds: Mapping[str, frozenset[str]], place: str, diagnostics: Diagnostics
) -> list[Constraint]:
    try:
        return [parse_constraint(text, kinds)]
    except ExpressionError as error:
        diagnostics.error(place, str(error))
        return []
