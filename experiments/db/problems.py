"""Errors of a database that an administrator can repair, each as one sentence."""

from __future__ import annotations

from django.db import DatabaseError, InterfaceError, OperationalError, connection

# A part of SQLite's message, and what follows the database's path.
SQLITE = {
    "not a database": "is not a SQLite database. Restore a backup.",
    "malformed": "is damaged. Restore a backup, or try sqlite3's .recover.",
    "unable to open": (
        "cannot be opened. Its folder must exist, and this user must be able to read"
        " and write both."
    ),
    "readonly": (
        "cannot be written. Run this as the user to whom it belongs, or correct the"
        " permissions of the file and its folder."
    ),
    "disk is full": "cannot grow: the disk is full. Free some space.",
    "disk I/O": "cannot be read or written: the disk reports an error. Check the disk.",
    "locked": "is in use by another program for too long. Stop that, then retry.",
}
NO_TABLES = ("no such table", "does not exist")


def explain(error: BaseException) -> str:
    """What is wrong with the database, and what to do; empty for anything else."""
    if not isinstance(error, DatabaseError | InterfaceError):
        return ""
    text = str(error).strip().partition("\n")[0]
    if connection.vendor == "sqlite":
        path = connection.settings_dict["NAME"]
        words = (advice for part, advice in SQLITE.items() if part in text)
        if advice := next(words, ""):
            return f"The database {path} {advice}"
    elif isinstance(error, OperationalError | InterfaceError):
        return (
            f"The database of DATABASE_URL does not work: {text.rstrip('.')}. Check"
            " the address and that its server runs."
        )
    if any(words in text for words in NO_TABLES):
        return "The database has no tables yet. Run: python manage.py setup"
    return ""
