"""At most one server for a store.

Owns the lock: SQLite's own, on a file beside the store, so that it works on every system and ends
with the process, also with one that is killed.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from agents.config.loading import UserError


@contextmanager
def serving(store: Path) -> Iterator[None]:
    """Holds the lock of a store.

    Raises:
        UserError: If another server holds it.
    """
    path = store.with_name(f"{store.name}.serving")
    with closing(sqlite3.connect(path, timeout=0.0, isolation_level=None)) as database:
        try:
            database.execute("PRAGMA journal_mode = MEMORY")  # leaves no second file
            database.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise UserError(
                f"Got {store}, which another server serves ({error}); allowed: one server for a "
                "store. Several raters use one server, by their names in the address. Stop the "
                "other one, or use another --store."
            ) from None
        yield
