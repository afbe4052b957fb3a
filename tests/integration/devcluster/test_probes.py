"""Probes: readiness follows them, liveness restarts, startup holds both back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.integration.devcluster.conftest import Workbench

OFTEN = {"periodSeconds": 1, "failureThreshold": 1}


def shared(tmp_path: Path) -> dict[str, Any]:
    return {"volumes": [{"name": "signs", "hostPath": {"path": str(tmp_path)}}]}


def watched(**probes: list[str]) -> dict[str, Any]:
    mounts = [{"name": "signs", "mountPath": "/signs", "readOnly": True}]
    return {"volumeMounts": mounts, **{name: {"exec": {"command": argv}, **OFTEN} for name, argv in probes.items()}}


def ready_condition(bench: Workbench, name: str) -> str:
    conditions = bench.get("pod", name)["status"]["conditions"]
    return str(next(each["status"] for each in conditions if each["type"] == "Ready"))


def test_readiness_follows_the_probe(bench: Workbench, tmp_path: Path) -> None:
    sign = tmp_path / "ready"
    bench.create("follower", "sleep 600", watched(readinessProbe=["test", "-f", "/signs/ready"]), **shared(tmp_path))
    bench.running("follower")
    assert ready_condition(bench, "follower") == "False"
    sign.touch()
    bench.kube.until(lambda: ready_condition(bench, "follower") == "True")
    sign.unlink()
    bench.kube.until(lambda: ready_condition(bench, "follower") == "False")


def test_liveness_restarts_the_container_with_a_reason(bench: Workbench, tmp_path: Path) -> None:
    main = watched(livenessProbe=["test", "!", "-f", "/signs/sick"])
    spec = {"restartPolicy": "Always", "terminationGracePeriodSeconds": 1, **shared(tmp_path)}
    bench.create("patient", "sleep 600", main, **spec)
    bench.running("patient")
    (tmp_path / "sick").touch()
    bench.until("patient", lambda s: s["restartCount"] >= 1)
    assert "Liveness probe failed" in bench.kubectl("events", "--for", "pod/patient")


def test_startup_holds_readiness_back(bench: Workbench, tmp_path: Path) -> None:
    startup = {"exec": {"command": ["test", "-f", "/signs/begun"]}, "periodSeconds": 1, "failureThreshold": 60}
    main = watched(readinessProbe=["true"]) | {"startupProbe": startup}
    bench.create("starter", "sleep 600", main, **shared(tmp_path))
    bench.running("starter")
    assert bench.main("starter")["started"] is False
    (tmp_path / "begun").touch()
    status = bench.until("starter", lambda s: s["ready"])
    assert status["started"] is True


def test_an_http_probe_meets_the_pod_at_its_own_address(bench: Workbench) -> None:
    server = ["python3", "-m", "http.server", "8080", "--bind", "$(POD_IP)", "--directory", "/usr"]
    main = {
        "command": server,
        "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1},
        "livenessProbe": {"tcpSocket": {"port": 8080}, "initialDelaySeconds": 5},
    }
    bench.create("web", "", main)
    bench.until("web", lambda s: s["ready"])
    assert bench.get("pod", "web")["status"]["podIP"].startswith("127.1.")
