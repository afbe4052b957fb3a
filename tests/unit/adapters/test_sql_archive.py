"""The archive in a file: what an address may say, what a file may do wrong, and what keeps a record safe."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from tests.archived import outcome, simulation, weights
from twin_operator.adapters.sql_archive.archive import SqlArchive
from twin_operator.adapters.sql_archive.engine import make_engine, read_address
from twin_operator.services.archive.ports import ArchiveUnreachable, ArchiveUnusable


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the archive is to be; its folder is not there yet."""
    return tmp_path / "deep" / "below" / "archive.db"


@pytest.fixture
def archive(file: Path) -> Iterator[SqlArchive]:
    """An archive in that file."""
    with closing(SqlArchive(f"sqlite:///{file}")) as archive:
        yield archive


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("sqlite:////var/lib/twin-operator/archive.db", "the file /var/lib/twin-operator/archive.db"),
        ("sqlite:///archive.db", "the file archive.db"),
        ("postgresql://jane:secret@db.data.svc:6432/twins", "PostgreSQL at db.data.svc:6432/twins"),
        ("postgres://jane:secret@db/twins?sslmode=require", "PostgreSQL at db:5432/twins"),
        ("postgresql+psycopg:///twins?host=one:5432&host=two:5432", "PostgreSQL at one:5432,two:5432/twins"),
        ("postgresql:///twins?host=/run/postgresql", "PostgreSQL at /run/postgresql/twins"),
    ],
)
def test_an_address_is_spoken_of_without_its_secrets(url: str, place: str) -> None:
    assert SqlArchive(url).place == place


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "cannot be read: write sqlite:///"),
        ("secret", "cannot be read"),
        ("postgresql://jane:secret@db:port/twins", "cannot be read"),
        ("mysql://jane:secret@db/twins", "cannot be in mysql"),
        ("postgresql+asyncpg://jane:secret@db/twins", r"cannot be in postgresql\+asyncpg"),
        ("postgresql://jane@db/twins?pasword=secret", r"does not know every option .* \(pasword\)"),
        ("sqlite://", "in memory would keep nothing"),
        ("sqlite:///:memory:", "in memory would keep nothing"),
        ("sqlite:////archive.db?mode=ro", "takes no options"),
    ],
)
def test_an_address_that_names_no_archive_is_refused_without_repeating_it(url: str, sentence: str) -> None:
    with pytest.raises(ArchiveUnusable, match=sentence) as refusal:
        SqlArchive(url)
    assert "secret" not in str(refusal.value)


def test_the_folder_is_made_and_the_file_waits_for_the_first_use(archive: SqlArchive, file: Path) -> None:
    assert not file.parent.exists()
    assert archive.known(["uid-0"]) == set()
    assert file.exists()


def test_a_commit_is_on_disk_and_readers_do_not_wait(archive: SqlArchive, file: Path) -> None:
    archive.open()
    engine = make_engine(read_address(f"sqlite:///{file}"))
    with engine.connect() as connection:
        pragmas = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    engine.dispose()
    assert pragmas == ["wal", 2]


def test_another_program_reads_moments_and_figures_with_plain_sql(archive: SqlArchive, file: Path) -> None:
    archive.store([simulation()], {})
    archive.record([outcome()])
    with closing(sqlite3.connect(file)) as connection:
        asked = (
            "SELECT o.grade, s.estimate, strftime('%Y-%m-%d', o.time), json_extract(s.spec, '$.seed') "
            "FROM outcomes o JOIN simulations s ON s.uid = o.simulation"
        )
        assert connection.execute(asked).fetchall() == [("Excellent", 0.0736133, "2026-02-26", 7)]


def test_weights_come_back_to_the_last_bit(archive: SqlArchive) -> None:
    mixtures = {mixture.digest: mixture for mixture in map(weights, range(20))}
    archive.store([], mixtures)
    found = archive.weights(mixtures)
    assert sorted(found) == sorted(mixtures)
    assert all(mixture.digest == digest for digest, mixture in found.items())


def test_a_file_that_is_no_database_is_told_and_left_as_it_is(archive: SqlArchive, file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.write_text("a letter, not a database\n" * 100)
    with pytest.raises(ArchiveUnreachable, match=rf"^The archive \(the file {file}\) cannot be reached: file is not a"):
        archive.open()
    assert file.read_text().startswith("a letter")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(ArchiveUnreachable, match="taken/folder cannot be made: Not a directory"):
        SqlArchive(f"sqlite:///{tmp_path}/taken/folder/archive.db").open()


def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArchiveUnreachable, match="unable to open database file"):
        SqlArchive(f"sqlite:///{tmp_path}").open()


def test_a_file_that_another_program_holds_is_told_after_a_while(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twin_operator.adapters.sql_archive.engine.STATEMENT_SECONDS", 0.2)
    with closing(SqlArchive(f"sqlite:///{file}")) as archive:
        archive.open()
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(ArchiveUnreachable, match="database is locked"):
                archive.store([simulation()], {})
            assert archive.known(["uid-0"]) == set()
        archive.store([simulation()], {})
        assert archive.known(["uid-0"]) == {"uid-0"}


def test_a_full_disk_is_told_and_nothing_is_half_stored(archive: SqlArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    archive.open()
    archive.close()
    monkeypatch.setattr("twin_operator.adapters.sql_archive.engine._SAFETY", ("PRAGMA max_page_count = 30",))
    with pytest.raises(ArchiveUnreachable, match="database or disk is full"):
        archive.store([simulation(number) for number in range(500)], {})
    assert archive.known([f"uid-{number}" for number in range(500)]) == set()


def test_a_mistake_of_ours_is_no_outage(archive: SqlArchive, file: Path) -> None:
    archive.open()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("DROP TABLE simulations")
    with pytest.raises(OperationalError, match="no such table"):
        archive.known(["uid-0"])
