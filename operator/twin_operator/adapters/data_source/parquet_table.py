"""A Parquet file as a table of the columns that are asked for, with the types that the file has."""

import pyarrow as pa
import pyarrow.parquet as papq

from twin_operator.adapters.data_source.header import check_names
from twin_operator.services.runs.twin_spec import Source


def read_parquet(content: pa.BufferReader, source: Source) -> pa.Table:
    """Return the columns that are asked for.

    Raises:
        Stalled: `DataInvalid`: a column is missing, or named twice.
        pa.ArrowException: the file is not Parquet. So do OSError and ValueError say.
    """
    file = papq.ParquetFile(content)
    check_names(file.schema_arrow.names, source)
    return file.read(list(source.columns)).select(list(source.columns))
