"""Files whose values another program may misread are read as they are meant, or refused with what to correct."""

import csv
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as papq
import pytest

from tests.unit.adapters.data_source.reading import read_file
from twin_operator.adapters.data_source import AllowedPrefix, FileDataSource
from twin_operator.domain.errors import DataInvalid
from twin_operator.domain.table.columns import Columns, Feature, FeatureType, OutcomeType
from twin_operator.domain.table.experiment_data import ExperimentData
from twin_operator.services.reconciling.errors import Stalled
from twin_operator.services.runs.twin_spec import Source, parts_of

ROWS: Final = 240
COLUMNS: Final = Columns(
    features=(Feature("age", FeatureType.NUMERIC), Feature("region", FeatureType.CATEGORICAL)),
    treatment="arm",
    control="none",
    outcome="bought",
    outcome_type=OutcomeType.BINARY,
)
SPENT: Final = replace(COLUMNS, outcome="spend", outcome_type=OutcomeType.CONTINUOUS)
DATED: Final = replace(COLUMNS, time="sent")
NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
Table = dict[str, Any]


def customers(**changes: Any) -> Table:
    """Return a small trial by its columns."""
    rows = range(ROWS)
    return {
        "arm": ["letter" if row % 2 else "none" for row in rows],
        "age": [20 + row % 50 for row in rows],
        "region": ["north" if row % 3 else "south" for row in rows],
        "bought": [int(row % 5 == 0) for row in rows],
        "spend": [row % 7 + 0.5 for row in rows],
        **changes,
    }


def write_csv(path: Path, table: Table, quoting: int = csv.QUOTE_MINIMAL) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=quoting)  # type: ignore[arg-type]  # the stubs list the constants
        writer.writerow(table)
        writer.writerows(zip(*table.values(), strict=True))
    return path


def write_parquet(path: Path, table: Table) -> Path:
    papq.write_table(pa.table({name: pa.array(values) for name, values in table.items()}), path)
    return path


WRITERS: Final[dict[str, Callable[[Path, Table], Path]]] = {"table.csv": write_csv, "table.parquet": write_parquet}


@pytest.fixture(params=WRITERS)
def as_file(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Table], Path]:
    """Give what writes a table in one of the formats."""
    return lambda table: WRITERS[request.param](tmp_path / request.param, table)


def refusal(path: Path, columns: Columns = COLUMNS) -> str:
    with pytest.raises((DataInvalid, Stalled)) as refused:
        read_file(path, columns)
    return str(refused.value)


def newest(data: ExperimentData) -> float:
    assert data.time is not None
    return float(np.nanmax(data.time))


# Names of columns.


def test_a_used_column_that_a_csv_names_twice_is_refused_by_name(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "x.csv", customers())
    path.write_text(path.read_text().replace("spend", "age", 1))
    assert refusal(path).endswith("has more than one column age; rename the others.")
    assert read_file(path, replace(COLUMNS, features=COLUMNS.features[1:])).rows == ROWS


def test_a_used_column_that_a_parquet_file_names_twice_is_refused_by_name(tmp_path: Path) -> None:
    table = customers()
    names = [*table, "age"]
    papq.write_table(pa.table([pa.array(table[name]) for name in names], names=names), tmp_path / "x.parquet")
    assert refusal(tmp_path / "x.parquet").endswith("has more than one column age; rename the others.")


def test_a_missing_column_is_named_with_a_similar_one_but_no_row(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "x.csv", {"Region ": ["x"], "arm": ["y"], "age": [1], "bought": [1]})
    assert refusal(path).endswith('has no column region, but one named "Region ".')
    path.write_text("Anna,1950-03-01,north\nBerta,1951-03-01,south\n")
    assert refusal(path).endswith("has no column region among its 3 columns; a CSV names them in its first row.")


def test_bytes_of_another_encoding_matter_only_in_a_column_that_is_used(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "x.csv", customers(note=["Müller"] * ROWS, name=["note"] * ROWS))
    path.write_bytes(path.read_text().replace("name", "naïve").encode("latin-1"))
    assert read_file(path, COLUMNS).rows == ROWS
    noted = replace(COLUMNS, features=(*COLUMNS.features, Feature("note", FeatureType.CATEGORICAL)))
    assert refusal(path, noted).endswith("has a column note whose text is not UTF-8; save the file as UTF-8.")


# Text.


def test_newlines_in_quotes_are_part_of_a_cell_in_a_file_of_many_blocks(tmp_path: Path) -> None:
    table = {name: [*values] * 200 for name, values in customers().items()}
    note = [f"said:\nyes, call back {'x' * (row * 17 % 997)}" for row in range(200 * ROWS)]
    path = write_csv(tmp_path / "x.csv", {**table, "note": note}, csv.QUOTE_ALL)
    assert path.stat().st_size > 20_000_000
    assert read_file(path, COLUMNS).rows == 200 * ROWS


def test_an_arm_called_na_and_a_control_called_null_are_arms(as_file: Callable[[Table], Path]) -> None:
    arms = ["null", "letter", "NA"]
    path = as_file(customers(arm=[arms[row % 3] for row in range(ROWS)], region=["N/A", "nan"] * (ROWS // 2)))
    data = read_file(path, replace(COLUMNS, control="null"))
    assert data.arms == ("null", "NA", "letter")
    assert (data.unassigned, data.rows) == (0, ROWS)
    assert data.levels["region"] == ("N/A", "nan")


def test_an_empty_cell_is_a_missing_label(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "x.csv", customers(region=["", " ", "north"] * (ROWS // 3)))
    data = read_file(path, COLUMNS)
    assert data.levels["region"] == ("north",)
    assert np.count_nonzero(data.features["region"] < 0) == ROWS * 2 // 3


# Numbers.


def test_na_and_nan_are_missing_numbers_and_no_other_spelling_is(as_file: Callable[[Table], Path]) -> None:
    age = ["NA", "NaN", "", " NA ", *["40.5"] * (ROWS - 4)]
    data = read_file(as_file(customers(age=age)), COLUMNS)
    assert np.count_nonzero(np.isnan(data.features["age"])) == 4
    for other in ("nan", "null", "N/A", "-NaN", "1_000", "0x1p3", "\u0664"):
        assert refusal(as_file(customers(age=[*age[:6], other, *age[7:]]))).startswith('Column "age", row 7: a number')


def test_no_other_spelling_is_a_number_where_the_rest_of_a_csv_are_numbers(tmp_path: Path) -> None:
    age = ["1", "nan", *["40.5"] * (ROWS - 2)]
    assert refusal(write_csv(tmp_path / "x.csv", customers(age=age))).startswith('Column "age", row 2: a number')


def test_numbers_of_a_csv_with_gaps_take_eight_bytes_each(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "x.csv", customers(age=["NA", "NaN", "", *["40.5"] * (ROWS - 3)]))
    source = Source(f"file://{path}", None, None, parts_of(COLUMNS))
    age = FileDataSource([AllowedPrefix("file:///")], "default").read(source).columns["age"]
    assert (str(age.dtype), int(np.isnan(age).sum())) == ("float64", 3)


def test_a_column_of_yes_and_no_among_numbers_is_read(as_file: Callable[[Table], Path]) -> None:
    data = read_file(as_file(customers(age=["Yes", "no"] * (ROWS // 2), note=["x"] * ROWS)), COLUMNS)
    assert data.features["age"].sum() == ROWS / 2


@pytest.mark.parametrize("pair", [("No", "Yes"), ("0.0", "1.0"), ("false", "True"), (0.0, 1.0), (False, True)])
def test_an_event_with_gaps_is_text_or_a_number(as_file: Callable[[Table], Path], pair: tuple[Any, Any]) -> None:
    bought: list[Any] = [pair[row % 5 == 0] for row in range(ROWS)]
    bought[3] = "NA" if isinstance(pair[0], str) else None
    data = read_file(as_file(customers(bought=bought)), COLUMNS)
    assert data.rows == ROWS - 1
    assert data.outcome.sum() == ROWS / 5


def test_integers_beyond_2_to_the_53_are_rounded_as_numbers_and_exact_as_labels(
    as_file: Callable[[Table], Path],
) -> None:
    age = [2**53 + 1 + 2 * row for row in range(ROWS)]
    for identity in ([2**53 + 1, 2**53, 2**53 + 2], [2**64 - 1, 2**64 - 2, 2**63]):
        data = read_file(
            as_file(customers(age=age, region=np.resize(np.array(identity, dtype=np.uint64), ROWS))), COLUMNS
        )
        assert data.levels["region"] == tuple(sorted(map(str, identity)))
        assert sorted(data.features["age"]) == sorted(map(float, age))


@pytest.mark.parametrize("value", [1e300, -1.0000001e15, float("inf")])
def test_a_missing_outcome_that_is_written_as_a_huge_number_is_refused(
    as_file: Callable[[Table], Path], value: float
) -> None:
    table = customers()
    spend, arm = [*table["spend"]], [*table["arm"]]
    spend[1], arm[0], spend[7] = None, None, value  # rows that are dropped count in the numbers of rows, too
    sentence = refusal(as_file({**table, "spend": spend, "arm": arm}), SPENT)
    assert sentence.startswith('Column "spend", row 8: the outcome is beyond 1e15')
    spend[7] = -1e15
    assert read_file(as_file({**table, "spend": spend}), SPENT).rows == ROWS - 1


# Times.


@pytest.mark.parametrize(
    "moment",
    [
        *("2026-03-01T12:00:00", "2026-03-01T14:00:00.000000999+02:00", "2026-03-01 12:00:00Z"),
        *(1772366400, 1772366400_000, 1772366400_000000, 1772366400_000000_999, 1772366400.0, "1772366400.0"),
    ],
)
def test_a_moment_is_the_same_however_it_is_written(as_file: Callable[[Table], Path], moment: Any) -> None:
    assert newest(read_file(as_file(customers(sent=[moment] * ROWS)), DATED)) == NOON


@pytest.mark.parametrize(
    ("date", "start"), [(20260301, "2026-03-01"), ("20260301", "2026-03-01"), ("2026-03", "2026-03-01")]
)
def test_a_date_is_the_start_of_its_day_or_month(as_file: Callable[[Table], Path], date: Any, start: str) -> None:
    midnight = datetime.fromisoformat(f"{start}T00:00:00+00:00").timestamp()
    assert newest(read_file(as_file(customers(sent=[date] * ROWS)), DATED)) == midnight


@pytest.mark.parametrize("wrong", [2026, 20261301, 18991231, -1772366400, 17723664000, 1.5, "soon", "NaT"])
def test_what_is_no_time_is_refused_with_what_to_write(as_file: Callable[[Table], Path], wrong: Any) -> None:
    fine = "2026-03-01" if isinstance(wrong, str) else type(wrong)(1772366400)
    sent = [fine, fine, wrong, *[fine] * (ROWS - 3)]
    assert refusal(as_file(customers(sent=sent)), DATED) == (
        'Column "sent", row 3: a time is needed; write it as 2026-03-01T12:00:00, as 2026-03-01 or 20260301, '
        "or as seconds since 1970."
    )


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "Europe/Oslo"])
def test_timestamps_of_any_unit_are_times_to_the_microsecond(tmp_path: Path, unit: str, zone: str | None) -> None:
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    furthest = 2**63 - 1 if unit != "s" else 2**62 // 1000  # Parquet has no seconds, but milliseconds
    count = [int(NOON) * per_second + (123 if unit == "ns" else 0)] * (ROWS - 3) + [furthest, -furthest, None]
    table = pa.table(customers()).append_column("sent", pa.array(count, pa.timestamp(unit, zone)))
    papq.write_table(table, tmp_path / "x.parquet")
    data = read_file(tmp_path / "x.parquet", DATED)
    assert (newest(data), data.times_out_of_range) == (NOON, 2)
    assert data.time is not None
    assert np.count_nonzero(np.isnan(data.time)) == 3


def test_times_that_stand_for_never_are_missing_and_counted(as_file: Callable[[Table], Path]) -> None:
    never = ["9999-12-31", "0001-01-01T00:00:00+14:00", "1899-12-31", "2201-01-01", "NA", ""]
    data = read_file(as_file(customers(sent=[*never, *["2026-03-01T12:00:00"] * (ROWS - 6)])), DATED)
    assert (newest(data), data.times_out_of_range) == (NOON, 4)


# Types of Parquet that a part cannot take.

INVALID_TYPES: Final = {
    "lists": ("age", pa.array([[1]] * ROWS), "lists, structs or maps"),
    "structs": ("region", pa.array([{"a": 1}] * ROWS), "lists, structs or maps"),
    "maps": ("sent", pa.array([[("a", 1)]] * ROWS, pa.map_(pa.string(), pa.int64())), "lists, structs or maps"),
    "timestamps": ("age", pa.array([1] * ROWS, pa.timestamp("ns")), "timestamps"),
    "dates": ("age", pa.array([1] * ROWS, pa.date32()), "dates"),
    "truth values": ("sent", pa.array([True] * ROWS), "truth values"),
    "durations": ("region", pa.array([1] * ROWS, pa.duration("s")), "values of the type duration[s]"),
    "times of day": ("sent", pa.array([1] * ROWS, pa.time32("s")), "values of the type time32[s]"),
}


@pytest.mark.parametrize("case", INVALID_TYPES)
def test_a_type_that_a_part_cannot_take_is_refused_with_what_it_can(tmp_path: Path, case: str) -> None:
    name, values, held = INVALID_TYPES[case]
    papq.write_table(pa.table({**customers(sent=["2026-03-01"] * ROWS), name: values}), tmp_path / "x.parquet")
    assert f"has a column {name} that holds {held[:15]}" in refusal(tmp_path / "x.parquet", DATED)


def test_bytes_that_are_no_text_are_refused_by_the_name_of_their_column(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "x.parquet", customers(region=[b"\xff"] * ROWS))
    assert refusal(path).endswith("has a column region whose text is not UTF-8; save the file as UTF-8.")


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        (pa.array([1.0, 0.1, None] * (ROWS // 3)), ("0.1", "1")),
        (pa.array([1.0, 0.1, None] * (ROWS // 3), pa.float32()), ("0.1", "1")),
        (pa.array([True, False] * (ROWS // 2)), ("false", "true")),
        (
            pa.array([0, 1] * (ROWS // 2), pa.timestamp("ms", "UTC")),
            ("1970-01-01T00:00:00+00:00", "1970-01-01T00:00:00.001+00:00"),
        ),
        (pa.nulls(ROWS), ()),
    ],
)
def test_labels_of_other_types_are_their_usual_texts(tmp_path: Path, values: pa.Array, levels: tuple[str, ...]) -> None:
    papq.write_table(pa.table({**customers(), "region": values}), tmp_path / "x.parquet")
    assert read_file(tmp_path / "x.parquet", COLUMNS).levels["region"] == tuple(sorted(levels))
