"""The table of a burst: its rows, what is worth a row, and how it is drawn."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from demo.course import Moment
from demo.redrawing import Canvas, Lines, bar, cells, sparkline, table

START = Moment(
    at=0.0, waiting=0, oldest=None, running=0, ready=0, desired=0, arrivals=None, per_task=None, drain=None, done=0
)
BUSY = Moment(
    at=6.04, waiting=214, oldest=3.21, running=3, ready=3, desired=3, arrivals=31.0, per_task=0.0512, drain=3.6, done=86
)


def test_a_moment_is_a_row() -> None:
    row = ("6.0 s", "214", "3.2 s", "3", "3", "3", "4", "31.0", "0.051", "3.6 s", "86/651")
    assert cells(BUSY, most=4, total=651) == row


def test_what_is_not_known_is_a_dash() -> None:
    assert cells(START, most=4, total=651).count("-") == 4


@pytest.mark.parametrize(
    ("values", "drawn"),
    [
        ([], ""),
        ([0, 0], "  "),
        ([0, 4, 8], " ▄█"),
        ([0, 1, 100], " ▁█"),  # a little is seen, too
    ],
)
def test_a_sparkline_shows_how_high_each_value_is(values: list[float], drawn: str) -> None:
    assert sparkline(values, max(values, default=0)) == drawn


def test_a_long_course_is_drawn_by_the_highest_of_each_share_of_it() -> None:
    drawn = sparkline([0.0] * 599 + [1.0], 1.0)
    assert (len(drawn), drawn.strip()) == (60, "█")


def test_a_bar_is_as_full_as_its_share() -> None:
    assert bar(0.5) == "█" * 30 + "░" * 30


def test_a_pipe_gets_a_line_when_workers_change_and_from_time_to_time(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(most=3, total=651)
    told = [
        START,
        replace(START, at=0.5, waiting=9),  # too soon
        replace(START, at=1.0, waiting=9, desired=2),  # other workers are wanted
        replace(START, at=3.0, waiting=50, desired=2),  # too soon
        replace(START, at=4.0, waiting=60, desired=2),
        replace(START, at=9.0, waiting=60, desired=2),  # nothing new
    ]
    for moment in told:
        lines.draw(moment)
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ["TIME", "QUEUE", "OLDEST"]
    assert [row.split()[0] for row in rows] == ["0.0", "1.0", "4.0"]


def test_columns_stand_under_their_titles(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(most=3, total=651)
    lines.draw(BUSY)
    header, row = capsys.readouterr().out.splitlines()
    assert len(header) == len(row) + len("DONE   ") - len("86/651 ")
    assert header.index("WANTED") + len("WANTED") == row.index("3   ", header.index("WANTED")) + 1


def test_the_canvas_keeps_the_last_changes_and_the_whole_course() -> None:
    canvas = Canvas(most=3, total=651)
    for ready in range(20):
        canvas.add(replace(BUSY, at=float(ready), ready=ready % 4))
    console = Console(width=120, file=StringIO())
    with console.capture() as capture:
        console.print(canvas.render())
    drawn = capture.get()
    assert drawn.splitlines()[0].split()[0] == "TIME"
    assert " 7.0 s" not in drawn
    assert "19.0 s" in drawn
    assert "workers  " in drawn


def test_without_a_terminal_lines_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with table(most=3, total=651) as draw:
        draw(BUSY)
    assert "86/651" in capsys.readouterr().out
