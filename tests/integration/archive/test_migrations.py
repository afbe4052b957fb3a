"""The revisions, the tables in the code and the databases agree; what is of another version is not touched."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine

from tests.archived import simulation
from twin_operator.adapters.sql_archive import migrating
from twin_operator.adapters.sql_archive.archive import SqlArchive
from twin_operator.adapters.sql_archive.engine import make_engine, read_address
from twin_operator.adapters.sql_archive.filters import Filters
from twin_operator.adapters.sql_archive.reader import ArchiveReader
from twin_operator.adapters.sql_archive.schema import METADATA
from twin_operator.services.archive.ports import ArchiveUnusable

OPTIONS = {"version_table": migrating.VERSION_TABLE, "compare_type": True, "compare_server_default": True}


def differences(engine: Engine) -> list[object]:
    with engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection, opts=OPTIONS), METADATA))


def change(url: str, *statements: str) -> None:
    engine = make_engine(read_address(url))
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def test_the_revisions_make_the_tables_of_the_code(archive: SqlArchive, url: str) -> None:
    archive.open()
    engine = make_engine(read_address(url))
    assert differences(engine) == []
    engine.dispose()
    change(url, "ALTER TABLE outcomes DROP COLUMN grade", "DROP INDEX outcomes_by_time")
    assert len(differences(engine)) == 2
    engine.dispose()


def test_opening_again_changes_nothing(archive: SqlArchive) -> None:
    assert archive.open() == archive.open() == migrating.newest_revision()


def test_an_archive_of_a_newer_version_is_refused_and_left_alone(archive: SqlArchive, url: str) -> None:
    archive.store([simulation()], {})
    change(url, "UPDATE archive_revision SET version_num = '9999'")
    with closing(SqlArchive(url)) as later, closing(ArchiveReader(url)) as reader:
        for ask in (later.open, lambda: later.known(["uid-0"]), lambda: next(reader.batches(Filters()))):
            with pytest.raises(ArchiveUnusable, match="at revision 9999, which a newer twin-operator made; this one"):
                ask()
    change(url, "UPDATE archive_revision SET version_num = '0001'")
    assert archive.known(["uid-0"]) == {"uid-0"}


def test_tables_of_others_in_the_same_database_are_left_alone(archive: SqlArchive, url: str) -> None:
    if file := read_address(url).file:
        file.parent.mkdir()
    change(url, "CREATE TABLE alembic_version (version_num TEXT)", "INSERT INTO alembic_version VALUES ('of MLflow')")
    assert archive.open() == migrating.newest_revision()
    archive.store([simulation()], {})


def test_revisions_are_in_the_package_where_the_code_looks() -> None:
    folder = Path(migrating.__file__).parent / "migrations"
    assert (folder / "env.py").is_file()
    assert list((folder / "versions").glob("0001_*.py"))
