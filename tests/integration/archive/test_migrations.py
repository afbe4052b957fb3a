"""The revisions, the tables in the code and the databases agree; what is of another version is not touched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine

from tests.archived import TWIN, outcome, retraining, simulation
from twin_operator.adapters.sql_archive import codec, migrating
from twin_operator.adapters.sql_archive.archive import SqlArchive
from twin_operator.adapters.sql_archive.engine import make_engine, read_address
from twin_operator.adapters.sql_archive.filters import Filters, Kind
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


def as_of_the_first_release(url: str) -> None:
    """Make an archive with the tables and rows of release 0.1.0: two twins share a registered model."""
    if file := read_address(url).file:
        file.parent.mkdir()
    engine = make_engine(read_address(url))
    with engine.begin() as connection:
        migrating.upgrade(connection, "0001")
        for name, row in first_rows():
            connection.execute(METADATA.tables[name].insert(), row)
    engine.dispose()


def first_rows() -> Iterator[tuple[str, codec.Row]]:
    """Yield rows by table: outcome 0 and 1 with their Simulations, 2 to 4 without."""
    added = {"cluster", "run_id"}
    shared = {"registered_model": "shared", "namespace": "sales", "model": "leads"}
    for asked in (simulation(0), simulation(1, **shared), simulation(9, **{**shared, "model": "calls"})):
        yield "simulations", {k: v for k, v in codec.simulation_row(asked).items() if k not in added}
    names = {2: "marketing.hillstrom", 3: "web.shop", 4: "shared"}
    for number in range(5):
        one = outcome(number, registered_model=names.get(number, "marketing.hillstrom"))
        row = codec.outcome_row(one)
        yield "outcomes", {k: v for k, v in row.items() if k not in added | {"namespace", "model"}}
    yield "retrainings", {k: v for k, v in codec.retraining_row(retraining()).items() if k not in added}


def by_twin(url: str) -> dict[str, tuple[object, ...]]:
    engine = make_engine(read_address(url))
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT simulation, cluster, namespace, model, run_id FROM outcomes").all()
    engine.dispose()
    return {row[0]: tuple(row[1:]) for row in rows}


def test_the_outcomes_of_the_first_release_get_their_twins(url: str) -> None:
    as_of_the_first_release(url)
    with closing(SqlArchive(url)) as archive:
        archive.open()
    assert by_twin(url) == {
        "uid-0": (None, "marketing", "hillstrom", None),
        "uid-1": (None, "sales", "leads", None),
        "uid-2": (None, "marketing", "hillstrom", None),
        "uid-3": (None, "web", "shop", None),
        "uid-4": (None, None, None, None),
    }


def test_the_rows_of_the_first_release_become_those_of_the_cluster_that_opens_the_archive(url: str) -> None:
    as_of_the_first_release(url)
    with closing(SqlArchive(url, TWIN.cluster)) as archive, closing(SqlArchive(url, "cluster-2")) as later:
        assert [each.simulation for each in archive.outcomes(TWIN)] == ["uid-0", "uid-2"]
        assert [each.run_id for each in archive.outcomes(TWIN)] == [None, None]
        assert archive.outcomes(TWIN)[0] == outcome(0, run_id=None)
        assert later.outcomes(replace(TWIN, cluster="cluster-2")) == []
        assert archive.clusters() == {TWIN.cluster}
        assert (archive.outcome_count(TWIN.cluster), later.outcome_count("cluster-2")) == (5, 0)


def test_the_rows_of_the_first_release_are_listed_as_before(url: str) -> None:
    as_of_the_first_release(url)
    with closing(SqlArchive(url)) as archive:
        archive.open()
    with closing(ArchiveReader(url)) as reader:
        rows = [row for batch in reader.batches(Filters(model="hillstrom", namespace="marketing")) for row in batch]
        simulations = [row for batch in reader.batches(Filters(Kind.SIMULATIONS)) for row in batch]
        retrainings = [row for batch in reader.batches(Filters(Kind.RETRAININGS)) for row in batch]
    assert [row["simulation"] for row in rows] == ["uid-2", "uid-0"]
    assert {row["name"] for row in simulations} == {"question-0", "question-1", "question-9"}
    assert [row["name"] for row in retrainings] == ["hillstrom-0"]


def test_opening_again_changes_nothing(archive: SqlArchive) -> None:
    assert archive.open() == archive.open() == migrating.newest_revision()


def test_an_archive_of_a_newer_version_is_refused_and_left_alone(archive: SqlArchive, url: str) -> None:
    archive.store([simulation()], {})
    change(url, "UPDATE archive_revision SET version_num = '9999'")
    with closing(SqlArchive(url)) as later, closing(ArchiveReader(url)) as reader:
        for ask in (later.open, lambda: later.known(["uid-0"]), lambda: next(reader.batches(Filters()))):
            with pytest.raises(ArchiveUnusable, match="at revision 9999, which a newer twin-operator made; this one"):
                ask()
    change(url, "UPDATE archive_revision SET version_num = '0002'")
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
    assert list((folder / "versions").glob("000[12]_*.py"))
