"""The dashboards: every query is PromQL and names what there is, and every panel says what it shows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboards.__main__ import DASHBOARDS
from devcluster import promtool as programs
from tests.integration.chart.conftest import Helm
from tests.integration.chart.monitoring.alerts import Promtool, alerts_of, rules_of
from tests.integration.chart.monitoring.names import everybodys, known_series, of_the_operator
from tests.integration.chart.monitoring.promql import named, unknown
from tests.integration.chart.monitoring.rendering import ALL, CHART, REPOSITORY

FILES = sorted((CHART / "dashboards").glob("*.json"))
JSON = dict[str, Any]


def panels(file: Path) -> list[JSON]:
    return [panel for panel in json.loads(file.read_text())["panels"] if panel["type"] != "row"]


def queries(file: Path) -> Iterator[tuple[str, str]]:
    for panel in panels(file):
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def without_variables(expression: str) -> str:
    """Return an expression as Grafana sends it."""
    return re.sub(r"[$](namespace|pool|model)", ".*", re.sub(r"[$]__\w*interval", "5m", expression))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_query_names_metrics_and_labels_that_there_are(file: Path) -> None:
    known = known_series()
    assert {title: unknown(expr, known) for title, expr in queries(file) if unknown(expr, known)} == {}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_variable_takes_values_of_a_label_that_there_is(file: Path) -> None:
    variables = json.loads(file.read_text())["templating"]["list"]
    for variable in variables:
        if variable["type"] == "query":
            metric, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()  # type: ignore[union-attr]
            assert unknown(f"max by ({label}) ({metric})", known_series()) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_prometheus_takes_every_query(file: Path, tmp_path: Path) -> None:
    rules = [
        {"record": f"query:{number}", "expr": without_variables(expr)} for number, (_, expr) in enumerate(queries(file))
    ]
    promtool = Promtool(programs.find(), tmp_path)
    assert promtool("check", "rules", "rules.yaml", rules={"groups": [{"name": "queries", "rules": rules}]}) == ""


def test_every_alert_names_metrics_and_labels_that_there_are(offline_helm: Helm) -> None:
    known, alerts = known_series(), alerts_of(rules_of(offline_helm.template(ALL)))
    assert {name: unknown(each["expr"], known) for name, each in alerts.items() if unknown(each["expr"], known)} == {}


def test_what_there_is_not_would_be_found() -> None:
    expression = 'sum by (queue) (rate(twinops_leader{pool=~"x"}[5m])) / twinops_follower'
    assert sorted(unknown(expression, known_series())) == [
        "twinops_follower",
        "twinops_leader{pool}",
        "twinops_leader{queue}",
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_panel_says_what_it_shows_and_lies_beside_the_others(file: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(file.read_text())["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert max(x for x, _ in cells) < 24
        assert not cells & taken
        taken |= cells
    for panel in panels(file):
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]


def test_the_chart_ships_every_dashboard_for_grafanas_sidecar(offline_helm: Helm) -> None:
    values = (
        *(*ALL, "--set", "metrics.dashboards.namespace=grafana"),
        *("--set", "metrics.dashboards.annotations.grafana_folder=Twins"),
    )
    maps = [each for each in offline_helm.template(values) if each["kind"] == "ConfigMap" and "dashboard" in str(each)]
    shipped = {name: json.loads(text) for each in maps for name, text in each["data"].items()}
    assert shipped == {f"{name}.json": dashboard.to_json() for name, dashboard in DASHBOARDS.items()}
    for each in maps:
        assert each["metadata"]["namespace"] == "grafana"
        assert each["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert each["metadata"]["annotations"] == {"grafana_folder": "Twins"}


def test_the_table_of_metrics_is_complete_and_says_what_the_code_says() -> None:
    table = (REPOSITORY / "docs" / "metrics.md").read_text()
    rows = {f"| `{each.name}` | {each.kind} | {', '.join(each.labels) or '-'} | {each.text}" for each in everybodys()}
    assert sorted(row for row in rows if row not in table) == []


def test_every_metric_of_the_operator_is_shown_or_rings_a_bell(offline_helm: Helm) -> None:
    expressions = [expr for file in FILES for _, expr in queries(file)]
    expressions += [alert["expr"] for alert in alerts_of(rules_of(offline_helm.template(ALL))).values()]
    used = {name for expression in expressions for name in named(expression).metrics}
    assert [metric.name for metric in of_the_operator() if not used & metric.series.keys()] == []
