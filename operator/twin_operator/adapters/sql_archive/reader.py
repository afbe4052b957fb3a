"""The archive as users read it: filtered, joined, newest first, some rows at a time. It changes nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, FromClause, Select, Table, and_, func, or_, select

from twin_operator.adapters.sql_archive import codec, migrating
from twin_operator.adapters.sql_archive.engine import make_engine, read_address, transaction
from twin_operator.adapters.sql_archive.filters import Filters, Kind
from twin_operator.adapters.sql_archive.schema import OUTCOMES, RETRAININGS, SIMULATIONS, TAU_WEIGHTS
from twin_operator.domain.twin import TauWeights
from twin_operator.services.archive.ports import ArchiveUnusable

# Rows in memory at a time: with the JSON of question and answer some 3 KB each.
BATCH: Final = 5_000


class ArchiveReader:
    """Reads an archive that is there.

    Args:
        url: as of `SqlArchive`.

    Raises:
        ArchiveUnusable: the address names no archive.
    """

    def __init__(self, url: str) -> None:
        self._address = read_address(url)
        self._engine = make_engine(self._address, reading=True)

    def check(self) -> None:
        """See whether there is an archive of this version. Errors are those of `batches`."""
        with self._reading():
            pass

    def batches(self, filters: Filters) -> Iterator[list[codec.Row]]:
        """Yield rows, newest first, at most `BATCH` at a time; `columns` names their values.

        Raises:
            ArchiveUnreachable: the database does not answer.
            ArchiveUnusable: it holds no archive, or one of another version.
        """
        return self._stream(_query(filters))

    def table(self, table: Table) -> Iterator[list[codec.Row]]:
        """Yield every row of a table as it is. Errors are those of `batches`."""
        return self._stream(select(table))

    def weights(self, digest: str) -> TauWeights | None:
        """Return the tau weights of a digest. Errors are those of `batches`."""
        with self._reading() as connection:
            row = connection.execute(select(TAU_WEIGHTS).where(TAU_WEIGHTS.c.digest == digest)).one_or_none()
        return None if row is None else codec.weights_of(row._asdict())

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _stream(self, query: Select[Any]) -> Iterator[list[codec.Row]]:
        with self._reading() as connection:
            streaming = connection.execution_options(stream_results=True, yield_per=BATCH)
            for rows in streaming.execute(query).partitions():
                yield [row._asdict() for row in rows]

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        if self._address.file and not self._address.file.exists():
            raise ArchiveUnusable(migrating.absent(self._address.place))
        with transaction(self._engine, self._address) as connection:
            migrating.require_newest(connection, self._address.place)
            yield connection


def columns(kind: Kind) -> dict[str, ColumnElement[Any]]:
    """Return the values of a row, by name, in their order."""
    if kind is Kind.RETRAININGS:
        return {column.name: column for column in RETRAININGS.c}
    return {
        "simulation": func.coalesce(OUTCOMES.c.simulation, SIMULATIONS.c.uid),
        **{n: _value(kind, n) for n in _HISTORY},
    }


# Who, what was asked, what was predicted, what was then observed, and the whole of it.
_HISTORY: Final = (
    *("namespace", "name", "model", "registered_model", "model_version", "arm", "against", "experiment"),
    *("phase", "reason", "action", "queued", "completed", "predicted_at", "time", "recorded"),
    *("estimate", "low", "high", "confidence", "standard_error", "calibrated"),
    *("sampling_sd", "experiment_share_squared", "degrees_of_freedom", "control_sd", "treated_sd", "weights_digest"),
    *("matched", "population_share", "population_size", "population_where", "seed"),
    *("observed", "observed_sd", "absolute_error", "relative_error", "standardized_error"),
    *("covered", "grade", "hindsight", "spec", "answer"),
    *("cluster", "run_id"),
)


def _value(kind: Kind, name: str) -> ColumnElement[Any]:
    """Return a value of a row: an index finds the twins of the table that is read."""
    return SIMULATIONS.c[name] if kind is Kind.SIMULATIONS and name in _TWIN else _either(name)


_TWIN: Final = frozenset({"cluster", "namespace", "model"})


def _either(name: str) -> ColumnElement[Any]:
    """A value that one of the two tables has; of one in both, that of the outcome, which never changes."""
    found = [table.c[name] for table in (OUTCOMES, SIMULATIONS) if name in table.c]
    return func.coalesce(*found) if len(found) > 1 else found[0]


def _query(filters: Filters) -> Select[Any]:
    kind = filters.kind
    source, moment, key = _SOURCES[kind]
    chosen = [column.label(name) for name, column in columns(kind).items()]
    wanted = select(*chosen).select_from(source).where(*_conditions(filters, moment))
    return wanted.order_by(moment.desc(), key).limit(filters.limit)


_SAME_SIMULATION = OUTCOMES.c.simulation == SIMULATIONS.c.uid
_SOURCES: Final[dict[Kind, tuple[FromClause, ColumnElement[datetime], ColumnElement[str]]]] = {
    Kind.OUTCOMES: (OUTCOMES.outerjoin(SIMULATIONS, _SAME_SIMULATION), OUTCOMES.c.time, OUTCOMES.c.simulation),
    Kind.SIMULATIONS: (SIMULATIONS.outerjoin(OUTCOMES, _SAME_SIMULATION), SIMULATIONS.c.completed, SIMULATIONS.c.uid),
    Kind.RETRAININGS: (RETRAININGS, RETRAININGS.c.completed, RETRAININGS.c.uid),
}


def _conditions(filters: Filters, moment: ColumnElement[datetime]) -> Iterator[ColumnElement[bool]]:
    found = columns(filters.kind)
    if filters.model is not None:
        yield _of_model(found, filters.namespace, filters.model)
    if filters.version is not None:
        yield found[_VERSION[filters.kind]] == filters.version
    if filters.since is not None:
        yield moment >= filters.since
    if filters.until is not None:
        yield moment < filters.until
    if filters.grades:
        yield OUTCOMES.c.grade.in_(filters.grades)
    if filters.experiment is not None:
        yield OUTCOMES.c.experiment == filters.experiment


_VERSION: Final = {
    Kind.OUTCOMES: "model_version",
    Kind.SIMULATIONS: "model_version",
    Kind.RETRAININGS: "candidate_version",
}


def _of_model(found: dict[str, ColumnElement[Any]], namespace: str | None, model: str) -> ColumnElement[bool]:
    if namespace is not None:
        return and_(found["namespace"] == namespace, found["model"] == model)
    return or_(found["model"] == model, found["registered_model"] == model)
