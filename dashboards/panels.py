"""Grafana's format: dashboards of rows of panels, laid out from left to right; what they show is said elsewhere."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

JSON = dict[str, Any]
COLUMNS: Final = 24  # of Grafana's grid
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
SCHEMA: Final = 39  # of Grafana 11; later ones read it
REFRESH: Final = "30s"  # twice the chart's interval of scraping


@dataclass(frozen=True)
class Query:
    """A PromQL expression and the name of its series in the legend."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """A panel.

    Attributes:
        title: a few words.
        about: what it shows and what to do about it, shown behind the (i).
        queries: what is asked.
        unit: of Grafana's own names: s, percentunit, short, none, bytes.
        kind: of panel: timeseries or stat.
        width, height: in the grid's columns and rows.
        thresholds: colours from these values on; the first is the base.
        stacked: series on top of each other, as bars.
        limits: minimum and maximum of the axis.
        words: texts in place of values.
    """

    title: str
    about: str
    queries: Sequence[Query]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    thresholds: Mapping[float | None, str] = field(default_factory=lambda: {None: "green"})
    stacked: bool = False
    limits: tuple[float | None, float | None] = (0, None)
    words: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> JSON:
        """Return the panel without its place."""
        return {
            "type": self.kind,
            "title": self.title,
            "description": self.about,
            "datasource": SOURCE,
            "targets": [_target(number, query) for number, query in enumerate(self.queries)],
            "fieldConfig": {"defaults": self._defaults(), "overrides": []},
            "options": _STAT if self.kind == "stat" else _SERIES,
        }

    def _defaults(self) -> JSON:
        low, high = self.limits
        defaults: JSON = {
            "unit": self.unit,
            "min": low,
            "max": high,
            "color": {"mode": "thresholds" if self.kind == "stat" else "palette-classic"},
            "thresholds": {
                "mode": "absolute",
                "steps": [{"value": value, "color": color} for value, color in self.thresholds.items()],
            },
            "mappings": [{"type": "value", "options": {v: {"text": t} for v, t in self.words.items()}}]
            if self.words
            else [],
        }
        return defaults | ({} if self.kind == "stat" else {"custom": self._drawing()})

    def _drawing(self) -> JSON:
        return {
            "drawStyle": "bars" if self.stacked else "line",
            "lineWidth": 1,
            "fillOpacity": 60 if self.stacked else 8,
            "showPoints": "auto",
            "spanNulls": False,
            "stacking": {"mode": "normal" if self.stacked else "none"},
            "thresholdsStyle": {"mode": "line" if len(self.thresholds) > 1 else "off"},
        }


_STAT: Final = {"colorMode": "value", "graphMode": "area", "reduceOptions": {"calcs": ["lastNotNull"]}}
_SERIES: Final = {
    "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
    "tooltip": {"mode": "multi", "sort": "desc"},
}


def stat(title: str, about: str, expr: str, *, unit: str = "short", width: int = 4, **more: Any) -> Panel:  # noqa: ANN401
    """Return a panel with one figure."""
    return Panel(title, about, [Query(expr, more.pop("legend", ""))], unit, "stat", width, height=4, **more)


@dataclass(frozen=True)
class Row:
    """A heading and the panels under it."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Dashboard:
    """A dashboard.

    Attributes:
        variables: what a user can choose: the name of a label, and the metric whose values it takes.
    """

    uid: str
    title: str
    about: str
    variables: Mapping[str, str]
    rows: Sequence[Row]

    def to_json(self) -> JSON:
        """Return the dashboard as Grafana imports it."""
        panels = [panel | {"id": number} for number, panel in enumerate(_placed(self.rows), start=1)]
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.about,
            "tags": ["twin-operator"],
            "schemaVersion": SCHEMA,
            "editable": True,
            "refresh": REFRESH,
            "time": {"from": "now-6h", "to": "now"},
            "templating": {"list": [_DATASOURCE, *(_variable(*each) for each in self.variables.items())]},
            "panels": panels,
        }


_DATASOURCE: Final = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}


def _variable(name: str, query: str) -> JSON:
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "sort": 1,
        "current": {"text": "All", "value": "$__all"},
    }


def _target(number: int, query: Query) -> JSON:
    reference = chr(ord("A") + number)
    return {"refId": reference, "expr": query.expr, "legendFormat": query.legend or "__auto", "datasource": SOURCE}


def _placed(rows: Sequence[Row]) -> Iterator[JSON]:
    """Lay panels out from left to right; a row of the grid is as high as its highest panel."""
    y = 0
    for row in rows:
        yield {"type": "row", "title": row.title, "collapsed": False, "panels": [], "gridPos": _place(0, y, COLUMNS, 1)}
        y, x, tallest = y + 1, 0, 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                y, x, tallest = y + tallest, 0, 0
            yield panel.to_json() | {"gridPos": _place(x, y, panel.width, panel.height)}
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest


def _place(x: int, y: int, width: int, height: int) -> JSON:
    return {"x": x, "y": y, "w": width, "h": height}
