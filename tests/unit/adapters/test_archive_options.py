"""What people type at `twin-operator archive`, before any archive is asked."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from twin_operator.cli.archive import first_moment, moment_after
from twin_operator.cli.main import app

DAY = datetime(2026, 3, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "first", "after"),
    [
        ("2026-03-31", DAY, DAY.replace(month=4, day=1)),
        ("2026-03-31T02:00:00+02:00", DAY, DAY),
        ("2026-03-31t00:00:00z", DAY, DAY),
        ("2026-03-31 00:00:00.5Z", DAY.replace(microsecond=500_000), DAY.replace(microsecond=500_000)),
    ],
)
def test_a_date_is_a_whole_day_and_a_time_a_moment(text: str, first: datetime, after: datetime) -> None:
    assert (first_moment(text), moment_after(text)) == (first, after)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026", "2026-13-01", "20260331", "2026-03-31T12:00", "2026-03-31T12:00:00", "2026-W01-1"]
)
def test_what_is_no_moment_is_answered_with_what_to_write(text: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"is no moment: write 2026-03-31 or, with its offset"):
        first_moment(text)


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["list", "--model", "a/b/c"], 1, "Write --model NAME or --model NAMESPACE/NAME.\n"),
        (["list", "--model", "/b"], 1, "Write --model NAME or --model NAMESPACE/NAME.\n"),
        (["list", "--model", ""], 1, "Write --model NAME or --model NAMESPACE/NAME.\n"),
        (["list", "--kind", "retrainings", "--grade", "Poor"], 1, "A retraining has neither a grade nor an experiment"),
        (["list", "--since", "2026-03-31", "--until", "2026-03-30"], 1, "No moment is both from --since on"),
        (["list", "--grade", "Superb"], 2, "Superb"),
        (["list", "--limit", "0"], 2, "limit"),
        (["list", "--since", "yesterday"], 2, "is no moment"),
        (["export", "file.xlsx"], 1, "The suffix of file.xlsx must be .parquet or .csv: it says what is written.\n"),
        (["list", "--url", "mysql://jane:secret@db/twins"], 1, "An archive cannot be in mysql: write sqlite:///"),
    ],
)
def test_a_mistake_is_answered_in_a_sentence(words: list[str], code: int, sentence: str) -> None:
    result = CliRunner().invoke(app, ["archive", *words])
    assert (result.exit_code, sentence in result.stderr) == (code, True), result.output


def test_the_address_comes_from_the_settings(tmp_path: Path) -> None:
    environment = {"TWINOPS_ARCHIVE_URL": f"sqlite:///{tmp_path}/archive.db"}
    assert CliRunner().invoke(app, ["archive", "migrate"], env=environment).exit_code == 0
    assert (tmp_path / "archive.db").exists()


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    address = ["--url", f"sqlite:///{tmp_path}/archive.db"]
    CliRunner().invoke(app, ["archive", "migrate", *address])
    result = CliRunner().invoke(app, ["archive", "export", f"{tmp_path}/absent/file.csv", *address])
    assert result.exit_code == 1
    assert "absent/file.csv cannot be written: " in result.stderr
