import sqlite3

import pytest

from lm_envs.tasks.ratings.schema import APPEND_ONLY, open_file


def test_rows_can_be_added_but_not_changed_or_deleted(tmp_path):
    database = open_file(tmp_path / "r.sqlite")
    database.execute("INSERT INTO texts VALUES (1, 'p', 't', '[]', '[]', '', '')")
    database.execute("INSERT INTO texts VALUES (2, 'p', 'u', '[]', '[]', '', '')")
    database.execute("INSERT INTO pairs VALUES (1, 1, 2)")
    database.execute("INSERT INTO ratings VALUES (1, 'Anna', 1, 2, 1.0, 0, 0)")
    database.execute("INSERT INTO undone VALUES (1, 0)")
    database.execute("INSERT INTO properties VALUES ('a', 'b')")
    for table in APPEND_ONLY:
        with pytest.raises(sqlite3.IntegrityError, match="rows are never changed"):
            database.execute(f"DELETE FROM {table}")
    with pytest.raises(sqlite3.IntegrityError, match="rows are never changed"):
        database.execute("UPDATE ratings SET value = 0")


def test_the_file_is_written_ahead_and_synchronized(tmp_path):
    database = open_file(tmp_path / "r.sqlite")
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert database.execute("PRAGMA synchronous").fetchone() == (2,)


@pytest.mark.parametrize("content", [b'{"text": "a", "rating": 1}\n' * 40, None])
def test_another_file_is_refused_with_the_remedy(tmp_path, content):
    path = tmp_path / "r.sqlite"
    if content is None:
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE songs (name TEXT)")
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"no rating store .*--import-from FILE"):
        open_file(path)


def test_a_later_version_is_refused(tmp_path):
    path = tmp_path / "r.sqlite"
    database = open_file(path)
    database.execute("PRAGMA user_version = 9")
    database.close()
    with pytest.raises(ValueError, match="it has version 9, and this is version 1"):
        open_file(path)
