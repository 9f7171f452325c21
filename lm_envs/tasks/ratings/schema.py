"""Tables of a rating store, and how its file is opened.

Owns the tables, their version and the settings of SQLite. Rows are never changed or deleted: an
undone rating stays, and a row of `undone` names it.
"""

import sqlite3
from pathlib import Path

SUFFIXES = (".sqlite", ".sqlite3", ".db")
MAGIC = b"SQLite format 3\x00"
APPLICATION = 0x4C4D5254
"""SQLite's application id of these files: "LMRT"."""

VERSION = 1
TIMEOUT = 10.0
"""Seconds that a writer waits for another process."""

APPEND_ONLY = ("texts", "pairs", "ratings", "undone", "properties")

TABLES = """
CREATE TABLE properties (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE texts (number INTEGER PRIMARY KEY, prompt TEXT NOT NULL, text TEXT NOT NULL,
  prompt_tokens TEXT NOT NULL, tokens TEXT NOT NULL, source TEXT NOT NULL, shown TEXT NOT NULL,
  UNIQUE (prompt, text));
CREATE TABLE pairs (number INTEGER PRIMARY KEY, first INTEGER NOT NULL REFERENCES texts,
  second INTEGER NOT NULL REFERENCES texts, UNIQUE (first, second), CHECK (first <> second));
CREATE TABLE ratings (number INTEGER PRIMARY KEY AUTOINCREMENT, rater TEXT NOT NULL,
  first INTEGER NOT NULL REFERENCES texts, second INTEGER REFERENCES texts,
  value REAL CHECK (value BETWEEN 0 AND 1), is_swapped INTEGER NOT NULL, time REAL NOT NULL);
CREATE TABLE undone (rating INTEGER PRIMARY KEY REFERENCES ratings, time REAL NOT NULL);
CREATE INDEX ratings_by_text ON ratings (first, second, rater);
CREATE VIEW current_ratings AS SELECT * FROM ratings
  WHERE number NOT IN (SELECT rating FROM undone);
"""


def has_store_suffix(path: Path) -> bool:
    """Returns whether a file's name is one of a SQLite file."""
    return path.suffix.lower() in SUFFIXES


def open_file(path: Path) -> sqlite3.Connection:
    """Opens a store; makes it if there is no file, or an empty one.

    Raises:
        ValueError: If the file is not a store of this version.
        sqlite3.OperationalError: If it cannot be opened, read or written.
    """
    # The connection is shared by the threads of a server; `RatingStore` holds a lock around it.
    database = sqlite3.connect(path, timeout=TIMEOUT, isolation_level=None, check_same_thread=False)
    try:
        _prepare(database, path)
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    try:
        # With WAL a reader never waits for a writer, and a killed process leaves whole ratings.
        database.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        raise _wrong_file(path, str(error)) from None
    # FULL: a rating that was answered as stored survives a power failure, not a crash alone.
    database.execute("PRAGMA synchronous = FULL")
    database.execute("PRAGMA foreign_keys = ON")
    database.execute("BEGIN IMMEDIATE")
    try:
        if not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            _make_tables(database)
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION:
        raise _wrong_file(path, "it is a SQLite file of another program")
    if version != VERSION:
        raise _wrong_file(path, f"it has version {version}, and this is version {VERSION}")


def _make_tables(database: sqlite3.Connection) -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            database.execute(statement)
    for table in APPEND_ONLY:
        for change in ("UPDATE", "DELETE"):
            database.execute(
                f"CREATE TRIGGER {table}_{change} BEFORE {change} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, 'rows are never changed'); END"
            )
    database.execute(f"PRAGMA application_id = {APPLICATION}")
    database.execute(f"PRAGMA user_version = {VERSION}")


def _wrong_file(path: Path, reason: str) -> ValueError:
    return ValueError(
        f"Got {path}, which is no rating store ({reason}); allowed: a file that `python -m "
        "agents.rate` made, or a new name. Ratings in JSONL are added by `--import-from FILE`."
    )
