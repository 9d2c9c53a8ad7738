"""Text that is read as Python's syntax tree, and never run, with the places in it."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from typing import NoReturn

from experiments.search.fields import shown

MAX_CHARACTERS = 50_000
# Python warns on standard error about texts such as 1if. Their author sees the problem;
# the site's log does not need it.
FILE_NAME = "sweepsite_text"
warnings.filterwarnings("ignore", module=FILE_NAME)
# Python reads no longer ones, and more than 308 digits are too large anyway.
TOO_MANY_DIGITS = re.compile(r"\d{4300,}")
TOO_LARGE = "A number may have up to 308 digits before the dot."
# Python's messages count lines from the text's first letter. The line of the mistake is
# in our own message; the other is that of an open bracket.
OWN_LINE = re.compile(r" \(detected at line \d+\)")
OTHER_LINE = re.compile(r"(?<= on line )\d+")
WORD = re.compile(r"\w{1,40}|[^\w\s]{1,3}")


class ExpressionError(ValueError):
    """Text that cannot be read; line and column count from 1."""

    def __init__(self, message: str, *, line: int, column: int) -> None:
        super().__init__(f"Line {line}, column {column}: {message}")
        self.message = message
        self.line = line
        self.column = column


class Source:
    """The text, its syntax tree and the places of its nodes."""

    def __init__(self, text: str, *, most: int = MAX_CHARACTERS) -> None:
        if len(text) > most:
            raise ExpressionError(
                f"The text has {len(text):,} characters; up to {most:,} are allowed.",
                line=1,
                column=1,
            )
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        # Text pasted from an article may be indented, which Python would refuse.
        self._text = text.strip()
        before = text[: len(text) - len(text.lstrip())]
        self._lines = self._text.split("\n")
        self._lines_before = before.count("\n")
        self._columns_before = len(before) - (before.rfind("\n") + 1)

    def module(self) -> ast.Module:
        """The text as statements."""
        try:
            return ast.parse(self._text, FILE_NAME)
        except SyntaxError as error:
            self._unreadable(error)
        except (ValueError, MemoryError, RecursionError):
            self._nested_too_deeply()

    def whole(self) -> ast.expr:
        """The text as one expression."""
        try:
            return ast.parse(self._text, FILE_NAME, mode="eval").body
        except SyntaxError as error:
            self._unreadable(error)
        except (ValueError, MemoryError, RecursionError):
            self._nested_too_deeply()

    def segment(self, node: ast.expr) -> str:
        """The text of a node, up to the end of its first line."""
        written = self._lines[node.lineno - 1].encode()
        end = node.end_col_offset if node.end_lineno == node.lineno else None
        return written[node.col_offset : end].decode(errors="ignore")

    def holds_texts_side_by_side(self, node: ast.Constant) -> bool:
        """Whether a text consists of several, `"a" "b"`, which Python joins."""
        start, end = node.lineno, node.end_lineno or node.lineno
        lines = [line.encode() for line in self._lines[start - 1 : end]]
        lines[-1] = lines[-1][: node.end_col_offset]
        lines[0] = lines[0][node.col_offset :]
        written = b"\n".join(lines)
        if written.count(b"'") + written.count(b'"') < 4:
            return False
        # Brackets let a text continue on the next line.
        words = tokenize.tokenize(io.BytesIO(b"(" + written + b")").readline)
        return sum(word.type == tokenize.STRING for word in words) > 1

    def refuse(self, node: ast.AST | None, message: str) -> NoReturn:
        """Raise ExpressionError at a node's place."""
        line = getattr(node, "lineno", 1)
        start = getattr(node, "col_offset", 0)
        # The syntax tree counts bytes of UTF-8; people count characters.
        written = self._lines[line - 1].encode()[:start]
        self._raise(message, line, len(written.decode(errors="ignore")) + 1)

    def _unreadable(self, error: SyntaxError) -> NoReturn:
        if error.lineno is None:
            self._raise(f"This cannot be read: {error.msg.rstrip('.?')}.", 1, 1)
        line = min(max(error.lineno, 1), len(self._lines))
        written = self._lines[line - 1]
        # At the end of the text Python has no column.
        column = max(error.offset or 0, 0) or len(written) + 1
        if too_long := TOO_MANY_DIGITS.search(written):
            self._raise(TOO_LARGE, line, too_long.start() + 1)
        reason = _reason(error.msg, written[column - 1 :])
        reason = OTHER_LINE.sub(
            lambda found: str(int(found.group()) + self._lines_before), reason
        )
        self._raise(f"This cannot be read: {reason}.", line, column)

    def _nested_too_deeply(self) -> NoReturn:
        self._raise("This cannot be read: it is nested too deeply.", 1, 1)

    def _raise(self, message: str, line: int, column: int) -> NoReturn:
        raise ExpressionError(
            message,
            line=line + self._lines_before,
            column=column + (self._columns_before if line == 1 else 0),
        )


def _reason(message: str, rest: str) -> str:
    """Python's reason in more detail; `rest` is the text from its place."""
    if "forgot a comma" in message:
        return "perhaps a comma is missing after this"
    if message != "invalid syntax":
        return OWN_LINE.sub("", message.rstrip(".?"))
    word = WORD.match(rest.lstrip())
    if word is None:
        return "something is missing at the end"
    hint = "; use == to compare values" if word.group() == "=" else ""
    return f"{shown(word.group())} is not expected here{hint}"
