"""A file read as a worker reads it: by a `FileDataSource`, and then by `prepare`."""

from pathlib import Path

from twin_operator.adapters.data_source import AllowedPrefix, FileDataSource
from twin_operator.domain.table.columns import Columns
from twin_operator.domain.table.experiment_data import ExperimentData, prepare
from twin_operator.services.runs.twin_spec import Source, parts_of


def read_file(path: Path, columns: Columns) -> ExperimentData:
    """Return the rows of a CSV or Parquet file."""
    source = FileDataSource([AllowedPrefix(f"file://{path.parent}/")], "default")
    return prepare(source.read(Source(f"file://{path}", None, None, parts_of(columns))).columns, columns)
