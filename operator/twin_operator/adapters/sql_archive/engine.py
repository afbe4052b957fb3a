"""Addresses of archives, and connections: how long they wait, what keeps a record safe, which errors mean unreachable.

An address is never repeated with its password. Connections to PostgreSQL give up on a server which keeps its sockets
open and answers nothing: a server limits its own statements, and the kernel reports a machine that is gone; neither
notices a server that is frozen, or whose disk is.
"""

import json
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import ProgrammingError, conninfo
from psycopg.abc import RV, PQGen
from psycopg.pq import TransactionStatus
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from twin_operator.services.archive.ports import ArchiveUnreachable, ArchiveUnusable

_SQLITE: Final = {"sqlite", "sqlite+pysqlite"}
_POSTGRESQL: Final = {"postgresql", "postgres", "postgresql+psycopg"}
_EXAMPLES: Final = "write sqlite:////var/lib/twin-operator/archive.db or postgresql://USER:PASSWORD@HOST:5432/DATABASE"
# Beyond the server's own limit, which is the better one: it keeps the connection.
_GRACE: Final = 15.0  # seconds
_INTERVAL: Final = 0.1  # seconds between checks for Ctrl-C, psycopg's own


@dataclass(frozen=True)
class Address:
    """Where an archive is: a file for SQLite, else a PostgreSQL server."""

    url: URL
    file: Path | None

    @property
    def place(self) -> str:
        """What to call it: never with a user, a password or an option, any of which may be secret."""
        if self.file:
            return f"the file {self.file}"
        # Hosts in the options, one or several, go before that of the address, as they do for the driver.
        hosts = self.url.query.get("host") or f"{self.url.host or 'localhost'}:{self.url.port or 5432}"
        return f"PostgreSQL at {hosts if isinstance(hosts, str) else ','.join(hosts)}/{self.url.database or ''}"


def read_address(text: str) -> Address:
    """Read the address of an archive.

    Raises:
        ArchiveUnusable: it names none; the sentence does not repeat it.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ArchiveUnusable(f"The address of the archive cannot be read: {_EXAMPLES}.") from None
    if url.drivername in _SQLITE:
        return Address(url, _file(url))
    if url.drivername in _POSTGRESQL:
        return Address(_postgresql(url), None)
    raise ArchiveUnusable(f"An archive cannot be in {url.drivername}: {_EXAMPLES}.")


def _file(url: URL) -> Path:
    if not url.database or url.database == ":memory:":
        raise ArchiveUnusable("An archive in memory would keep nothing: name a file, as in sqlite:////DIRECTORY/FILE.")
    if url.query:
        raise ArchiveUnusable("The address of an archive in SQLite takes no options after the file: leave out ?...")
    return Path(url.database)


def _postgresql(url: URL) -> URL:
    try:
        # An option that is repeated, as hosts may be, is a tuple; libpq need not see it to know the others.
        conninfo.make_conninfo("", **{name: value for name, value in url.query.items() if isinstance(value, str)})
    except ProgrammingError:
        options = ", ".join(url.query)
        raise ArchiveUnusable(f"PostgreSQL does not know every option of the archive's address ({options}).") from None
    return url.set(drivername="postgresql+psycopg")


class PatientConnection(psycopg.Connection[Any]):
    """A connection that closes itself when an answer takes longer than `patience` seconds; None waits for ever."""

    patience: float | None = None

    def wait(self, gen: PQGen[RV], interval: float = _INTERVAL, timeout: float | None = None) -> RV:
        """Wait for an answer."""
        try:
            return super().wait(gen, interval, self.patience if timeout is None else timeout)
        except psycopg.OperationalError as error:
            # Only after our own limit is the question still open; whatever came later would be taken for its answer.
            if self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            self.close()
            raise psycopg.OperationalError(f"it has not answered for {self.patience:.0f} s") from error


def be_patient(engine: Engine, seconds: int) -> None:
    """Limit every statement of an engine, by the server where it can and by the client where it must."""
    # For each transaction, and not as an option of the connection: a pooler such as PgBouncer refuses those.
    limit = f"SET LOCAL statement_timeout = {seconds * 1000}"

    def connect(_dialect: object, _record: object, arguments: list[Any], options: dict[str, Any]) -> PatientConnection:
        connection = PatientConnection.connect(*arguments, **options)
        connection.patience = seconds + _GRACE
        return connection

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(limit))


def wait_for_ever(connection: Connection) -> None:
    """Take the limits from a connection, which is not to be used for anything else then."""
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    raw = connection.connection.dbapi_connection
    if isinstance(raw, PatientConnection):
        raw.patience = None
    connection.detach()


CONNECT_SECONDS: Final = 5
STATEMENT_SECONDS: Final = 30  # the largest batch takes about one
READING_SECONDS: Final = 600  # sorting years of history for a user who waits for a file
POOL_SECONDS: Final = 10  # waiting for a connection of the pool while all of them are busy
_CONNECTION: Final = {
    "connect_timeout": CONNECT_SECONDS,
    # A server whose machine is gone answers nothing at all: the kernel asks after 5 s and gives up after 15 s more.
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # milliseconds until it gives up on what it sent and was not acknowledged
    "application_name": "twin-operator",
}
_SAFETY: Final = ("PRAGMA synchronous = FULL",)  # a commit is on disk before it is answered
# Seconds between two attempts to switch a file to WAL, at most: other connections hold it for milliseconds.
_SWITCH_PAUSE: Final = 0.05
# Primary result codes of SQLite for the disk or other processes, not for a wrong statement.
_OF_THE_FILE: Final = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOTADB,
}
_BUSY: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_PRIMARY: Final = 0xFF  # an extended result code holds the primary one in its lowest byte


def make_engine(address: Address, *, reading: bool = False) -> Engine:
    """Return an engine that opens connections when they are needed; nothing is connected yet.

    One for reading changes nothing, and its statements may take longer.
    """
    options = {
        "hide_parameters": True,
        "pool_timeout": POOL_SECONDS,
        "pool_pre_ping": True,
        "json_serializer": _strict_json,
    }
    if address.file:
        engine = create_engine(address.url, connect_args={"timeout": STATEMENT_SECONDS}, **options)
        event.listen(engine, "connect", _only_read if reading else _keep_safe)
        return engine
    # What the address says itself goes before.
    arguments = {name: value for name, value in _CONNECTION.items() if name not in address.url.query}
    engine = create_engine(address.url, connect_args=arguments, **options)
    be_patient(engine, READING_SECONDS if reading else STATEMENT_SECONDS)
    return engine


# NaN and infinity are no JSON: PostgreSQL refuses them, and SQLite would keep what no other client can read.
_strict_json = partial(json.dumps, allow_nan=False)


def _keep_safe(connection: sqlite3.Connection, _record: object) -> None:
    _switch_to_wal(connection)
    for pragma in _SAFETY:
        connection.execute(pragma)


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Let readers and the writer of a file work side by side; a file that is in WAL mode already stays as it is.

    Once in the life of a file this turns a shared lock into an exclusive one. SQLite refuses that at once while
    another connection has the file open, without waiting for its busy timeout, so the waiting is done here.
    """
    deadline = time.monotonic() + STATEMENT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if _primary_code(error) not in _BUSY or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0, _SWITCH_PAUSE))  # noqa: S311 - so that several do not collide for ever
        else:
            return


def _only_read(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA query_only = ON")


@contextmanager
def transaction(engine: Engine, address: Address) -> Iterator[Connection]:
    """Run a transaction, which is committed at the end of the block.

    Raises:
        ArchiveUnreachable: the database did not answer; nothing of the block is stored, unless the answer to the
            commit was lost.
    """
    with telling(address), engine.begin() as connection:
        yield connection


@contextmanager
def telling(address: Address) -> Iterator[None]:
    """Turn what a database says of itself into `ArchiveUnreachable`; errors of statements stay what they are."""
    try:
        yield
    except PoolTimeout:
        raise ArchiveUnreachable(_sentence(address, f"it is busy for over {POOL_SECONDS} s")) from None
    except DBAPIError as error:
        if not _of_the_database(error):
            raise
        raise ArchiveUnreachable(_sentence(address, _cause(error, address))) from error.orig


def _of_the_database(error: DBAPIError) -> bool:
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return _primary_code(cause) in _OF_THE_FILE
    # A standby that became the primary's place-holder refuses writes until the address leads to the new primary.
    temporary = (psycopg.OperationalError, psycopg.errors.ReadOnlySqlTransaction)
    return error.connection_invalidated or isinstance(cause, temporary)


def _primary_code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & _PRIMARY


def _cause(error: DBAPIError, address: Address) -> str:
    """The first line of the driver's message, without the password where that is in it."""
    said = str(error.orig).strip() or type(error.orig).__name__
    password = str(address.url.password or "")
    return (said.replace(password, "***") if password else said).splitlines()[0].rstrip(".")


def _sentence(address: Address, cause: str) -> str:
    return f"The archive ({address.place}) cannot be reached: {cause}."
