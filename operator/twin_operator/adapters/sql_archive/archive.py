"""The archive as the operator uses it. Every write may be repeated: what is there already stays as it is."""

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Final

from sqlalchemy import Column, ColumnElement, Connection, Table, Update, and_, exists, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from twin_operator.adapters.sql_archive import codec, migrating
from twin_operator.adapters.sql_archive.engine import make_engine, read_address, transaction
from twin_operator.adapters.sql_archive.schema import OUTCOMES, RETRAININGS, SIMULATIONS, TAU_WEIGHTS
from twin_operator.domain.fidelity.ledger import RecordedOutcome, TwinKey
from twin_operator.domain.twin import TauWeights
from twin_operator.services.archive.ports import (
    ArchivedRetraining,
    ArchivedSimulation,
    ArchiveUnreachable,
    GradedSimulation,
)

_ASKED_AT_ONCE: Final = 500  # keys in one statement: older builds of SQLite take at most 999 variables
_UID: Final = OUTCOMES.c.simulation
TWIN_TABLES: Final = (OUTCOMES, RETRAININGS, SIMULATIONS)  # those whose rows are a twin's
_ANSWERED: Final = {OUTCOMES.name: "predicted_at", RETRAININGS.name: "completed", SIMULATIONS.name: "completed"}


class SqlArchive:
    """An archive in SQLite or PostgreSQL; any number of threads may use it.

    It opens itself when it is first used, so that a database which is away then is found when it comes back.

    Args:
        url: `sqlite:////DIRECTORY/FILE` or `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`.
        cluster: uid of the cluster to which the rows of release 0.1.0, which name none, belong from the first use on;
            None leaves them as they are.

    Raises:
        ArchiveUnusable: the address names no archive.
    """

    def __init__(self, url: str, cluster: str | None = None) -> None:
        self._cluster = cluster
        self._address = read_address(url)
        self._engine = make_engine(self._address)
        self._opening = threading.Lock()
        self._opened = False

    @property
    def place(self) -> str:
        """What to call it in a sentence; without user and password."""
        return self._address.place

    def open(self) -> str:
        """Make the database where there is none, bring it to this version's schema, and return its revision.

        Raises:
            ArchiveUnreachable: it cannot be reached now.
            ArchiveUnusable: a newer version of the package made it.
        """
        with self._opening:
            self._make_folder()
            with transaction(self._engine, self._address) as connection:
                revision = migrating.upgrade(connection)
                if self._cluster is not None:
                    _take_rows_without_cluster(connection, self._cluster)
            self._opened = True
        return revision

    def close(self) -> None:
        """Close the connections; a later use opens new ones."""
        self._engine.dispose()

    def store(self, simulations: Sequence[ArchivedSimulation], weights: Mapping[str, TauWeights]) -> None:
        """Store finished Simulations and tau weights by their digest, in one transaction; what is known stays."""
        with self._transaction() as connection:
            _insert(connection, TAU_WEIGHTS, [codec.weights_row(*item) for item in weights.items()])
            _insert(connection, SIMULATIONS, [codec.simulation_row(simulation) for simulation in simulations])

    def known(self, uids: Collection[str]) -> set[str]:
        """Return which of these Simulations are stored."""
        with self._transaction() as connection:
            return {row["uid"] for row in _rows(connection, SIMULATIONS.c.uid, uids, [SIMULATIONS.c.uid])}

    def record(self, outcomes: Sequence[RecordedOutcome]) -> dict[str, RecordedOutcome]:
        """Store graded outcomes in one transaction; return, by uid of the Simulation, what stands: the first wins."""
        with self._transaction() as connection:
            _insert(connection, OUTCOMES, [codec.outcome_row(outcome) for outcome in outcomes])
            return _recorded(connection, {outcome.simulation for outcome in outcomes})

    def recorded(self, uids: Collection[str]) -> dict[str, RecordedOutcome]:
        """Return the outcomes of these Simulations, by uid."""
        with self._transaction() as connection:
            return _recorded(connection, uids)

    def unrecorded(self, simulations: Sequence[GradedSimulation]) -> set[str]:
        """Return the uids of those of these Simulations, all of one cluster, of which no outcome is stored.

        That of a Simulation with another uid, but of the same cluster, namespace, name and time of its answer is the
        same outcome: a backup that is restored gives new uids.
        """
        with self._transaction() as connection:
            uids = [each.uid for each in simulations]
            stored = {row["simulation"] for row in _rows(connection, _UID, uids, [_UID])}
            rest = [each for each in simulations if each.uid not in stored]
            same = {codec.answer_of(row) for row in _named(connection, rest)}
        return {each.uid for each in rest if codec.answer_key(each) not in same}

    def outcome_count(self, cluster: str) -> int:
        """Return how many outcomes of a cluster's twins are stored."""
        counted = select(func.count()).select_from(OUTCOMES).where(OUTCOMES.c.cluster == cluster)
        with self._transaction() as connection:
            return int(connection.execute(counted).scalar_one())

    def clusters(self) -> set[str]:
        """Return the uids of the clusters that have rows."""
        with self._transaction() as connection:
            found = {uid for table in TWIN_TABLES for (uid,) in connection.execute(select(table.c.cluster).distinct())}
        return {uid for uid in found if uid is not None}

    def adopt(self, source: str, cluster: str) -> dict[str, int]:
        """Give the rows of one cluster to another, in one transaction; return how many, by table.

        An answer that the other cluster has too (the same Simulation of a backup that was restored) stays where it is.
        """
        with self._transaction() as connection:
            return {table.name: connection.execute(_adoption(table, source, cluster)).rowcount for table in TWIN_TABLES}

    def outcomes(self, twin: TwinKey) -> list[RecordedOutcome]:
        """Return every outcome of a twin, in the order in which they were recorded.

        Those of one moment come in the order of when they became known, and then of their Simulations' uids.
        """
        order = (OUTCOMES.c.recorded, OUTCOMES.c.time, OUTCOMES.c.simulation)
        of_twin = (OUTCOMES.c[column] == value for column, value in codec.twin_columns(twin).items())
        wanted = select(OUTCOMES).where(*of_twin).order_by(*order)
        with self._transaction() as connection:
            return [codec.outcome_of(row._asdict()) for row in connection.execute(wanted)]

    def weights(self, digests: Collection[str]) -> dict[str, TauWeights]:
        """Return tau weights by digest, those that are known."""
        with self._transaction() as connection:
            rows = _rows(connection, TAU_WEIGHTS.c.digest, digests, TAU_WEIGHTS.c)
            return {row["digest"]: codec.weights_of(row) for row in rows}

    def store_retraining(self, job: ArchivedRetraining) -> None:
        """Store a RetrainingJob that ended."""
        with self._transaction() as connection:
            _insert(connection, RETRAININGS, [codec.retraining_row(job)])

    def add(self, table: Table, rows: Sequence[codec.Row]) -> None:
        """Store rows of another archive in one transaction; what is known stays."""
        with self._transaction() as connection:
            _insert(connection, table, rows)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        if not self._opened:
            self.open()
        with transaction(self._engine, self._address) as connection:
            yield connection

    def _make_folder(self) -> None:
        if self._address.file is None:
            return
        folder = self._address.file.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            sentence = f"The archive's folder {folder} cannot be made: {error.strerror}."
            raise ArchiveUnreachable(sentence) from error


def _take_rows_without_cluster(connection: Connection, cluster: str) -> None:
    for table in TWIN_TABLES:
        connection.execute(update(table).where(table.c.cluster.is_(None)).values(cluster=cluster))


def _adoption(table: Table, source: str, cluster: str) -> Update:
    """Return the statement that gives a table's rows of a cluster to another one, but for answers that it has."""
    there = table.alias()
    same = (there.c[name] == table.c[name] for name in ("namespace", "name", _ANSWERED[table.name]))
    has = exists().where(and_(there.c.cluster == cluster, *same))
    return update(table).where(table.c.cluster == source, ~has).values(cluster=cluster)


def _named(connection: Connection, simulations: Sequence[GradedSimulation]) -> Iterator[codec.Row]:
    """Read the outcomes of Simulations with the cluster and the names of these."""
    columns = [OUTCOMES.c[name] for name in ("namespace", "name", "predicted_at")]
    for cluster in {each.twin.cluster for each in simulations}:
        names = {each.name for each in simulations if each.twin.cluster == cluster}
        yield from _rows(connection, OUTCOMES.c.name, names, columns, OUTCOMES.c.cluster == cluster)


def _insert(connection: Connection, table: Table, rows: Sequence[codec.Row]) -> None:
    """Insert the rows whose key is new."""
    if not rows:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    (key,) = table.primary_key
    # Two writers that meet wait for each other's keys; in one order they cannot wait in a circle.
    ordered = sorted(rows, key=lambda row: str(row[key.name]))
    connection.execute(dialect.insert(table).on_conflict_do_nothing(), ordered)


def _recorded(connection: Connection, uids: Collection[str]) -> dict[str, RecordedOutcome]:
    rows = _rows(connection, OUTCOMES.c.simulation, uids, OUTCOMES.c)
    return {row["simulation"]: codec.outcome_of(row) for row in rows}


def _rows(
    connection: Connection,
    key: Column[str],
    wanted: Iterable[str],
    columns: Iterable[Column[object]],
    *conditions: ColumnElement[bool],
) -> Iterator[codec.Row]:
    """Read the rows with these keys on which the conditions hold, some keys at a time."""
    keys, columns = iter(wanted), list(columns)
    while some := list(islice(keys, _ASKED_AT_ONCE)):
        yield from (row._asdict() for row in connection.execute(select(*columns).where(key.in_(some), *conditions)))
