"""Past experiments that a test keeps in memory, read as a worker reads files."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.services.reconciling.errors import Stalled
from twin_operator.services.runs.twin_spec import Source
from twin_operator.services.work.train import RawTable

Table = Mapping[str, np.ndarray[Any, Any]]


@dataclass
class InMemoryData:
    """Implements `services.work.train.DataSource`.

    Attributes:
        tables: by address.
        refusals: what reading an address raises instead.
        reads: the addresses that were read, in order.
    """

    tables: dict[str, Table] = field(default_factory=dict)
    refusals: dict[str, Stalled] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)

    def read(self, source: Source) -> RawTable:
        """Return the columns that are asked for, and a digest of their values."""
        self.reads.append(source.uri)
        self._refuse(source)
        table = self.tables.get(source.uri)
        if table is None:
            raise Stalled(Reason.DATA_NOT_READABLE, f"{source.uri} does not exist.")
        columns = {name: table[name] for name in source.columns}
        return RawTable(columns, _digest(table), len(next(iter(columns.values()))))

    def stamp(self, source: Source) -> str | None:
        """Return what changes with the table, without counting as a read; None where there is no table."""
        self._refuse(source)
        table = self.tables.get(source.uri)
        return None if table is None else f"etag {_digest(table)}"

    def _refuse(self, source: Source) -> None:
        if source.uri in self.refusals:
            raise self.refusals[source.uri]


def _digest(table: Table) -> str:
    content = hashlib.sha256()
    for name in sorted(table):
        content.update(repr((name, table[name].tolist())).encode())
    return f"sha256:{content.hexdigest()}"
