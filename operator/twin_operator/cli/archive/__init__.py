"""`twin-operator archive`: what is known of Simulations, outcomes and retrainings, for users and their tools.

Here are the options; what they lead to is in `commands`, imported when it is run: databases and files take
seconds to import, which neither the operator nor a worker should wait for.
"""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from twin_operator.adapters.sql_archive.filters import Filters, Kind
from twin_operator.cli.output import Output, fail
from twin_operator.cli.startup import read_settings
from twin_operator.domain.fidelity.ledger import Grade

app = typer.Typer(no_args_is_help=True, help="What is known of Simulations, outcomes and retrainings.")

_SHOWN = 50  # rows a list shows: some screens
_DATE = r"\d{4}-\d\d-\d\d"
_TIME = r"[Tt ]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)"


def first_moment(text: str) -> datetime:
    """Read the moment at which a date, in UTC, or a date-time begins."""
    try:
        if re.fullmatch(_DATE, text):
            return datetime.fromisoformat(text).replace(tzinfo=UTC)
        if re.fullmatch(_DATE + _TIME, text):
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):  # the thirteenth month
        pass
    raise typer.BadParameter(f'"{text}" is no moment: write 2026-03-31 or, with its offset, 2026-03-31T12:00:00Z.')


def moment_after(text: str) -> datetime:
    """Read the first moment that is no longer within a date, in UTC; a date-time is that moment."""
    start = first_moment(text)
    return start + timedelta(days=1) if re.fullmatch(_DATE, text) else start


Url = Annotated[
    str | None, typer.Option(help="Address of the archive.", show_default="TWINOPS_ARCHIVE_URL", metavar="URL")
]
KindOption = Annotated[
    Kind, typer.Option(help="Outcomes with their predictions, all finished Simulations, or retrainings.")
]
Model = Annotated[
    str | None,
    typer.Option(help="Of this TwinModel or registered model.", metavar="NAME|NAMESPACE/NAME", show_default=False),
]
Version = Annotated[
    str | None, typer.Option(help="Of this version; of a retraining, its candidate.", show_default=False)
]
Since = Annotated[
    datetime | None,
    typer.Option(
        parser=first_moment,
        help="From this moment on: an outcome's becoming known, the end of anything else.",
        metavar="DATE|TIME",
        show_default=False,
    ),
]
Until = Annotated[
    datetime | None,
    typer.Option(
        parser=moment_after,
        help="Up to the end of this date (in UTC), or up to this time.",
        metavar="DATE|TIME",
        show_default=False,
    ),
]
Grades = Annotated[list[Grade] | None, typer.Option("--grade", help="With this grade; may be repeated.")]
Experiment = Annotated[str | None, typer.Option(help="Observed in this experiment.", show_default=False)]
Limit = Annotated[int | None, typer.Option(min=1, help="Most rows.")]


@app.command(name="list")
def show(  # noqa: PLR0913 - one for each option
    *,
    kind: KindOption = Kind.OUTCOMES,
    model: Model = None,
    version: Version = None,
    since: Since = None,
    until: Until = None,
    grade: Grades = None,
    experiment: Experiment = None,
    limit: Limit = _SHOWN,
    output: Annotated[Output, typer.Option("--output", "-o", help="A table, or JSON for programs.")] = Output.TABLE,
    url: Url = None,
) -> None:
    """List rows, newest first: by default outcomes with their predictions."""
    filters = _filters(kind, model, version, since, until, grade, experiment, limit)
    from twin_operator.cli.archive.commands import show_rows  # noqa: PLC0415 - see above

    show_rows(filters, output, _address(url))


@app.command()
def export(  # noqa: PLR0913 - one for each option
    file: Annotated[Path, typer.Argument(help="Where to write; its suffix says what: .parquet or .csv.")],
    *,
    kind: KindOption = Kind.OUTCOMES,
    model: Model = None,
    version: Version = None,
    since: Since = None,
    until: Until = None,
    grade: Grades = None,
    experiment: Experiment = None,
    limit: Limit = None,
    url: Url = None,
) -> None:
    """Write every value of the rows to a Parquet or CSV file, newest first."""
    filters = _filters(kind, model, version, since, until, grade, experiment, limit)
    from twin_operator.cli.archive.commands import export_rows  # noqa: PLC0415 - see above

    export_rows(filters, file, _address(url))


@app.command()
def migrate(url: Url = None) -> None:
    """Make the archive, or bring it to the schema of this version, as the operator does when it starts."""
    from twin_operator.cli.archive.commands import migrate_archive  # noqa: PLC0415 - see above

    migrate_archive(_address(url))


@app.command()
def copy(
    to: Annotated[str, typer.Option(help="Address of the archive that gets the rows.", metavar="URL")],
    *,
    url: Url = None,
) -> None:
    """Copy all rows into another archive, such as from SQLite to PostgreSQL; rows that it has stay as they are."""
    from twin_operator.cli.archive.commands import copy_rows  # noqa: PLC0415 - see above

    copy_rows(_address(url), to)


@app.command()
def adopt(
    source: Annotated[str, typer.Argument(help="UID of the cluster whose rows are taken.", metavar="UID")],
    *,
    cluster: Annotated[
        str | None,
        typer.Option(
            help="UID of the cluster that takes them.",
            show_default="that of the namespace kube-system of this cluster",
            metavar="UID",
        ),
    ] = None,
    url: Url = None,
) -> None:
    """Take the rows of another cluster for this one, such as those of a cluster that was restored from a backup.

    A cluster is identified by the uid of its namespace kube-system, which a restored cluster has not. Stop the operator
    first. Answers that this cluster has already stay as they are; the command may be repeated.
    """
    from twin_operator.cli.archive.commands import adopt_rows  # noqa: PLC0415 - see above

    adopt_rows(source, cluster, _address(url))


@app.command()
def weights(
    digest: Annotated[str, typer.Argument(help="As in the basis of a Simulation's status.")],
    *,
    output: Annotated[Output, typer.Option("--output", "-o", help="A table, or JSON for programs.")] = Output.TABLE,
    url: Url = None,
) -> None:
    """Print the mixture over tau, how much effects differ between experiments, that a prediction rested on."""
    from twin_operator.cli.archive.commands import show_weights  # noqa: PLC0415 - see above

    show_weights(digest, output, _address(url))


def _filters(
    kind: Kind,
    model: str | None,
    version: str | None,
    since: datetime | None,
    until: datetime | None,
    grades: list[Grade] | None,
    experiment: str | None,
    limit: int | None,
) -> Filters:
    if kind is Kind.RETRAININGS and (grades or experiment is not None):
        fail("A retraining has neither a grade nor an experiment: leave out --grade and --experiment.")
    if since and until and since >= until:
        fail("No moment is both from --since on and before --until: exchange them.")
    namespace, slash, name = (model or "").rpartition("/")
    if model is not None and (not name or (slash and not namespace) or "/" in namespace):
        fail("Write --model NAME or --model NAMESPACE/NAME.")
    return Filters(kind, namespace or None, name or None, version, since, until, tuple(grades or ()), experiment, limit)


def _address(url: str | None) -> str:
    return url or read_settings().archive_url
