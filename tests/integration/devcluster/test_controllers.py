"""The real controllers take the node's Pods for real: Deployments roll out and scale, Jobs complete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.integration.devcluster.conftest import Workbench

LABELS = {"app": "sleeper"}


def deployment(bench: Workbench, script: str) -> None:
    container = {"name": "main", "image": "host", "command": ["sh", "-c", script]}
    pod = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    template = {"metadata": {"labels": LABELS}, "spec": pod}
    spec = {"replicas": 2, "selector": {"matchLabels": LABELS}, "template": template}
    bench.apply("apps/v1", "Deployment", "sleeper", spec=spec)


def pods(bench: Workbench) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = bench.kube.get("pods", "-n", bench.namespace, "-l", "app=sleeper")["items"]
    return found


def test_a_deployment_becomes_available_rolls_and_scales(bench: Workbench) -> None:
    deployment(bench, "sleep 600")
    bench.kubectl("wait", "deployment/sleeper", "--for=condition=Available", "--timeout=180s")
    addresses = {pod["status"]["podIP"] for pod in pods(bench)}
    assert len(addresses) == 2
    deployment(bench, "sleep 601")
    bench.kubectl("rollout", "status", "deployment/sleeper", "--timeout=180s")
    bench.kubectl("scale", "deployment/sleeper", "--replicas=1")
    bench.kube.until(lambda: len(pods(bench)) == 1)
    bench.kube.until(lambda: bench.get("deployment", "sleeper")["status"]["readyReplicas"] == 1)


def job(bench: Workbench, name: str, script: str, limit: int) -> None:
    container = {"name": "main", "image": "host", "command": ["sh", "-c", script]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    bench.apply("batch/v1", "Job", name, spec={"template": template, "backoffLimit": limit})


def test_a_job_completes(bench: Workbench) -> None:
    job(bench, "sum", "echo $((2 + 2))", limit=0)
    bench.kubectl("wait", "job/sum", "--for=condition=Complete", "--timeout=180s")
    assert bench.kubectl("logs", "job/sum") == "4\n"


def test_a_job_that_fails_is_failed(bench: Workbench) -> None:
    job(bench, "broken", "exit 1", limit=0)
    bench.kubectl("wait", "job/broken", "--for=condition=Failed", "--timeout=180s")
    assert bench.get("job", "broken")["status"]["failed"] == 1
