"""The bytes of a file as a table of the columns that are asked for: CSV, also compressed, and Parquet."""

import logging
from pathlib import PurePosixPath
from typing import IO, Final

import pyarrow as pa
import pyarrow.parquet as papq

from twin_operator.adapters.data_source.csv_table import read_csv
from twin_operator.adapters.data_source.header import check_names
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.services.reconciling.errors import Stalled
from twin_operator.services.runs.twin_spec import Source

logger = logging.getLogger(__name__)
COMPRESSIONS: Final = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}


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
        table = _read_parquet(content, source) if parquet else read_csv(content, source)
    except (pa.ArrowException, OSError, ValueError) as error:  # OSError: a compressed file that is cut short
        logger.warning("%s cannot be parsed.", source.uri, exc_info=error)
        kind = "Parquet" if parquet else "CSV"
        compressed = f" compressed by {compression}" if compression else ""
        raise Stalled(
            Reason.DATA_INVALID, f"{source.uri} is not {kind}{compressed}; the log of the worker has the details."
        ) from error
    if table.num_rows == 0:
        raise Stalled(Reason.DATA_INVALID, f"{source.uri} has no rows.")
    return table


def _read_parquet(content: pa.BufferReader, source: Source) -> pa.Table:
    """Return the columns that are asked for, with the types that the file has."""
    file = papq.ParquetFile(content)
    check_names(file.schema_arrow.names, source)
    return file.read(list(source.columns)).select(list(source.columns))
