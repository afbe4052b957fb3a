"""A database that is away: reported at once, without its password, and found again when it is back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from devcluster.layout import LOOPBACK, free_ports
from devcluster.postgres import PASSWORD
from tests.archived import TWIN, outcome, retraining, simulation
from twin_operator.adapters.sql_archive.archive import SqlArchive
from twin_operator.adapters.sql_archive.engine import CONNECT_SECONDS
from twin_operator.services.archive.ports import ArchiveUnreachable

SECONDS = 15  # what a refusal may take on a busy machine: much less than a statement may


@pytest.fixture
def archive(postgres: str) -> Iterator[SqlArchive]:
    """An archive in PostgreSQL that is open."""
    archive = SqlArchive(postgres)
    archive.open()
    yield archive
    archive.close()


@contextmanager
def unreachable(within: float = SECONDS) -> Iterator[None]:
    begun = time.monotonic()
    with pytest.raises(ArchiveUnreachable, match=r"^The archive \(PostgreSQL at 127\.0\.0\.1:\d+/\w+\) cannot") as told:
        yield
    assert time.monotonic() - begun < within
    assert PASSWORD not in str(told.value)
    assert str(told.value).count("\n") == 0


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_server_that_ended_is_told_at_once_and_found_when_it_is_back(
    archive: SqlArchive, postgres_server: Any, end: str
) -> None:
    archive.store([simulation()], {})
    getattr(postgres_server, end)()
    try:
        for ask in (
            lambda: archive.store([simulation(1)], {}),
            lambda: archive.known(["uid-0"]),
            lambda: archive.record([outcome()]),
            lambda: archive.recorded(["uid-0"]),
            lambda: archive.outcomes(TWIN),
            lambda: archive.weights(["0a1b"]),
            lambda: archive.store_retraining(retraining()),
            archive.open,
        ):
            with unreachable():
                ask()
    finally:
        postgres_server.start()
    assert archive.known(["uid-0", "uid-1"]) == {"uid-0"}
    archive.store([simulation(1)], {})
    assert archive.known(["uid-0", "uid-1"]) == {"uid-0", "uid-1"}


def test_a_server_that_was_away_at_first_is_used_when_it_comes(postgres: str, postgres_server: Any) -> None:
    archive = SqlArchive(postgres)
    postgres_server.stop()
    try:
        with unreachable():
            archive.known(["uid-0"])
    finally:
        postgres_server.start()
    assert archive.known(["uid-0"]) == set()
    archive.close()


@pytest.mark.slow
def test_a_server_that_accepts_and_says_nothing_is_given_up(postgres: str, postgres_server: Any) -> None:
    archive = SqlArchive(postgres)
    postgres_server.process.send_signal(signal.SIGSTOP)
    try:
        with unreachable(CONNECT_SECONDS + SECONDS):
            archive.known(["uid-0"])
    finally:
        postgres_server.process.send_signal(signal.SIGCONT)
    assert archive.known(["uid-0"]) == set()
    archive.close()


@pytest.mark.slow
def test_a_server_that_freezes_in_use_is_given_up(
    postgres: str, postgres_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twin_operator.adapters.sql_archive.engine.STATEMENT_SECONDS", 1)
    monkeypatch.setattr("twin_operator.adapters.sql_archive.engine._GRACE", 1)
    archive = SqlArchive(postgres)
    archive.store([simulation()], {})
    frozen = [postgres_server.process.pid, *children(postgres_server.process.pid)]
    for process in frozen:
        os.kill(process, signal.SIGSTOP)
    try:
        with unreachable(2 + CONNECT_SECONDS + SECONDS):  # the connection that was open, and then a new one
            archive.known(["uid-0"])
    finally:
        for process in frozen:
            os.kill(process, signal.SIGCONT)
    assert archive.known(["uid-0"]) == {"uid-0"}
    archive.close()


def children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def test_a_session_that_was_ended_is_replaced(archive: SqlArchive, postgres: str) -> None:
    archive.known(["uid-0"])
    with psycopg.connect(postgres, autocommit=True) as administrator:
        ended = administrator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'twin-operator'"
        ).fetchall()
    assert ended
    archive.store([simulation()], {})
    assert archive.known(["uid-0"]) == {"uid-0"}


def test_a_batch_that_waits_too_long_for_another_is_given_up(
    archive: SqlArchive, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twin_operator.adapters.sql_archive.engine.STATEMENT_SECONDS", 1)
    impatient = SqlArchive(postgres)
    with psycopg.connect(postgres) as other:
        other.execute("LOCK TABLE simulations")
        with unreachable():
            impatient.store([simulation()], {})
    impatient.close()
    archive.store([simulation()], {})


@pytest.mark.parametrize("wrong", ["password", "database", "user"])
def test_wrong_credentials_are_told_without_them(postgres: str, wrong: str) -> None:
    changes = {
        "password": (f":{PASSWORD}@", ":secret-word@"),
        "database": ("/archive_", "/absent_"),
        "user": ("postgres:", "somebody:"),
    }
    head, tail = postgres.split("//")
    archive = SqlArchive(f"{head}//{tail.replace(*changes[wrong])}")
    with unreachable():
        archive.open()
    archive.close()


def test_nobody_at_the_address_is_told() -> None:
    archive = SqlArchive(f"postgresql://operator:{PASSWORD}@{LOOPBACK}:{free_ports(1)[0]}/archive")
    with unreachable():
        archive.open()
