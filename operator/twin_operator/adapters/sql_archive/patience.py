"""Connections to PostgreSQL that give up on a server which keeps its sockets open and answers nothing.

A server limits its own statements, and the kernel tells of a machine that is gone; neither notices a server that is
frozen, or whose disk is.
"""

from typing import Any, Final

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, Engine, event

# Beyond the server's own limit, which is the better one: it keeps the connection.
_GRACE: Final = 15.0  # seconds
_INTERVAL: Final = 0.1  # seconds between looks for Ctrl-C, psycopg's own


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
