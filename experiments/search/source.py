"""Text that is read as Python's syntax tree, never run, and the places in it."""

from __future__ import annotations

import ast
from typing import NoReturn

MOST_CHARACTERS = 50_000


class ExpressionError(ValueError):
    """Text that cannot be read, with the place: both count from 1."""

    def __init__(self, message: str, *, line: int, column: int) -> None:
        super().__init__(f"Line {line}, column {column}: {message}")
        self.message = message
        self.line = line
        self.column = column


class Source:
    """The text and its syntax tree; knows the place of every node."""

    def __init__(self, text: str, *, most: int = MOST_CHARACTERS) -> None:
        if len(text) > most:
            raise ExpressionError(
                f"The text has {len(text):,} characters; up to {most:,} are allowed.",
                line=1,
                column=1,
            )
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        # Indented text, as it is pasted from an article, must not be taken for a block.
        self._text = text.strip()
        before = text[: len(text) - len(text.lstrip())]
        self._lines_before = before.count("\n")
        self._columns_before = len(before) - (before.rfind("\n") + 1)

    def module(self) -> ast.Module:
        """The text as statements."""
        try:
            return ast.parse(self._text)
        except SyntaxError as error:
            self._unreadable(error)
        except (ValueError, MemoryError, RecursionError):
            self._nested_too_deeply()

    def whole(self) -> ast.expr:
        """The text as one expression."""
        try:
            return ast.parse(self._text, mode="eval").body
        except SyntaxError as error:
            self._unreadable(error)
        except (ValueError, MemoryError, RecursionError):
            self._nested_too_deeply()

    def segment(self, node: ast.expr) -> str:
        """What stands in the text for a node, on its first line."""
        written = self._text.split("\n")[node.lineno - 1].encode()
        end = node.end_col_offset if node.end_lineno == node.lineno else None
        return written[node.col_offset : end].decode(errors="ignore")

    def refuse(self, node: ast.AST | None, message: str) -> NoReturn:
        """Raise ExpressionError at a node's place."""
        line = getattr(node, "lineno", 1)
        start = getattr(node, "col_offset", 0)
        # The syntax tree counts bytes of UTF-8; people count characters.
        written = self._text.split("\n")[line - 1].encode()[:start]
        self._raise(message, line, len(written.decode(errors="ignore")) + 1)

    def _unreadable(self, error: SyntaxError) -> NoReturn:
        message = f"This cannot be read: {error.msg.rstrip('.?')}."
        if error.lineno is None:
            self._raise(message, 1, 1)
        line = min(max(error.lineno, 1), self._text.count("\n") + 1)
        # At the end of the text Python has no column.
        end = len(self._text.split("\n")[line - 1]) + 1
        self._raise(message, line, max(error.offset or 0, 0) or end)

    def _nested_too_deeply(self) -> NoReturn:
        self._raise("This cannot be read: it is nested too deeply.", 1, 1)

    def _raise(self, message: str, line: int, column: int) -> NoReturn:
        raise ExpressionError(
            message,
            line=line + self._lines_before,
            column=column + (self._columns_before if line == 1 else 0),
        )
