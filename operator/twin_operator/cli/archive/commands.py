"""What the commands of `twin-operator archive` do."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import typer
from sqlalchemy.exc import DBAPIError

from twin_operator.adapters.sql_archive.archive import SqlArchive
from twin_operator.adapters.sql_archive.codec import weights_row
from twin_operator.adapters.sql_archive.export import WRITERS, copy_archive, write_file
from twin_operator.adapters.sql_archive.filters import Filters
from twin_operator.adapters.sql_archive.reader import ArchiveReader, columns
from twin_operator.cli.archive.text import as_json, print_rows, print_weights
from twin_operator.cli.output import Output, fail
from twin_operator.services.archive.ports import ArchiveUnreachable, ArchiveUnusable


def show_rows(filters: Filters, output: Output, url: str) -> None:
    """Print rows."""
    with _reader(url) as reader:
        rows = [row for batch in reader.batches(filters) for row in batch]
    if output is Output.JSON:
        typer.echo(as_json(rows))
    else:
        print_rows(filters.kind, rows)


def export_rows(filters: Filters, file: Path, url: str) -> None:
    """Write rows to a file, and say on standard error how many they are."""
    if file.suffix not in WRITERS:
        fail(f"The suffix of {file.name} must be {' or '.join(WRITERS)}: it says what is written.")
    with _reader(url) as reader:
        try:
            count = write_file(file, columns(filters.kind), reader.batches(filters))
        except OSError as error:
            fail(f"{file} cannot be written: {error.strerror or error}.")
    typer.echo(f"{count} {filters.kind} written to {file}", err=True)


def migrate_archive(url: str) -> None:
    """Make an archive or bring it to this version's schema, and say which that is."""
    with _sentences(), closing(SqlArchive(url)) as archive:
        typer.echo(f"The archive ({archive.place}) is at revision {archive.open()}.")


def copy_rows(source: str, target: str) -> None:
    """Copy an archive into another one, and say how many rows that were."""
    with _sentences():
        counts = copy_archive(source, target)
    typer.echo(f"Copied: {', '.join(f'{count} {table}' for table, count in counts.items())}.")


def show_weights(digest: str, output: Output, url: str) -> None:
    """Print a mixture over tau."""
    with _reader(url) as reader:
        found = reader.weights(digest)
    if found is None:
        fail(f"The archive knows no weights with the digest {digest}.")
    if output is Output.JSON:
        typer.echo(json.dumps(weights_row(digest, found)))
    else:
        print_weights(found)


@contextmanager
def _reader(url: str) -> Iterator[ArchiveReader]:
    with _sentences(), closing(ArchiveReader(url)) as reader:
        yield reader


@contextmanager
def _sentences() -> Iterator[None]:
    """Say what is wrong with an archive in a sentence."""
    try:
        yield
    except (ArchiveUnreachable, ArchiveUnusable) as error:
        fail(str(error))
    except DBAPIError as error:  # such as a right that the user does not have
        fail(f"The archive refused: {str(error.orig).splitlines()[0].rstrip('.')}.")
