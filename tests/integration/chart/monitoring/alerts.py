"""The alerts as the chart renders them, and the cases of alerts.yaml in the form that promtool reads."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CASES: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("alerts.yaml").read_text())
SILENT = [(alert, name) for alert, case in CASES.items() for name in case["silent"]]


@dataclass(frozen=True)
class Promtool:
    """Runs promtool in a folder of its own."""

    program: Path
    folder: Path

    def __call__(self, *arguments: str, **files: Any) -> str:
        """Write `files` as YAML (by the first part of their name), run promtool, and give what it complains of."""
        for name, content in files.items():
            (self.folder / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        command = [str(self.program), *arguments]
        answer = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=300, check=False)
        return answer.stdout + answer.stderr if answer.returncode else ""


def rules_of(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the content of the rendered PrometheusRule: a file of rules of Prometheus."""
    spec: dict[str, Any] = next(each["spec"] for each in manifests if each["kind"] == "PrometheusRule")
    return spec


def alerts_of(rules: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the alerts by name."""
    return {rule["alert"]: rule for group in rules["groups"] for rule in group["rules"]}


def summarised(rules: dict[str, Any]) -> dict[str, Any]:
    """Return the rules with no annotation but the summary: a case quotes that, and need not repeat the rest."""
    return {"groups": [{**group, "rules": [_summarised(rule) for rule in group["rules"]]} for group in rules["groups"]]}


def _summarised(rule: dict[str, Any]) -> dict[str, Any]:
    return {**rule, "annotations": {"summary": rule["annotations"]["summary"]}}


def rule_test(alert: str, case: dict[str, Any], severity: str) -> dict[str, Any]:
    """Return a promtool test of one alert at one moment."""
    expected = [
        {
            "exp_labels": {"severity": severity, **each.get("labels", {})},
            "exp_annotations": {"summary": each["summary"]},
        }
        for each in case.get("alerts", ())
    ]
    return {
        "rule_files": ["rules.yaml"],
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in case["series"].items()],
                "alert_rule_test": [{"eval_time": case["at"], "alertname": alert, "exp_alerts": expected}],
            }
        ],
    }
