"""A store of ratings: texts, pairs, ratings, and which of them were undone.

Owns reading and appending, each in one transaction: after an error or a crash the store holds
everything that was stored before. Knows nothing of pages, models or rewards.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lm_envs.tasks.ratings import schema
from lm_envs.tasks.ratings.rating import Pair, RatedText, Rating, normalized


class StoreWriteError(OSError):
    """A store could not be written or read, such as on a full disk; nothing stored was lost."""


class RatingStore:
    """Ratings in one SQLite file; made if there is none. Threads may share it.

    Args:
        path: The file.

    Attributes:
        path: As given.

    Raises:
        ValueError: If the file is not a rating store.
        StoreWriteError: If it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._reported():
            self._database = schema.open_file(path)

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    @property
    def properties(self) -> dict[str, str]:
        """Facts of the whole store, such as the fingerprint of its model."""
        return dict(self._rows("SELECT name, value FROM properties"))

    def set_property(self, name: str, value: str) -> str:
        """Stores a fact unless it is known already; returns the stored value."""
        with self._transaction():
            self._database.execute("INSERT OR IGNORE INTO properties VALUES (?, ?)", (name, value))
        return self.properties[name]

    @property
    def texts(self) -> dict[int, RatedText]:
        """All texts by number."""
        columns = "number, prompt, text, prompt_tokens, tokens, source, shown"
        return {
            number: RatedText(
                prompt, text, tuple(json.loads(ids)), tuple(json.loads(own)), source, shown
            )
            for number, prompt, text, ids, own, source, shown in self._rows(
                f"SELECT {columns} FROM texts"
            )
        }

    @property
    def pairs(self) -> list[Pair]:
        """All pairs to compare, in the order in which they were added."""
        return [Pair(*row) for row in self._rows("SELECT first, second FROM pairs ORDER BY number")]

    @property
    def ratings(self) -> list[Rating]:
        """All ratings that are not undone, in the order in which they were made."""
        return self._ratings("")

    def ratings_by(self, rater: str) -> list[Rating]:
        """Returns one rater's ratings that are not undone, in the order of rating."""
        return self._ratings("WHERE rater = ?", rater)

    def add_texts(self, texts: Iterable[RatedText]) -> list[int]:
        """Stores texts that are not known yet; returns the numbers of all."""
        with self._transaction():
            return [self._add_text(text) for text in texts]

    def add_pairs(self, pairs: Iterable[tuple[RatedText, RatedText]]) -> int:
        """Stores pairs that are not known yet, in either order; returns how many were new."""
        known = {frozenset((pair.first, pair.second)) for pair in self.pairs}
        added = 0
        with self._transaction():
            for one, other in pairs:
                first, second = self._add_text(one), self._add_text(other)
                if first != second and frozenset((first, second)) not in known:
                    known.add(frozenset((first, second)))
                    command = "INSERT INTO pairs (first, second) VALUES (?, ?)"
                    self._database.execute(command, (first, second))
                    added += 1
        return added

    def add_ratings(self, ratings: Iterable[Rating]) -> int:
        """Stores ratings of items that their raters have not rated; returns how many were new.

        All are stored, or after an error none.
        """
        with self._transaction():
            return sum(self._add_rating(rating) for rating in ratings)

    def undo(self, rater: str) -> Rating | None:
        """Undoes the last rating of a rater and returns it; None if there is none."""
        with self._transaction():
            found = self.ratings_by(rater)
            if not found:
                return None
            values = (found[-1].number, time.time())
            self._database.execute("INSERT INTO undone VALUES (?, ?)", values)
            return found[-1]

    def mean_rating(self, prompt: str, text: str) -> float | None:
        """Returns the mean rating of one text in [0, 1], over raters; None without a rating."""
        command = (
            "SELECT avg(value) FROM current_ratings WHERE second IS NULL AND first = "
            "(SELECT number FROM texts WHERE prompt = ? AND text = ?)"
        )
        return self._rows(command, prompt, normalized(text))[0][0]

    def _ratings(self, condition: str, *values: object) -> list[Rating]:
        columns = "rater, first, second, value, is_swapped, time, number"
        command = f"SELECT {columns} FROM current_ratings {condition} ORDER BY number"
        return [
            Rating(rater, first, second, value, bool(is_swapped), at, number)
            for rater, first, second, value, is_swapped, at, number in self._rows(command, *values)
        ]

    def _add_text(self, text: RatedText) -> int:
        ids = (json.dumps(list(text.prompt_tokens)), json.dumps(list(text.tokens)))
        row = (text.prompt, normalized(text.text), *ids, text.source, text.shown)
        command = "INSERT OR IGNORE INTO texts VALUES (NULL, ?, ?, ?, ?, ?, ?)"
        self._database.execute(command, row)
        command = "SELECT number FROM texts WHERE prompt = ? AND text = ?"
        return self._database.execute(command, row[:2]).fetchone()[0]

    def _add_rating(self, rating: Rating) -> int:
        command = (
            "INSERT INTO ratings (rater, first, second, value, is_swapped, time) "
            "SELECT ?, ?, ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM current_ratings "
            "WHERE rater = ? AND first = ? AND second IS ?)"
        )
        item = (rating.rater, *rating.item)
        row = (*item, rating.value, rating.is_swapped, rating.time or time.time(), *item)
        return self._database.execute(command, row).rowcount

    def _rows(self, command: str, *values: object) -> list[tuple]:
        with self._lock, self._reported():
            return self._database.execute(command, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, self._reported():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:  # SQLite itself ends some, as on a full disk
                    self._database.execute("ROLLBACK")
                raise

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
            raise  # a mistake of the caller
        except sqlite3.DatabaseError as error:  # a full disk, a damaged file, …
            raise StoreWriteError(
                f"Got {str(error)!r} from {self.path}; what was stored before is complete, and "
                "the last change was not stored. Free space on the disk, or make the file "
                "writable, and try again."
            ) from None


def is_store(path: Path) -> bool:
    """Returns whether a file is a store, by its content, or by its name if there is none yet."""
    if not path.is_file():
        return schema.has_store_suffix(path)
    with path.open("rb") as file:
        start = file.read(len(schema.MAGIC))
    return start == schema.MAGIC or (not start and schema.has_store_suffix(path))
