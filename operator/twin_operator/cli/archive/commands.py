"""What the commands of `twin-operator archive` do, and how they print rows: as tables, and as JSON."""

import asyncio
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import typer
from sqlalchemy.exc import DBAPIError

from twin_operator.adapters.sql_archive.archive import SqlArchive
from twin_operator.adapters.sql_archive.codec import weights_row
from twin_operator.adapters.sql_archive.export import WRITERS, copy_archive, write_file
from twin_operator.adapters.sql_archive.filters import Filters, Kind
from twin_operator.adapters.sql_archive.reader import ArchiveReader, columns
from twin_operator.cli.output import Output, fail, print_line, print_table
from twin_operator.domain.twin import TauWeights
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


def adopt_rows(source: str, cluster: str | None, url: str) -> None:
    """Give the rows of a cluster to another one, and say how many they are."""
    with _reader(url) as reader:
        reader.check()  # nothing is made where there is no archive
    target = cluster or _this_cluster()
    if target == source:
        fail(f"{source} is the cluster that would take the rows: name the one that has them.")
    with _sentences(), closing(SqlArchive(url)) as archive:
        clusters = archive.clusters()
        if source not in clusters:
            fail(f"No row is of cluster {source}; there are rows of {', '.join(sorted(clusters)) or 'no cluster'}.")
        counts = archive.adopt(source, target)
    typer.echo(f"Adopted for {target}: {', '.join(f'{count} {table}' for table, count in counts.items())}.")


def _this_cluster() -> str:
    from twin_operator.adapters.kubernetes_api.commands import read_cluster_uid  # noqa: PLC0415 - slow to import

    try:
        return asyncio.run(read_cluster_uid())
    except Exception as error:  # noqa: BLE001 - whatever it is, the remedy is the same
        fail(f"The uid of this cluster cannot be read ({error or type(error).__name__}): name it with --cluster.")


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


Row = Mapping[str, Any]
_DIGITS: Final = 4  # significant ones: more than an interval resolves
_MOST_WEIGHT: Final = 0.0005  # below it a share of the mixture prints as 0.0 %


def as_json(rows: Sequence[Row]) -> str:
    """Return rows as a JSON list; moments as RFC 3339, numbers that are not finite as null."""
    return json.dumps([{name: _json(value) for name, value in row.items()} for row in rows], indent=2)


def print_rows(kind: Kind, rows: Sequence[Row]) -> None:
    """Print rows as a table."""
    if not rows:
        print_line(f"No {kind} found.")
        return
    print_table(list(_COLUMNS[kind]), [[_text(show(row)) for show in _COLUMNS[kind].values()] for row in rows])


def print_weights(weights: TauWeights) -> None:
    """Print a mixture over tau: what it rests on, and the values that have any weight to speak of."""
    print_line(
        f"{weights.experiments} experiments and {weights.outcomes} outcomes; median of tau {_figure(weights.median)} "
        "in units of the outcome"
    )
    pairs = zip(weights.tau.tolist(), weights.weight.tolist(), strict=True)
    print_table(["TAU", "WEIGHT"], [[_figure(t), f"{w:.1%}"] for t, w in pairs if w >= _MOST_WEIGHT])


def _model(row: Row) -> str | None:
    return f"{row['namespace']}/{row['model']}" if row["model"] else row["registered_model"]


def _predicted(row: Row) -> str | None:
    if row["estimate"] is None:
        return None
    interval = "" if row["low"] is None else f" ({_figure(row['low'])} to {_figure(row['high'])})"
    return f"{_figure(row['estimate'])}{interval}"


def _contrast(row: Row) -> str:
    return f"{row['arm']} / {row['against']}" if row["against"] else str(row["arm"])


def _grade(row: Row) -> str | None:
    return f"{row['grade']} (hindsight)" if row["hindsight"] else row["grade"]


def _of(name: str) -> Callable[[Row], Any]:
    return lambda row: row[name]


_COLUMNS: Final[dict[Kind, dict[str, Callable[[Row], Any]]]] = {
    Kind.OUTCOMES: {
        "KNOWN": _of("time"),
        "MODEL": _model,
        "VERSION": _of("model_version"),
        "SIMULATION": _of("name"),
        "EXPERIMENT": _of("experiment"),
        "ARMS": _contrast,
        "PREDICTED": _predicted,
        "OBSERVED": _of("observed"),
        "COVERED": _of("covered"),
        "GRADE": _grade,
    },
    Kind.SIMULATIONS: {
        "ENDED": _of("completed"),
        "MODEL": _model,
        "VERSION": _of("model_version"),
        "SIMULATION": _of("name"),
        "ARMS": _contrast,
        "REASON": _of("reason"),
        "PREDICTED": _predicted,
        "ACTION": _of("action"),
        "GRADE": _grade,
    },
    Kind.RETRAININGS: {
        "ENDED": _of("completed"),
        "MODEL": _model,
        "RETRAINING": _of("name"),
        "TRIGGER": _of("trigger"),
        "PHASE": _of("phase"),
        "REASON": _of("reason"),
        "CANDIDATE": _of("candidate_version"),
        "PROMOTED": _of("promoted"),
        "APPROVED BY": _of("approved_by"),
    },
}


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return _figure(value)
    return "" if value is None else str(value)


def _figure(number: float) -> str:
    return f"{number:.{_DIGITS}g}"


def _json(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return None if isinstance(value, float) and not math.isfinite(value) else value
