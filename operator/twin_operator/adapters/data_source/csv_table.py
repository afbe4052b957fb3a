"""A CSV file as a table of the columns that are asked for: numbers as float64, all else as the bytes of its cells.

The names in the header are read by the csv module of Python, and the columns by their positions: neither the names nor
the cells of other columns have to be UTF-8, or unique.
"""

import csv
import io
import re
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from twin_operator.adapters.data_source.header import check_names
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.domain.table.cells import MISSING_NUMBERS
from twin_operator.services.reconciling.errors import Stalled
from twin_operator.services.runs.twin_spec import Part, Source

UNEVEN_ROW: Final = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+)")  # as pyarrow words it
NO_NUMBERS: Final = re.compile(r"In CSV column #(\d+): ")  # likewise, of a position from 0
CONTROL: Final = re.compile(r"[\0-\x08\x0e-\x1f]")
BLOCK: Final = 8 << 20  # bytes that are parsed at a time; a row must fit into one
# Equal cells are stored once. Bytes: only the column that is not UTF-8 is refused, by name.
TEXT: Final = pa.dictionary(pa.int32(), pa.binary())
NUMBER: Final = pa.float64()


@dataclass(frozen=True)
class _Header:
    """The names of the columns, and how many rows come before the first one of data, empty lines included."""

    names: list[str]
    rows: int


def read_csv(content: pa.BufferReader, source: Source) -> pa.Table:
    """Return the columns that are asked for; where numbers cannot be parsed as such, their texts.

    Raises:
        Stalled: `DataInvalid`: a column is missing or named twice, or a row has more or fewer cells than the header.
        pa.ArrowException: the file is not CSV. So does ValueError say.
    """
    header = _header(content, source)
    positions = {str(header.names.index(name)): part for name, part in source.columns.items()}
    types = {position: NUMBER if part is Part.NUMBER else TEXT for position, part in positions.items()}
    return _table(content, header, types, source).rename_columns(list(source.columns)).unify_dictionaries()


def _header(content: pa.BufferReader, source: Source) -> _Header:
    text = io.TextIOWrapper(content, encoding="utf-8-sig", errors="surrogateescape", newline="")
    try:
        rows = csv.reader(text)
        empty, names = next(((number, row) for number, row in enumerate(rows) if row), (0, []))
        if any(CONTROL.search(name) for name in names):
            raise ValueError("The header has control characters: the file is a binary one, or UTF-16.")
        check_names(names, source)
        if not any(line.strip() for line in text):
            raise Stalled(Reason.DATA_INVALID, f"{source.uri} has no rows.")
    except csv.Error as error:
        raise ValueError from error
    finally:
        text.detach()
    return _Header(names, empty + 1)


def _table(content: pa.BufferReader, header: _Header, types: dict[str, pa.DataType], source: Source) -> pa.Table:
    """Parse the columns in `types`, again with the texts of a column wherever one cannot be parsed as numbers."""
    try:
        table = _parse(content, header, types)
    except pa.ArrowInvalid as error:
        texts = _columns_without_numbers(error, types)
        if not texts:
            _name_uneven_row(content, header, source.uri)
            raise
    else:
        texts = [name for name in table.column_names if _has_other_spellings(table[name])]
    return _table(content, header, {**types, **dict.fromkeys(texts, TEXT)}, source) if texts else table


def _columns_without_numbers(error: pa.ArrowInvalid, types: dict[str, pa.DataType]) -> list[str]:
    found = NO_NUMBERS.match(str(error))
    return [found[1]] if found and types.get(found[1]) == NUMBER else []


def _has_other_spellings(column: pa.ChunkedArray) -> bool:
    """Whether numbers have NaN that are spelled neither of the ways that mean a missing number."""
    return column.type == NUMBER and bool(pc.any(pc.is_nan(column)).as_py())


def _parse(content: pa.BufferReader, header: _Header, types: dict[str, pa.DataType]) -> pa.Table:
    convert = pacsv.ConvertOptions(
        column_types=types,
        include_columns=list(types),
        null_values=["", *MISSING_NUMBERS],
        strings_can_be_null=False,  # in texts only the empty cell is missing, and the domain reads them
    )
    return _parsed(content, header, convert, threads=True)


def _parsed(content: pa.BufferReader, header: _Header, convert: pacsv.ConvertOptions, *, threads: bool) -> pa.Table:
    content.seek(0)
    positions = [str(position) for position in range(len(header.names))]
    return pacsv.read_csv(
        content,
        read_options=pacsv.ReadOptions(
            column_names=positions, skip_rows_after_names=header.rows, block_size=BLOCK, use_threads=threads
        ),
        parse_options=pacsv.ParseOptions(newlines_in_values=True),
        convert_options=convert,
    )


def _name_uneven_row(content: pa.BufferReader, header: _Header, uri: str) -> None:
    """Raise `Stalled` with the number, not the content, of the first row that is shorter or longer than the header."""
    convert = pacsv.ConvertOptions(column_types={"0": pa.binary()}, include_columns=["0"])
    try:
        _parsed(content, header, convert, threads=False)  # with threads rows have no numbers
    except pa.ArrowInvalid as error:
        # pyarrow's invalid_row_handler would need every row to be UTF-8.
        if found := UNEVEN_ROW.search(str(error)):
            row, columns, cells = found.groups()
            raise Stalled(
                Reason.DATA_INVALID,
                f"{uri} is not CSV: row {row} has {cells} columns, and row 1, the header, has {columns}.",
            ) from error
