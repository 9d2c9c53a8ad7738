"""Arguments of parameters that are not active: which words of a command are left out.

The whole argument goes, and with it the option in front of it whose value it is:
`--momentum ${{search_space.momentum}}` and `--momentum=${{search_space.momentum}}` and
`momentum=${{search_space.momentum}}`. What stands without a name cannot go, because the
arguments after it would move up; nor can an argument with something else in it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from experiments.search.command_words import Placeholder, Word, is_parameter
from experiments.search.problems import listed, shown


def omitted(words: Sequence[Word], absent: Collection[str]) -> set[int]:
    """The places of the words that go when these parameters have no value.

    A word that cannot be left out stays.
    """
    gone: set[int] = set()
    for place, _ in _touched(words, absent):
        if _obstacle(words, place) is None:
            gone.add(place)
            if _is_bare(words[place]):
                gone.add(place - 1)
    return gone


def omission_problems(
    words: Sequence[Word], optional: Collection[str]
) -> Iterator[str]:
    """Why words with parameters that are not always there could not be left out."""
    for place, name in _touched(words, optional):
        obstacle = _obstacle(words, place)
        if obstacle is not None:
            example = f"--{name.rpartition('.')[2]} {Placeholder('search_space', name)}"
            yield (
                f"{name} has no value in some trials, and its argument "
                f"{shown(_text(words[place]))} could then not be left out: {obstacle}. "
                f"Write {example}."
            )


def _touched(
    words: Sequence[Word], names: Collection[str]
) -> Iterator[tuple[int, str]]:
    """The words with one of these parameters, and the first of them in each."""
    for place, word in enumerate(words):
        found = [part.name for part in word if is_parameter(part)]
        name = next((name for name in found if name in names), None)
        if name is not None:
            yield place, name


def _obstacle(words: Sequence[Word], place: int) -> str | None:
    """Why a word cannot be left out."""
    word = words[place]
    named = {part.name for part in word if is_parameter(part)}
    literal = "".join(part for part in word if isinstance(part, str))
    if len(named) > 1:
        return f"it holds {listed(sorted(named))} together"
    if any(map(str.isspace, literal)):
        return "it is a text of several words"
    if _is_bare(word):
        return _bare_obstacle(words, place)
    first = word[0] if isinstance(word[0], str) else ""
    if not first.startswith("-") and not first.endswith("="):
        return "it has no name in front, and the arguments after it would move up"
    return None


def _bare_obstacle(words: Sequence[Word], place: int) -> str | None:
    if place < 2 or not _is_option(words[place - 1]):
        return "it has no option in front, and the arguments after it would move up"
    if place + 1 < len(words) and _is_bare(words[place + 1]):
        return "another value follows for the same option"
    return None


def _is_bare(word: Word) -> bool:
    return len(word) == 1 and is_parameter(word[0])


def _is_option(word: Word) -> bool:
    text = _text(word)
    plain = all(isinstance(part, str) for part in word)
    return plain and text.startswith("-") and text.strip("-") != "" and "=" not in text


def _text(word: Word) -> str:
    return "".join(map(str, word))
