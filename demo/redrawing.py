"""A table of moments: redrawn in place where the output is a terminal, else a line at each change."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from demo.course import Moment
from demo.telling import show

Draw = Callable[[Moment], None]
_HEADER = ("TIME", "QUEUE", "OLDEST", "RUNNING", "WORKERS", "WANTED", "MAX", "ARRIVALS/S", "S/TASK", "DRAIN", "DONE")
_GAP = "   "
_QUIET = 3.0  # seconds between lines while only counts change
_ROWS = 12  # of the table that is redrawn: the last changes
_WIDTH = 60  # characters of a sparkline or bar
_EIGHTHS = " ▁▂▃▄▅▆▇█"


def cells(moment: Moment, most: int, total: int) -> tuple[str, ...]:
    """Put a moment into words, under the header; `most` workers are allowed, `total` Simulations are asked."""
    return (
        f"{moment.at:.1f} s",
        str(moment.waiting),
        _seconds(moment.oldest),
        str(moment.running),
        str(moment.ready),
        str(moment.desired),
        str(most),
        "-" if moment.arrivals is None else f"{moment.arrivals:.1f}",
        "-" if moment.per_task is None else f"{moment.per_task:.3f}",
        _seconds(moment.drain),
        f"{moment.done}/{total}",
    )


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"


def sparkline(values: Sequence[float], top: float) -> str:
    """Draw values between 0 and `top` as one line of `_WIDTH` characters, each the highest of its share of the time."""
    columns = min(_WIDTH, len(values))
    edges = [len(values) * column // columns for column in range(columns + 1)] if columns else []
    highest = (max(values[start:end]) for start, end in pairwise(edges))
    return "".join(_EIGHTHS[_eighths(value, top)] for value in highest)


def _eighths(value: float, top: float) -> int:
    """Give how high to draw: what is more than nothing is seen."""
    return min(8, max(round(8 * value / top), int(value > 0))) if top > 0 else 0


def bar(share: float) -> str:
    """Draw a share of 1."""
    full = int(_WIDTH * share)
    return "█" * full + "░" * (_WIDTH - full)


@dataclass
class Lines:
    """Shows a line at once when the number of workers changes, and from time to time when anything else does."""

    most: int
    total: int
    _last: Moment | None = None

    def draw(self, moment: Moment) -> None:
        """Show a moment if it is worth a line."""
        if self._last is None:
            show(_line(_HEADER))
        elif not _is_news(self._last, moment):
            return
        self._last = moment
        show(_line(cells(moment, self.most, self.total)))


def _line(row: Sequence[str]) -> str:
    return _GAP.join(f"{cell:>{max(7, len(title))}}" for cell, title in zip(row, _HEADER, strict=True)).rstrip()


def _is_news(before: Moment, now: Moment) -> bool:
    if (before.ready, before.desired) != (now.ready, now.desired):
        return True
    return now.at - before.at >= _QUIET and replace(now, at=before.at) != before


@dataclass
class Canvas:
    """The last changes as a table, the whole course as sparklines under it."""

    most: int
    total: int
    moments: list[Moment] = field(default_factory=list)
    changes: list[Moment] = field(default_factory=list)

    def add(self, moment: Moment) -> None:
        """Remember a moment."""
        self.moments.append(moment)
        if not self.changes or _is_news(self.changes[-1], moment):
            self.changes.append(moment)

    def render(self) -> Group:
        """Draw it as it is now; the last row is this moment."""
        table = Table(*_HEADER, box=None, pad_edge=False, collapse_padding=True)
        for column in table.columns:
            column.justify = "right"
        rows = [*self.changes[-_ROWS:], *self.moments[-1:]]
        for moment in dict.fromkeys(rows):
            table.add_row(*cells(moment, self.most, self.total))
        return Group(table, Text(), *(Text(line) for line in self._lines()))

    def _lines(self) -> Iterator[str]:
        waiting = [float(each.waiting) for each in self.moments]
        yield f"queue    {sparkline(waiting, max(waiting, default=0.0))}"
        yield f"workers  {sparkline([float(each.ready) for each in self.moments], self.most)}"
        yield f"done     {bar(self.moments[-1].done / self.total if self.moments else 0.0)}"


@contextmanager
def table(most: int, total: int) -> Iterator[Draw]:
    """Give what shows moments until the block ends; `most` workers are allowed, `total` Simulations are asked."""
    if not sys.stdout.isatty():
        yield Lines(most, total).draw
        return
    canvas = Canvas(most, total)
    with Live(console=Console(), auto_refresh=False, get_renderable=canvas.render) as live:

        def draw(moment: Moment) -> None:
            canvas.add(moment)
            live.refresh()

        yield draw
