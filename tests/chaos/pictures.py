"""What a disk may hold when the power goes, of a SQLite database that is written to.

The log of commits (the WAL) may end anywhere behind what was flushed, in nothing or in
garbage; and a page that was on its way from the log into the database may be torn.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import struct
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.chaos.series import stored_series

# Of SQLite's file formats: sizes, and where the index to the log keeps what.
LOG_HEADER, FRAME_HEADER, SECTOR = 32, 24, 512
VALID_FRAMES, BROUGHT_OVER = 16, 128
PARTS = ("", "-wal", "-shm")


def _part(path: Path, part: str) -> Path:
    return path.with_name(path.name + part)


@dataclass(frozen=True)
class Picture:
    """A copy of the files at one moment without writes.

    Of the log's valid ``frames`` the first ``brought_over`` may be in the database
    already, in part: they were flushed before that began, so no cut takes them.
    """

    path: Path
    page: int
    frames: int
    brought_over: int

    @classmethod
    def taken(cls, database: Path, path: Path) -> Picture:
        path.parent.mkdir(parents=True)
        for part in PARTS:
            shutil.copyfile(_part(database, part), _part(path, part))
        index = _part(path, "-shm").read_bytes()
        frames = struct.unpack_from("=I", index, VALID_FRAMES)[0]
        brought_over = struct.unpack_from("=I", index, BROUGHT_OVER)[0]
        page = struct.unpack_from(">H", path.read_bytes()[:SECTOR], 16)[0]
        return cls(path, page, frames, min(brought_over, frames))

    def behind(self, frame: int) -> int:
        """The offset in the log behind so many frames."""
        return LOG_HEADER + frame * (FRAME_HEADER + self.page)

    def copied(self, folder: Path) -> Path:
        """The database and its log; the index is not on a disk after a power cut."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for part in PARTS[:2]:
            shutil.copyfile(_part(self.path, part), _part(folder / "db", part))
        return folder / "db"

    def cut(self, random: Random, folder: Path) -> Path:
        """A copy whose log ends at a random place, half of them in garbage."""
        path = self.copied(folder)
        least, most = self.behind(self.brought_over), self.behind(self.frames)
        with _part(path, "-wal").open("r+b") as log:
            log.truncate(random.randint(least, most))
            log.seek(0, 2)
            if random.random() < 0.5:
                log.write(random.randbytes(random.randrange(3 * self.page)))
        return path

    def torn(self, random: Random, folder: Path) -> Path:
        """A copy with a whole log, and with damaged pages in the database.
        The first one is left alone: a disk writes its first sector whole."""
        path = self.copied(folder)
        log = _part(path, "-wal").read_bytes()
        starts = map(self.behind, range(self.brought_over, self.frames))
        pages = {struct.unpack_from(">I", log, start)[0] for start in starts} - {1}
        with path.open("r+b") as database:
            for number in sorted(pages):
                sector = random.randrange(0, self.page, SECTOR)
                database.seek((number - 1) * self.page + sector)
                database.write(random.randbytes(SECTOR))
        return path


@dataclass(frozen=True)
class Held:
    """What is in a database that was opened after a power cut."""

    damage: list[str]
    events: list[int]
    points: dict[tuple[int, str], list[int]]
    notes: int
    half_done: int

    @classmethod
    def by(cls, path: Path) -> Held:
        with contextlib.closing(sqlite3.connect(path)) as database:

            def column(query: str) -> list[int]:
                return [row[0] for row in database.execute(query)]

            found = database.execute("PRAGMA integrity_check").fetchall()
            return cls(
                damage=[str(row[0]) for row in found if row[0] != "ok"]
                + [str(row) for row in database.execute("PRAGMA foreign_key_check")],
                events=column("SELECT id FROM experiments_event ORDER BY id"),
                points={
                    (series.attempt, series.name): series.steps
                    for series in stored_series(database.execute)
                },
                notes=int(
                    column("SELECT MAX(notes + 0) FROM experiments_sweep")[0] or 0
                ),
                half_done=column(HALF_DONE)[0],
            )

    def problems(self, *, whole: Held) -> list[str]:
        """Damage, and where this is not the state after one of the commits."""
        found = list(self.damage)
        if self.events != whole.events[: len(self.events)]:
            found.append("events are no beginning of those that were there")
        for key, steps in self.points.items():
            if steps != whole.points.get(key, [])[: len(steps)]:
                found.append(f"points of {key} are no beginning of those there were")
        if self.half_done:
            found.append(f"{self.half_done} trials have half a report")
        return found


# A report raises its trial's count in the same transaction.
HALF_DONE = """
SELECT COUNT(*) FROM experiments_trial t
JOIN experiments_sweep s ON s.id = t.sweep_id
JOIN experiments_attempt a ON a.id = t.current_attempt_id
LEFT JOIN experiments_metric m ON m.attempt_id = a.id AND m.name = s.primary_metric
WHERE a.state != 'lost' AND t.reports != COALESCE(m.count, 0)
"""
