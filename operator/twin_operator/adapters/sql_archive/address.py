"""Addresses of archives: which databases they may name, and how they are spoken of without a password."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from psycopg import ProgrammingError, conninfo
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from twin_operator.services.archive.ports import ArchiveUnusable

_SQLITE: Final = {"sqlite", "sqlite+pysqlite"}
_POSTGRESQL: Final = {"postgresql", "postgres", "postgresql+psycopg"}
_EXAMPLES: Final = "write sqlite:////var/lib/twin-operator/archive.db or postgresql://USER:PASSWORD@HOST:5432/DATABASE"


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
