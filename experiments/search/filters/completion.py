"""What may follow at the caret of a filter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from experiments.search.filters.fields import (
    FilterField,
    Vocabulary,
    written_name,
    written_text,
)
from experiments.search.filters.lexer import (
    ENDS,
    FilterError,
    FilterWord,
    Lexeme,
    read_words,
)

MAX_OFFERS = 12
# A value is offered without its name from this many letters on.
MIN_LETTERS = 2
CONTINUED = frozenset({Lexeme.FIELD, Lexeme.WORD, Lexeme.JOINT, Lexeme.NOT})
GROUPS = {"parameter": 0, "metric": 1, "state": 2, "trial": 3}
ORDERED = frozenset({"number", "duration", "moment"})


@dataclass(frozen=True)
class Offer:
    """What can be inserted. `kind`: parameter, metric, trial, state, tag, value,
    operator or word. `key`: of the field."""

    insert: str
    label: str
    kind: str
    detail: str = ""
    key: str = ""


@dataclass(frozen=True)
class Completion:
    """Offers that replace the text between two places."""

    start: int
    end: int
    offers: tuple[Offer, ...]


def complete(text: str, at: int, vocabulary: Vocabulary) -> Completion:
    """The offers at a place of the text, best first."""
    at = min(max(at, 0), len(text))
    try:
        words = read_words(text[:at], vocabulary)
    except FilterError:
        return Completion(at, at, ())
    typed = ""
    start = at
    if words and words[-1].end == at and _may_continue(words[-1]):
        start = words[-1].start
        typed = text[start:at].strip("`")
        words = words[:-1]
    found = _offers(words, typed, vocabulary)
    shown = [offer for offer in found if offer.insert != typed]
    return Completion(start, _end_of_word(text, at), tuple(shown[:MAX_OFFERS]))


def _may_continue(word: FilterWord) -> bool:
    return word.lexeme in CONTINUED or word.python in ("in", "is", "is not")


def _end_of_word(text: str, at: int) -> int:
    end = at
    while end < len(text) and (text[end].isalnum() or text[end] in "_`"):
        end += 1
    return end


def _offers(
    words: Sequence[FilterWord], typed: str, vocabulary: Vocabulary
) -> list[Offer]:
    last = words[-1] if words else None
    if last is None or last.lexeme not in ENDS:
        field = _compared_field(words)
        if field is not None:
            return _matching(_values(field), typed)
        return _starts(typed, vocabulary)
    if last.lexeme == Lexeme.FIELD and isinstance(last.value, FilterField):
        before = words[-2].lexeme if len(words) > 1 else None
        if before != Lexeme.COMPARE:
            return _matching(_operators(last.value), typed)
    joints = [Offer(word, word, "word") for word in ("and", "or")]
    return _matching(iter(joints), typed)


def _compared_field(words: Sequence[FilterWord]) -> FilterField | None:
    """The field whose value comes next: `optimizer =`, `optimizer in (sgd,`."""
    rest = list(words)
    while rest and rest[-1].lexeme in ENDS | {Lexeme.COMMA, Lexeme.OPEN}:
        rest.pop()
    inside = len(rest) < len(words)
    if len(rest) < 2 or rest[-1].lexeme != Lexeme.COMPARE:
        return None
    if inside and rest[-1].python not in ("in", "not in"):
        return None
    value = rest[-2].value
    return value if isinstance(value, FilterField) else None


def _values(field: FilterField) -> Iterator[Offer]:
    kind = {"tags": "tag", "state": "state"}.get(field.key, "value")
    for value in field.values:
        yield Offer(written_text(value), value, kind, field.name, field.key)


def _operators(field: FilterField) -> Iterator[Offer]:
    if not field.is_parameter or "boolean" in field.kinds:
        yield from (Offer(word, word, "word") for word in ("and", "or"))
    signs = ["<", "<=", ">", ">="] if field.kinds & ORDERED else []
    signs += ["=", "!="]
    if "text" in field.kinds:
        signs += ["contains", "in"]
    elif "number" in field.kinds:
        signs.append("in")
    if field.kinds != {"boolean"}:
        yield from (Offer(sign, sign, "operator") for sign in signs)


def _starts(typed: str, vocabulary: Vocabulary) -> list[Offer]:
    fields = (
        Offer(
            written_name(vocabulary.name_of(field)),
            vocabulary.name_of(field),
            field.group,
            field.detail,
            field.key,
        )
        for field in sorted(vocabulary.fields, key=lambda field: GROUPS[field.group])
    )
    found = _matching(fields, typed)
    if len(typed) >= MIN_LETTERS:
        found += _matching(_pairs(vocabulary), typed)
    words = [Offer("not", "not", "word"), Offer("not_set(", "not_set( )", "word")]
    return found + _matching(iter(words), typed)


def _pairs(vocabulary: Vocabulary) -> Iterator[Offer]:
    """`tag = regression` for the letters reg."""
    for field in vocabulary.fields:
        name = written_name(vocabulary.name_of(field))
        for offer in _values(field):
            if field.key != "state":
                insert = f"{name} = {offer.insert}"
                yield Offer(
                    insert, offer.label, offer.kind, f"{field.name} =", field.key
                )


def _matching(offers: Iterator[Offer], typed: str) -> list[Offer]:
    """Those whose label has the typed letters, at its beginning first."""
    letters = typed.casefold()
    beginning: list[Offer] = []
    inside: list[Offer] = []
    for offer in offers:
        place = offer.label.casefold().find(letters)
        if place == 0:
            beginning.append(offer)
        elif place > 0:
            inside.append(offer)
    return beginning + inside
