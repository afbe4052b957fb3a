"""An empty database for each test, in SQLite and in PostgreSQL."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from twin_operator.adapters.sql_archive.archive import SqlArchive


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    """The address of a file that is not there yet."""
    return f"sqlite:///{tmp_path / 'archive' / 'archive.db'}"


@pytest.fixture
def postgres(postgres_server: Any) -> str:
    """The address of an empty database."""
    return empty_database(postgres_server)


@pytest.fixture
def second_postgres(postgres_server: Any) -> str:
    """The address of another one."""
    return empty_database(postgres_server)


def empty_database(postgres_server: Any) -> str:
    """Make a database."""
    name = f"archive_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return make_url(postgres_server.url).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """The address of an empty database of each kind."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def archive(url: str) -> Iterator[SqlArchive]:
    """An archive that nobody opened."""
    archive = SqlArchive(url)
    yield archive
    archive.close()
