"""The alerts, run by Prometheus' own promtool: each fires when it should and says why, and is silent otherwise."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster import promtool as programs
from tests.integration.chart.conftest import Helm
from tests.integration.chart.monitoring.alerts import (
    CASES,
    SILENT,
    Promtool,
    alerts_of,
    rule_test,
    rules_of,
    summarised,
)
from tests.integration.chart.monitoring.rendering import ALL, CHART, REPOSITORY

NAMESPACE = "twins"
OF_THE_RELEASE = {"namespace", "operator", "operatorJob", "eventsJob", "runbooks"}
Rules = dict[str, Any]


@pytest.fixture
def promtool(tmp_path: Path) -> Promtool:
    return Promtool(programs.find(), tmp_path)


@pytest.fixture(scope="module")
def rules(offline_helm: Helm) -> Rules:
    return rules_of(offline_helm.template(ALL, NAMESPACE))


@pytest.mark.parametrize("alert", CASES)
def test_an_alert_fires_and_says_what_is_the_matter(rules: Rules, promtool: Promtool, alert: str) -> None:
    severity = alerts_of(rules)[alert]["labels"]["severity"]
    test = rule_test(alert, CASES[alert]["fires"], severity)
    assert promtool("test", "rules", "test.yaml", rules=summarised(rules), test=test) == ""


@pytest.mark.parametrize(("alert", "name"), SILENT)
def test_an_alert_is_silent_while(rules: Rules, promtool: Promtool, alert: str, name: str) -> None:
    test = rule_test(alert, CASES[alert]["silent"][name], "")
    assert promtool("test", "rules", "test.yaml", rules=summarised(rules), test=test) == ""


def test_every_alert_has_cases_and_a_runbook(rules: Rules) -> None:
    headings = re.findall(r"^## (\w+)$", (REPOSITORY / "docs" / "alerts.md").read_text(), re.MULTILINE)
    assert list(alerts_of(rules)) == headings
    assert sorted(alerts_of(rules)) == sorted(CASES)


def test_prometheus_takes_the_rules_and_nothing_is_left_to_put_in(rules: Rules, promtool: Promtool) -> None:
    assert promtool("check", "rules", "--lint=all", "--lint-fatal", "rules.yaml", rules=rules) == ""
    assert not re.findall(r"@\w+@", yaml.safe_dump(rules))


def test_annotations_name_only_labels_that_the_alert_has(rules: Rules) -> None:
    for name, alert in alerts_of(rules).items():
        named = set(re.findall(r"[$]labels[.](\w+)", str(alert["annotations"])))
        assert named <= set(CASES[name]["fires"]["alerts"][0].get("labels", {})), name


def test_every_alert_names_a_next_command_and_its_section(rules: Rules) -> None:
    for name, alert in alerts_of(rules).items():
        assert "`" in alert["annotations"]["description"], name
        assert alert["annotations"]["runbook_url"] == f"docs/alerts.md#{name.lower()}"


def test_thresholds_and_labels_are_those_of_the_values_and_alerts_can_be_left_out(offline_helm: Helm) -> None:
    values = (
        *(*ALL, "--set", "metrics.prometheusRule.thresholds.queueOldestSeconds=60"),
        *("--set", "metrics.prometheusRule.disabled={TwinOpsDeadLetters}"),
        *("--set", "metrics.prometheusRule.alertLabels.team=growth"),
        *("--set", "metrics.prometheusRule.runbooks=https://runbooks.example.com/twins"),
    )
    alerts = alerts_of(rules_of(offline_helm.template(values)))
    assert "TwinOpsDeadLetters" not in alerts
    assert alerts["TwinOpsQueueTooOld"]["expr"].endswith("> 60")
    assert alerts["TwinOpsQueueTooOld"]["labels"] == {"severity": "warning", "team": "growth"}
    url = alerts["TwinOpsQueueTooOld"]["annotations"]["runbook_url"]
    assert url == "https://runbooks.example.com/twins#twinopsqueuetooold"


def test_every_threshold_of_the_values_is_used() -> None:
    thresholds = yaml.safe_load((CHART / "values.yaml").read_text())["metrics"]["prometheusRule"]["thresholds"]
    text = (CHART / "files" / "alerts.yaml").read_text()
    assert set(re.findall(r"@(\w+)@", text)) == {*thresholds, *OF_THE_RELEASE}
