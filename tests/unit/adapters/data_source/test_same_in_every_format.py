"""Property: the same table gives the same `ExperimentData`, to the last digit, as CSV and as Parquet of any type."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as papq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.adapters.data_source.reading import read_file
from twin_operator.domain.table.columns import Columns, Feature, FeatureType, OutcomeType
from twin_operator.domain.table.experiment_data import ExperimentData

ROWS: Final = 160
ODD_LABELS: Final = [
    *("NA", "NaN", "nan", "null", "N/A", "None", "1.0", "007", "true", "-", "=1+1", " padded ", "\tx", "ø", "e\u0301"),
    *("two\nlines", "cr\r\nlf", "a,b", 'say "no"', '"', "'", "\u200b", "\U0001d518", "2026-03-01"),
]
LABEL: Final = st.one_of(
    st.sampled_from(ODD_LABELS),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
)
TEXT_TYPES: Final = [
    *(pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary()),
    *(pa.dictionary(pa.int32(), pa.string()), pa.dictionary(pa.int32(), pa.binary())),
]
MOMENT: Final = st.one_of(
    st.datetimes(datetime(1900, 1, 2), datetime(2200, 12, 30)),  # noqa: DTZ001 - the zone is added to them
    st.sampled_from([datetime(9999, 12, 31), datetime(1, 1, 3), datetime(1899, 12, 30)]),  # noqa: DTZ001 - likewise
)
COLUMNS: Final = Columns(
    features=(
        *(Feature(name, FeatureType.NUMERIC) for name in ("float", "integer", "exact", "truth")),
        *(Feature(name, FeatureType.CATEGORICAL) for name in ("text", "flag", "code", "price", "day")),
    ),
    treatment="arm",
    control="none",
    outcome="outcome",
    outcome_type=OutcomeType.CONTINUOUS,
    weight="weight",
    time="time",
)


@dataclass(frozen=True)
class Column:
    """The (ROWS,) cells of a column: as a CSV has them, and as Parquet has them in some type."""

    texts: Sequence[str | None]
    stored: pa.Array


def numbers(draw: st.DrawFn, value: st.SearchStrategy[Any], kind: pa.DataType, written: Any = repr) -> Column:
    """Draw a column with gaps from a few values."""
    values = spread(draw, [*draw(st.lists(value, min_size=1, max_size=6)), None])
    return Column([None if each is None else written(each) for each in values], pa.array(values, kind))


def texts(draw: st.DrawFn, labels: Sequence[str | None]) -> Column:
    values = spread(draw, labels)
    kind = draw(st.sampled_from(TEXT_TYPES))
    binary = pa.types.is_dictionary(kind) and kind.value_type == pa.binary()
    plain = pa.array(values, pa.binary() if binary else pa.string())
    return Column(values, plain.dictionary_encode() if pa.types.is_dictionary(kind) else plain.cast(kind))


def spread(draw: st.DrawFn, values: Sequence[Any]) -> list[Any]:
    """Draw ROWS of the values: by a seed, as drawing each of them takes long."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return [values[index] for index in rng.integers(0, len(values), ROWS)]


def times(draw: st.DrawFn) -> Column:
    zone = draw(st.sampled_from(["UTC", "Europe/Oslo", "America/New_York", None]))
    values = spread(draw, [*draw(st.lists(MOMENT, min_size=1, max_size=6)), None])
    aware = [
        None if value is None else value.replace(tzinfo=UTC if zone is None else ZoneInfo(zone)) for value in values
    ]
    shown = [None if value is None else (value.isoformat() if zone else value.isoformat()[:-6]) for value in aware]
    return Column(shown, pa.array(aware, pa.timestamp("us", "UTC" if zone is None else zone)))


def short(value: Decimal) -> str:
    return f"{value:f}"


def lower(value: bool) -> str:  # noqa: FBT001 - it writes one
    return str(value).lower()


FLOAT: Final = st.floats(allow_nan=False, allow_infinity=False)
DECIMAL: Final = st.decimals(-10_000, 10_000, places=2)


@st.composite
def tables(draw: st.DrawFn) -> Mapping[str, Column]:
    """Draw the columns of a table whose arms have enough rows and whose outcome varies."""
    arm = draw(LABEL.filter(lambda text: text.strip() not in {"", "none"}))
    day = st.dates(datetime(1, 1, 1).date(), datetime(9999, 12, 31).date())  # noqa: DTZ001 - a date has no zone
    outcome: list[float] = draw(st.lists(st.floats(-1e15, 1e15), min_size=2, max_size=6, unique=True))
    weights = spread(draw, draw(st.lists(st.floats(0.5, 9), min_size=1, max_size=3)))
    alternating = [("none", arm)[row % 2] for row in range(ROWS)]
    return {
        "float": numbers(draw, FLOAT, pa.float64()),
        "integer": numbers(draw, st.integers(0, 2**64 - 1), pa.uint64(), str),
        "exact": numbers(draw, DECIMAL, pa.decimal128(9, 2), short),
        "truth": numbers(draw, st.booleans(), pa.bool_()),
        "text": texts(draw, [*draw(st.lists(LABEL, min_size=1, max_size=8)), None]),
        "flag": numbers(draw, st.booleans(), pa.bool_(), lower),
        "code": numbers(draw, st.integers(-(2**63), 2**63 - 1), pa.int64(), str),
        "price": numbers(draw, DECIMAL, pa.decimal64(9, 2), short),
        "day": numbers(draw, day, pa.date32(), str),
        "arm": Column(alternating, pa.array(alternating)),
        "outcome": Column(*written_numbers([outcome[row // 2 % len(outcome)] for row in range(ROWS)])),
        "weight": Column(*written_numbers(weights)),
        "time": times(draw),
    }


def written_numbers(values: list[float]) -> tuple[list[str], pa.Array]:
    return [repr(value) for value in values], pa.array(values)


def write_csv(path: Path, table: Mapping[str, Column], quoting: int) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=quoting)  # type: ignore[arg-type]  # the stubs list the constants
        writer.writerow(table)
        writer.writerows(zip(*(column.texts for column in table.values()), strict=True))


def write_parquet(path: Path, table: Mapping[str, Column], rows_of_a_group: int) -> None:
    stored = pa.table({name: column.stored for name, column in table.items()})
    papq.write_table(stored, path, row_group_size=rows_of_a_group)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return bool(one.dtype == other.dtype and one.tobytes() == other.tobytes())
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


def differing(one: ExperimentData, other: ExperimentData) -> list[str]:
    return [field.name for field in fields(one) if not same(getattr(one, field.name), getattr(other, field.name))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


@settings(max_examples=60)
@given(
    table=tables(),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    rows_of_a_group=st.sampled_from([50, ROWS]),
)
def test_the_same_table_is_the_same_data_in_csv_and_in_parquet(
    folder: Path, table: Mapping[str, Column], quoting: int, rows_of_a_group: int
) -> None:
    write_csv(folder / "table.csv", table, quoting)
    write_parquet(folder / "table.parquet", table, rows_of_a_group)
    assert differing(read_file(folder / "table.csv", COLUMNS), read_file(folder / "table.parquet", COLUMNS)) == []
