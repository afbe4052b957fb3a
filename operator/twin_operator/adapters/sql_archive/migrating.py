"""Brings a database to the schema of this version by the revisions in `migrations`, one transaction for all of them."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from twin_operator.adapters.sql_archive.engine import wait_for_ever
from twin_operator.services.archive.ports import ArchiveUnusable

# Of our own: the database may be shared with MLflow, whose revision stands in Alembic's usual table.
VERSION_TABLE: Final = "archive_revision"
_REMEDY: Final = "start the operator, or run `twin-operator archive migrate`"
_MIGRATIONS: Final = Path(__file__).parent / "migrations"
# Any number will do that no other program of the database locks by: the letters "twin".
_LOCK: Final = 0x7477696E


def newest_revision() -> str:
    """Return the revision that this version of the package knows as its schema."""
    return str(_scripts().get_current_head())


def revision(connection: Connection) -> str | None:
    """Return the revision of a database; None where it holds no archive.

    Raises:
        ArchiveUnusable: this version of the package does not know it.
    """
    current = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()
    if current is not None and current not in {script.revision for script in _scripts().walk_revisions()}:
        raise ArchiveUnusable(
            f"The archive is at revision {current}, which a newer twin-operator made; this one knows revisions up to "
            f"{newest_revision()}: run the newer one, or name another archive."
        )
    return current


def absent(place: str) -> str:
    """Say that there is no archive, and who makes one."""
    return f"There is no archive in {place}: {_REMEDY}."


def require_newest(connection: Connection, place: str) -> None:
    """Refuse a database that is not at the newest revision.

    Raises:
        ArchiveUnusable: it holds no archive, or one of another version.
    """
    current = revision(connection)
    if current is None:
        raise ArchiveUnusable(absent(place))
    if current != newest_revision():
        raise ArchiveUnusable(
            f"The archive ({place}) is at revision {current}, and this version reads {newest_revision()}: {_REMEDY}."
        )


def upgrade(connection: Connection, to: str = "head") -> str:
    """Bring a database to the newest revision within the transaction that is open, and return that revision.

    `to`: an earlier revision, where an archive is to be made as an earlier release made it.

    Of several that do this at once, one does it and the others find it done.

    Raises:
        ArchiveUnusable: the database is of a newer revision.
    """
    _lock(connection)
    if revision(connection) != newest_revision():
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, to)
    return str(revision(connection))


def _lock(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        return
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    # The wait for the lock has its limit; a new index on years of history may take longer.
    wait_for_ever(connection)


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
