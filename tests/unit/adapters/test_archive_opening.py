"""Opening an archive in SQLite while another connection has the same file open."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from twin_operator.adapters.sql_archive.archive import SqlArchive
from twin_operator.adapters.sql_archive.migrating import newest_revision

SECONDS = 30  # far beyond what opening takes


@contextmanager
def write_lock(file: Path) -> Iterator[None]:
    """Hold the lock of a writer on a file that is not in WAL mode, as another process does that opens it first."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE other (id INTEGER)")
        connection.execute("BEGIN IMMEDIATE")
        yield


def test_an_archive_is_opened_as_soon_as_a_writer_of_the_new_file_has_ended(tmp_path: Path) -> None:
    file = tmp_path / "archive.db"
    archive = SqlArchive(f"sqlite:///{file}")
    with ThreadPoolExecutor(1) as thread, closing(archive):
        with write_lock(file):
            opening: Future[str] = thread.submit(archive.open)
            with pytest.raises(TimeoutError):  # it waits: a failure would end it within milliseconds
                opening.result(timeout=0.5)
        assert opening.result(timeout=SECONDS) == newest_revision()


def test_every_connection_uses_the_write_ahead_log(tmp_path: Path) -> None:
    file = tmp_path / "archive.db"
    with closing(SqlArchive(f"sqlite:///{file}")) as archive:
        archive.open()
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
