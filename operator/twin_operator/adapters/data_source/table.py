"""The bytes of a file as the columns that are asked for: CSV, also compressed, and Parquet."""

import logging
import re
from pathlib import PurePosixPath
from typing import IO, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as papq

from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.services.reconciling.errors import Stalled
from twin_operator.services.runs.twin_spec import Source

logger = logging.getLogger(__name__)
COMPRESSIONS: Final = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}
UNEVEN_ROW: Final = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+)")  # as pyarrow words it


def parse_table(copy: IO[bytes], source: Source, name: str) -> pa.Table:
    """Return the columns that are asked for.

    Args:
        copy: the file.
        source: what to read.
        name: whose suffix says the compression, and the format where `source` does not.

    Raises:
        Stalled: `DataInvalid`.
    """
    path = PurePosixPath(name)
    compression = COMPRESSIONS.get(path.suffix)
    inner = path.with_suffix("") if compression else path
    parquet = source.format == "Parquet" or (source.format is None and inner.suffix in {".parquet", ".pq"})
    try:
        stream = pa.input_stream(copy, compression=compression) if compression else pa.PythonFile(copy, mode="r")
        content = pa.BufferReader(stream.read())
        table = papq.read_table(content) if parquet else _read_csv(content, source)
    except (pa.ArrowException, OSError, ValueError) as error:  # OSError: a compressed file that is cut short
        logger.warning("%s cannot be parsed.", source.uri, exc_info=error)
        kind = "Parquet" if parquet else "CSV"
        compressed = f" compressed by {compression}" if compression else ""
        raise Stalled(
            Reason.DATA_INVALID, f"{source.uri} is not {kind}{compressed}; the log of the worker has the details."
        ) from error
    return _only(table, source)


def _read_csv(content: pa.BufferReader, source: Source) -> pa.Table:
    convert = pacsv.ConvertOptions(
        column_types=dict.fromkeys(source.text_columns, pa.string()), strings_can_be_null=True
    )
    try:
        return pacsv.read_csv(content, convert_options=convert)
    except pa.ArrowInvalid:
        content.seek(0)
        _name_uneven_row(content, source.uri)
        raise


def _name_uneven_row(content: pa.BufferReader, uri: str) -> None:
    """Raise `Stalled` with the number, not the content, of the first row that is shorter or longer than the header."""
    try:
        pacsv.read_csv(content, read_options=pacsv.ReadOptions(use_threads=False))  # else rows have no numbers
    except pa.ArrowInvalid as error:
        # pyarrow's invalid_row_handler would need every row to be UTF-8.
        if found := UNEVEN_ROW.search(str(error)):
            row, header, columns = found.groups()
            raise Stalled(
                Reason.DATA_INVALID,
                f"{uri} is not CSV: row {row} has {columns} columns, and row 1, the header, has {header}.",
            ) from error


def _only(table: pa.Table, source: Source) -> pa.Table:
    """Keep the columns that are asked for; the domain names those that are missing."""
    names = table.column_names
    wanted = [name for name in source.columns if name in names]
    missing = [name for name in source.columns if name not in names]
    repeated = [name for name in wanted if names.count(name) > 1]
    if missing:
        known = ", ".join(names[:20])
        raise Stalled(Reason.DATA_INVALID, f"{source.uri} has no column {missing[0]}; its columns are {known}.")
    if repeated:
        raise Stalled(Reason.DATA_INVALID, f"{source.uri} has more than one column {repeated[0]}; rename the others.")
    if table.num_rows == 0:
        raise Stalled(Reason.DATA_INVALID, f"{source.uri} has no rows.")
    return table.select(wanted)


def column_values(column: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    """Return a column as numbers, times, truth values or objects, whichever keeps its values."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return np.asarray(column.cast(pa.timestamp("us")).to_numpy())
    if pa.types.is_boolean(kind) and column.null_count == 0:
        return np.asarray(column.to_numpy())
    return np.asarray(column.to_pylist(), dtype=object)
