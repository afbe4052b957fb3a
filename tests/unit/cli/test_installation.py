"""`twin-operator check` reports every part of an installation, whatever does not answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from twin_operator.cli.main import app


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    """The environment of an installation of which nothing answers: nothing listens on port 1."""
    return {
        "TWINOPS_REDIS_URL": "redis://127.0.0.1:1/0",
        "TWINOPS_MLFLOW_TRACKING_URI": "http://127.0.0.1:1/",
        "KUBECONFIG": str(tmp_path / "none"),
        "KUBERNETES_SERVICE_HOST": "",
    }


def test_each_part_that_does_not_answer_is_a_finding_of_its_own(nowhere: dict[str, str]) -> None:
    answer = CliRunner().invoke(app, ["check", "--within", "0"], env=nowhere)
    assert answer.exit_code == 1
    for part in ("Redis", "MLflow", "Kubernetes"):
        (line,) = [line for line in answer.stdout.splitlines() if f" {part} " in line]
        assert " NO " in line
        assert "It does not answer: " in line


def test_the_crds_are_printed_without_a_cluster(nowhere: dict[str, str]) -> None:
    answer = CliRunner().invoke(app, ["crds", "print"], env=nowhere)
    assert answer.exit_code == 0
    assert answer.stdout.count("kind: CustomResourceDefinition") == 4
