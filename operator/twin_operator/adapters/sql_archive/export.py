"""Rows of the archive as a Parquet or CSV file, written some rows at a time."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from sqlalchemy import JSON, BigInteger, Boolean, ColumnElement, Double

from twin_operator.adapters.sql_archive.archive import SqlArchive
from twin_operator.adapters.sql_archive.codec import Row
from twin_operator.adapters.sql_archive.reader import ArchiveReader
from twin_operator.adapters.sql_archive.schema import METADATA, Moment

Writers = dict[str, Callable[[str, Any], Any]]
WRITERS: Final[Writers] = {".parquet": pyarrow.parquet.ParquetWriter, ".csv": pyarrow.csv.CSVWriter}
_TYPES: Final = (
    (Moment, pa.timestamp("us", tz="UTC")),
    (Double, pa.float64()),
    (Boolean, pa.bool_()),
    (BigInteger, pa.int64()),
)


def write_file(path: Path, columns: dict[str, ColumnElement[Any]], batches: Iterable[list[Row]]) -> int:
    """Write rows to a file whose suffix is one of `WRITERS`, and return how many there are.

    The file appears when it is whole; one that was there is replaced. Raises OSError where it cannot be written.
    """
    schema = pa.schema([(name, _type(column)) for name, column in columns.items()])
    nested = [name for name, column in columns.items() if isinstance(column.type, JSON)]
    count = 0
    with _whole(path) as part, WRITERS[path.suffix](str(part), schema) as writer:
        for rows in batches:
            writer.write(pa.RecordBatch.from_pylist([_flat(row, nested) for row in rows], schema))
            count += len(rows)
    return count


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(path)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def _type(column: ColumnElement[Any]) -> pa.DataType:
    return next((arrow for kind, arrow in _TYPES if isinstance(column.type, kind)), pa.string())


def _flat(row: Row, nested: Iterable[str]) -> Row:
    """A row whose lists and mappings are JSON texts."""
    texts = {name: json.dumps(row[name], ensure_ascii=False) for name in nested if row[name] is not None}
    return {**row, **texts}


def copy_archive(source: str, target: str) -> dict[str, int]:
    """Add the rows of `source` to `target`, which is made where it is not there, and return their number by table.

    What `target` knows already stays; after a failure it may be run again.

    Raises:
        ArchiveUnreachable: one of them does not answer.
        ArchiveUnusable: one of them is no archive of this version.
    """
    counts = dict.fromkeys(sorted(METADATA.tables), 0)
    with closing(ArchiveReader(source)) as reader, closing(SqlArchive(target)) as archive:
        reader.check()  # nothing is made for an archive that is not there
        archive.open()
        for name in counts:
            for rows in reader.table(METADATA.tables[name]):
                archive.add(METADATA.tables[name], rows)
                counts[name] += len(rows)
    return counts
