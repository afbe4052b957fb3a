"""The archive in memory: `services.archive.ports.Archive`, with rows written and read as those of the databases are."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from twin_operator.adapters.sql_archive import codec
from twin_operator.domain.fidelity.ledger import RecordedOutcome, TwinKey
from twin_operator.domain.twin import TauWeights
from twin_operator.services.archive.ports import (
    ArchivedRetraining,
    ArchivedSimulation,
    ArchiveUnreachable,
    GradedSimulation,
)

Table = dict[str, codec.Row]


class InMemoryArchive:
    """Rows by key; the first of a key stays. While `reachable` is False every call raises `ArchiveUnreachable`."""

    def __init__(self) -> None:
        self.reachable = True
        self.simulations: Table = {}
        self.retrainings: Table = {}
        self._outcomes: Table = {}
        self._weights: Table = {}

    def store(self, simulations: Sequence[ArchivedSimulation], weights: Mapping[str, TauWeights]) -> None:
        self._check()
        rows = [_written(codec.simulation_row(each)) for each in simulations]
        _insert(self._weights, "digest", [codec.weights_row(*item) for item in weights.items()])
        _insert(self.simulations, "uid", rows)

    def known(self, uids: Collection[str]) -> set[str]:
        self._check()
        return self.simulations.keys() & set(uids)

    def record(self, outcomes: Sequence[RecordedOutcome]) -> dict[str, RecordedOutcome]:
        self._check()
        _insert(self._outcomes, "simulation", [_written(codec.outcome_row(each)) for each in outcomes])
        return self.recorded({each.simulation for each in outcomes})

    def recorded(self, uids: Collection[str]) -> dict[str, RecordedOutcome]:
        self._check()
        return {uid: codec.outcome_of(self._outcomes[uid]) for uid in uids if uid in self._outcomes}

    def unrecorded(self, simulations: Sequence[GradedSimulation]) -> set[str]:
        self._check()
        same = {(row["cluster"], codec.answer_of(row)) for row in self._outcomes.values()}
        rest = (each for each in simulations if each.uid not in self._outcomes)
        return {each.uid for each in rest if (each.twin.cluster, codec.answer_key(each)) not in same}

    def outcome_count(self, cluster: str) -> int:
        self._check()
        return sum(row["cluster"] == cluster for row in self._outcomes.values())

    def lose_outcomes(self) -> None:
        """Forget all of them, as a database that is restored from an early backup."""
        self._outcomes.clear()

    def outcomes(self, twin: TwinKey) -> list[RecordedOutcome]:
        self._check()
        wanted = codec.twin_columns(twin)
        rows = [row for row in self._outcomes.values() if wanted.items() <= row.items()]
        rows.sort(key=lambda row: (row["recorded"], row["time"], row["simulation"]))
        return [codec.outcome_of(row) for row in rows]

    def weights(self, digests: Collection[str]) -> dict[str, TauWeights]:
        self._check()
        return {each: codec.weights_of(self._weights[each]) for each in digests if each in self._weights}

    def store_retraining(self, job: ArchivedRetraining) -> None:
        self._check()
        _insert(self.retrainings, "uid", [_written(codec.retraining_row(job))])

    def _check(self) -> None:
        if not self.reachable:
            raise ArchiveUnreachable("The archive cannot be reached: Connection refused.")


def _insert(table: Table, key: str, rows: Sequence[codec.Row]) -> None:
    for row in rows:
        table.setdefault(row[key], row)


def _written(row: codec.Row) -> codec.Row:
    """Return a row as a database gives it back: JSON through text, and no NUL in plain text."""
    return {column: _value(value) for column, value in row.items()}


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return json.loads(json.dumps(value)) if isinstance(value, dict | list) else value
